"""Let PyPI's torch for Linux, a CUDA build, work on a CPU without the two gigabytes of NVIDIA's libraries.

    python ci/without_cuda.py

Run it with the Python whose torch it shall serve. For every shared library that torch's own libraries ask for and the
loader does not find, it writes one into ``torch/lib`` whose functions end the process with a message: on a machine
without a GPU none is ever called. NVIDIA's runtime itself is small and is installed (``nvidia-cuda-runtime-cu12``),
since torch asks it whether there is a device. Needs gcc and binutils; only the standard library is used. For CI alone.
"""

from __future__ import annotations

import re
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Dict, List, Set

NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")
# NVIDIA's functions alone: what torch's libraries ask of each other must not be answered here.
UNDEFINED = re.compile(r"^\s+U ((?:cu|nccl)\w+)(?:@@?([\w.]+))?$", re.MULTILINE)
BODY = 'static void none(void) {{ fputs("{name}: only a stand-in of CI\'s\\n", stderr); abort(); }}\n'


def output(*command: str) -> str:
    """Run a command of binutils and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def wanted(libraries: List[Path]) -> Set[str]:
    """Names of the shared libraries that these ask for, wherever they are."""
    return {name for library in libraries for name in NEEDED.findall(output("readelf", "-dW", str(library)))}


def symbols(libraries: List[Path]) -> Dict[str, str]:
    """Undefined functions of these libraries, with the version that is asked for, or an empty text."""
    text = "".join(output("nm", "-D", "--undefined-only", "--with-symbol-versions", str(path)) for path in libraries)
    return dict(UNDEFINED.findall(text))


def missing(names: Set[str], folders: List[Path]) -> List[str]:
    """Those of the names that neither the folders nor the system's loader know."""
    system = output("/sbin/ldconfig", "-p")
    known = {path.name for folder in folders for path in folder.glob("*.so*")}
    return sorted(name for name in names - known if f"\t{name} " not in system)


def write(target: Path, functions: Dict[str, str]) -> None:
    """Compile a library of this name whose functions all stop the process."""
    with tempfile.TemporaryDirectory() as scratch:
        source, script = Path(scratch, "stub.c"), Path(scratch, "stub.map")
        lines = ["#include <stdio.h>", "#include <stdlib.h>", BODY.format(name=target.name)]
        lines += [f'void {name}(void) __attribute__((alias("none")));' for name in sorted(functions)]
        source.write_text("\n".join(lines) + "\n")
        versions = sorted({version for version in functions.values() if version})
        script.write_text("".join(f"{version} {{}};\n" for version in versions) or "{ global: *; };\n")
        if versions:
            own = {version: [name for name, of in functions.items() if of == version] for version in versions}
            script.write_text("".join(f"{version} {{ {'; '.join(names)}; }};\n" for version, names in own.items()))
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{target.name}", f"-Wl,--version-script,{script}", "-o",
             str(target), str(source)],
            check=True,
        )  # fmt: skip


def main() -> int:
    """Write what is missing; returns the exit code."""
    site = Path(sysconfig.get_path("purelib"))
    lib = site / "torch" / "lib"
    libraries = sorted(path for path in lib.glob("*.so*") if path.is_file())
    folders = [lib, *site.glob("nvidia/*/lib"), *site.glob("nvidia/*/lib64")]
    absent = missing(wanted(libraries), folders)
    undefined = symbols(libraries)
    for name in absent:
        base = name.split(".so")[0]
        # A function without a version may be of any of them; the loader asks them all.
        write(lib / name, {function: of for function, of in undefined.items() if of in ("", name) or of == base})
    print(f"{len(absent)} stand-ins in {lib}: {', '.join(absent) or 'nothing was missing'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
