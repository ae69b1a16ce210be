"""Compile ``csrc/emulator`` against the installed torch and torch_npu, once, into the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterable, List, Optional, TextIO

from mx_driving.emulator import symbols
from mx_driving.emulator.errors import EmulatorError
from mx_driving.emulator.installation import Installation, find_installation
from mx_driving.emulator.symbols import called_operators, missing_lines, written_operators

# One shared object under every name that torch_npu asks the loader for: the loader knows a file by its inode, so all
# of CANN's libraries are one instance with one state.
CANN_LIBRARIES = (
    "libacl_op_compiler.so",
    "libacl_tdt_channel.so",
    "libascend_hal.so",
    "libascendcl.so",
    "libge_runner.so",
    "libgraph.so",
    "libhccl.so",
    "libmsprofiler.so",
    "libnnopbase.so",
    "libopapi.so",
    "libopapi_cv.so",
    "libopapi_legacy.so",
    "libopapi_math.so",
    "libopapi_nn.so",
    "libopapi_transformer.so",
    "libruntime.so",
)
_LIBRARY = "libmx_driving_emulator.so"
_DAY = 24 * 3600.0
_FLAGS = ["-O1", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]


def source_root() -> Path:
    """The ``csrc`` directory: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "csrc", package.parent / "csrc"):
        if (candidate / "emulator" / "operator.h").is_file():
            return candidate
    raise EmulatorError(
        f"the emulator's sources are missing: expected them in {package / 'csrc' / 'emulator'}, reinstall"
    )


def cache_root() -> Path:
    """``${XDG_CACHE_HOME:-~/.cache}/mx_driving/emulator``."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # as the XDG specification asks; a child may change its directory
        base = _home() / ".cache"
    return base / "mx_driving" / "emulator"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:  # a container's user without an entry in /etc/passwd
        raise EmulatorError("the home directory is not known: set XDG_CACHE_HOME to a directory of yours") from error


def build(progress: Optional[TextIO] = None) -> Path:
    """Return the directory of the emulated CANN libraries for this environment, building them if need be.

    Args:
        progress: where to report what is compiled; standard error by default.

    Raises:
        EmulatorError: torch_npu missing or of another release, no C++ compiler, or a compile error.
    """
    installation = find_installation()
    root = source_root()
    target = cache_root() / _key(installation, root)
    if (target / "lib" / _LIBRARY).is_file():
        return target / "lib"
    _build_atomically(installation, root, target, progress or sys.stderr)
    return target / "lib"


def _key(installation: Installation, root: Path) -> str:
    digest = hashlib.sha256()
    for source in sorted((root / "emulator").rglob("*")):
        if source.is_file():
            digest.update(str(source.relative_to(root)).encode() + b"\0" + source.read_bytes())
    for source in (Path(__file__), Path(symbols.__file__)):
        digest.update(source.read_bytes())
    # A home directory may be shared by machines of several kinds.
    digest.update(" ".join([platform.machine(), *platform.libc_ver()]).encode())
    return f"torch-{installation.torch_version}_npu-{installation.torch_npu_version}_{digest.hexdigest()[:16]}"


def _build_atomically(installation: Installation, root: Path, target: Path, progress: TextIO) -> None:
    # Built beside its final place and renamed: an interrupted build leaves nothing that looks finished, and of two
    # processes that build at once the second finds the name taken and uses it.
    with working_directory(target.parent) as work:
        lib = Path(work) / "out" / "lib"
        lib.mkdir(parents=True)
        _Compiler(installation, root, Path(work), progress).link(lib / _LIBRARY)
        for name in CANN_LIBRARIES:
            (lib / name).symlink_to(_LIBRARY)
        try:
            os.rename(str(lib.parent), str(target))
        except OSError:
            if not (target / "lib" / _LIBRARY).is_file():
                raise


def working_directory(parent: Path) -> tempfile.TemporaryDirectory:
    """Make a directory in the cache that vanishes with its ``with`` block.

    Raises:
        EmulatorError: the cache cannot be written.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        return tempfile.TemporaryDirectory(prefix=".building-", dir=str(parent))
    except OSError as error:
        raise EmulatorError(
            f"{parent} cannot be written ({error.strerror}): set XDG_CACHE_HOME to a directory that can"
        ) from error


def _sweep(parent: Path) -> None:
    # What a killed build left behind; one that still runs after a day has hung.
    for left in parent.glob(".building-*"):
        with contextlib.suppress(FileNotFoundError):  # another process may be done with it
            if time.time() - left.stat().st_mtime > _DAY:
                shutil.rmtree(left, ignore_errors=True)


class _Compiler:
    """One build: precompiled header, objects, shared library."""

    def __init__(self, installation: Installation, root: Path, work: Path, progress: TextIO) -> None:
        self.installation, self.root, self.work, self.progress = installation, root, work, progress
        self.cxx, self.cc = _tool("CXX", "g++"), _tool("CC", "gcc")
        includes = [f"-isystem{path}" for path in installation.include_dirs()]
        abi = f"-D_GLIBCXX_USE_CXX11_ABI={_cxx11_abi()}"
        self.cxx_flags = [*_FLAGS, "-std=c++20", abi, f"-I{work}", f"-I{root}", *includes]

    def link(self, library: Path) -> None:
        sources = sorted((self.root / "emulator").rglob("*.cpp"))
        objects = self._compile_all(sources)
        torch_lib = self.installation.torch / "lib"
        self._run("linking", [self.cxx, "-shared", f"-Wl,-soname,{_LIBRARY}", "-Wl,--no-undefined", "-o", library,
                              *objects, f"-L{torch_lib}", "-ltorch_cpu", "-lc10", "-lpthread", "-lrt"])  # fmt: skip

    def _compile_all(self, sources: List[Path]) -> List[Path]:
        # The compiler wants the precompiled header beside the header, so a copy of it stands first on the include path.
        (self.work / "emulator").mkdir()
        header = Path(shutil.copy(self.root / "emulator" / "prelude.h", self.work / "emulator"))
        self._run("compiling headers", [self.cxx, *self.cxx_flags, "-x", "c++-header", header, "-o", f"{header}.gch"])
        total = len(sources) + 1
        with ThreadPoolExecutor(jobs()) as pool:
            objects = list(pool.map(lambda at: self._compile(at[1], f"[{at[0]}/{total}]"), enumerate(sources, 1)))
        return [*objects, self._compile_missing(sources, f"[{total}/{total}]")]

    def _compile(self, source: Path, label: str) -> Path:
        target = self.work / ("_".join(source.relative_to(self.root).parts) + ".o")
        command = [self.cxx, *self.cxx_flags, "-include", "emulator/prelude.h", "-c", source, "-o", target]
        self._run(f"{label} {source.relative_to(self.root / 'emulator')}", command)
        return target

    def _compile_missing(self, sources: Iterable[Path], label: str) -> Path:
        lines = missing_lines(called_operators(self.installation.library), written_operators(sources))
        (self.work / "missing_operators.inc").write_text("\n".join(lines) + "\n", encoding="utf-8")
        target, source = self.work / "missing.o", self.root / "emulator" / "runtime" / "missing.c"
        command = [self.cc, "-O1", "-fPIC", f"-I{self.work}", "-c", source, "-o", target]
        self._run(f"{label} {len(lines) // 2} operators that are not written", command)
        return target

    def _run(self, label: str, command: List[object]) -> None:
        print(f"mx_driving.emulator: {label}", file=self.progress, flush=True)
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmulatorError(f"{label} failed:\n{done.stderr.strip()}")


def jobs() -> int:
    """``MAX_JOBS``, or one compiler for every two cores: torch's headers take much memory."""
    wanted = os.environ.get("MAX_JOBS") or str(max(1, (os.cpu_count() or 2) // 2))
    if not wanted.isdigit() or int(wanted) < 1:
        raise EmulatorError(f"MAX_JOBS must be a number of compilers, 1 or more, got {wanted!r}")
    return int(wanted)


def _tool(variable: str, default: str) -> str:
    name = os.environ.get(variable) or default
    if shutil.which(name) is None:
        raise EmulatorError(f"the compiler {name} is not on the PATH: install g++ 10 or newer, or set {variable}")
    return name


def _cxx11_abi() -> int:
    # Only torch itself knows its C++ ABI; the variable keeps it from importing torch_npu, which needs what we build.
    command = [sys.executable, "-c", "import torch; print(int(torch.compiled_with_cxx11_abi()))"]
    environment = {**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise EmulatorError(f"torch does not import: {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout)
