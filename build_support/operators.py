"""The extension modules of ``csrc/`` and the command that compiles them; torch is imported only to compile."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import needs
from setuptools import Extension

COMPILING = {"build", "build_ext", "bdist_wheel", "editable_wheel"}  # commands that need torch
NOT_IN_OPERATORS = ("emulator", "npu")  # built by the emulator's own launcher, or against torch_npu


def extension_arguments(commands: Sequence[str]) -> Dict[str, Any]:
    """Return ``ext_modules`` and ``cmdclass`` of the operators, or nothing when they are off or not asked for.

    Args:
        commands: the arguments of setup.py.

    Raises:
        SystemExit: torch or a compiler is missing; one line says what to do.
    """
    if not needs.operators_wanted() or not COMPILING.intersection(commands):
        return {}
    tools = _torch_tools()
    needs.check_compiler()
    return {"ext_modules": _extensions(tools.CppExtension), "cmdclass": {"build_ext": _build_command(tools)}}


def _torch_tools() -> Any:
    # With torch_npu installed and no CANN, `import torch` fails where it loads torch_npu by itself.
    os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    if find_spec("torch") is None:
        raise SystemExit(
            "mx_driving: building the operators needs torch, but the environment that builds has none (by default pip "
            f"builds in an isolated one): install torch, then run `{needs.INSTALL}` (or set MX_DRIVING_BUILD_OPS=0 to "
            "build without them)"
        )
    import_module("torch")
    try:
        return import_module("torch.utils.cpp_extension")
    except ImportError as exc:  # torch 2.1 and 2.2 import pkg_resources.packaging
        raise SystemExit(
            f"mx_driving: the build tools of torch {metadata.version('torch')} do not import with setuptools "
            f'{metadata.version("setuptools")} ({exc}): run `pip install "setuptools>=64,<70" wheel ninja`, then '
            "`pip install --no-build-isolation .`"
        ) from None


def _extensions(cpp_extension: Any) -> List[Extension]:
    # Not linked: the OpenMP runtime is the one that torch brings along, a second one would fight it for the cores.
    # No -std: torch's own build tool adds the one that its headers want.
    # -g0: most Pythons pass -g, and debug information would be nine tenths of the library.
    flags = ["-O3", "-g0", openmp_flag()]
    operators = cpp_extension("mx_driving._operators", operator_sources(), extra_compile_args={"cxx": flags})
    return [operators, *npu_extensions(cpp_extension)]


def operator_sources() -> List[str]:
    """Every C++ file of the operators: a new one needs no entry anywhere."""
    files = sorted(Path("csrc").glob("**/*.cpp"))
    return [str(path) for path in files if path.parts[1] not in NOT_IN_OPERATORS]


def openmp_flag() -> str:
    """Return the flag for loops over all cores, or the one for vector loops alone, which is said."""
    if sys.platform != "linux":
        return "-fopenmp-simd"
    compiler = needs.compiler()
    version = subprocess.run([*compiler, "--version"], stdout=subprocess.PIPE, text=True, check=False)
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "probe.cpp")
        source.write_text("#include <omp.h>\nint main() { return omp_get_max_threads(); }\n")
        probe = [*compiler, "-fopenmp", "-c", str(source), "-o", str(source.with_suffix(".o"))]
        works = subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0
    if "clang" in version.stdout:
        # Its OpenMP calls another runtime than torch's libgomp, which alone is loaded.
        reason = "clang's OpenMP is not that of torch's libgomp"
    elif not works:
        reason = f"{compiler[0]} has no OpenMP"
    else:
        return "-fopenmp"
    print(f"mx_driving: {reason}: the operators will use one thread; build with g++ for all cores", file=sys.stderr)
    return "-fopenmp-simd"


def npu_extensions(cpp_extension: Any) -> List[Extension]:
    """Return the extension of ``csrc/npu``, or nothing where torch_npu is absent or does not fit torch.

    torch_npu is found, not imported: without CANN it does not import.

    Args:
        cpp_extension: ``torch.utils.cpp_extension.CppExtension``.
    """
    spec = find_spec("torch_npu")
    if spec is None or not spec.submodule_search_locations:
        return []
    torch, npu = import_module("torch"), metadata.version("torch_npu")
    if torch.version.cuda:
        print(f"mx_driving: the NPU kernels are not built: torch {torch.__version__} is a CUDA build", file=sys.stderr)
        return []
    if _release(npu) != _release(torch.__version__):
        print(
            f"mx_driving: the NPU kernels are not built: torch_npu {npu} does not fit torch {torch.__version__}: run "
            f"pip install --no-deps torch_npu=={'.'.join(_release(torch.__version__))}",
            file=sys.stderr,
        )
        return []
    torch_npu = Path(next(iter(spec.submodule_search_locations)))
    third_party = torch_npu / "include" / "third_party"
    includes = [torch_npu / "include", third_party / "acl" / "inc", third_party / "hccl" / "inc"]
    return [
        cpp_extension(
            "mx_driving._operators_npu",
            sorted(str(path) for path in Path("csrc", "npu").glob("*.cpp")),
            include_dirs=[str(path) for path in includes],
            library_dirs=[str(torch_npu / "lib")],
            libraries=["torch_npu", "dl"],
        )
    ]


def _release(version: str) -> Tuple[str, ...]:
    return tuple(re.findall(r"\d+", version)[:3])


def _build_command(tools: Any) -> type:
    class BuildOperators(tools.BuildExtension):  # type: ignore[misc]
        """``build_ext`` of torch that never takes a library of another torch, compiler or header for a fresh one."""

        def finalize_options(self) -> None:
            """Set the objects' folder; a library that is there already never ends the work."""
            super().finalize_options()
            # setuptools compares a library with its sources alone. Ninja compares objects with headers and flags too;
            # without ninja everything is compiled.
            self.force = True

        def build_extension(self, ext: Extension) -> None:
            """Compile in a folder of objects that belongs to this torch, Python and compiler."""
            self.build_temp = str(Path("build", f"objects-{objects_key(ext)}"))
            super().build_extension(ext)

    return BuildOperators


def objects_key(ext: Extension) -> str:
    """Digest of what decides, beside the sources, whether an object file fits: of torch's headers the times may lie."""
    torch = import_module("torch")
    facts = [
        sys.version,
        sysconfig.get_platform(),
        torch.__version__,
        str(torch.compiled_with_cxx11_abi()),
        str(torch.__file__),
        " ".join(needs.compiler()),
        *(os.environ.get(name, "") for name in ("CFLAGS", "CXXFLAGS", "CPPFLAGS")),
        str(ext.extra_compile_args),
    ]
    if ext.name.endswith("_npu"):
        facts.append(metadata.version("torch_npu"))
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
