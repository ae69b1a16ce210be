"""Builds ``mx_driving._operators``, the operators of ``csrc/``; everything else stands in pyproject.toml.

``MX_DRIVING_BUILD_OPS=0`` builds the package without them: pure Python, for environments that have no torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "build_support"))  # a build front end puts neither on the path

from npu_build import npu_extensions, ship_emulator  # noqa: E402
from start_files import commands  # noqa: E402  (the bootstrap's .pth and .start)

NOT_IN_C = ("emulator", "npu")  # built against torch_npu, or by the emulator's own launcher


def operator_sources() -> list[str]:
    """Every C++ file of the operators: a new one needs no entry anywhere."""
    files = sorted(path.relative_to(ROOT) for path in ROOT.glob("csrc/**/*.cpp"))
    return [str(path) for path in files if path.parts[1] not in NOT_IN_C]


def extension_arguments() -> dict:
    """``ext_modules`` and ``cmdclass`` for the operators, or nothing when they are switched off."""
    if os.environ.get("MX_DRIVING_BUILD_OPS", "1") == "0":
        return {}
    # With torch_npu installed and no CANN, `import torch` fails where it loads torch_npu by itself.
    os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"
    try:
        from torch.utils.cpp_extension import BuildExtension, CppExtension
    except ModuleNotFoundError as exc:
        if exc.name != "torch":
            raise
        raise SystemExit(
            "mx_driving: building the operators needs torch, but this environment has none: install torch, then run "
            "`pip install --no-build-isolation .` (or set MX_DRIVING_BUILD_OPS=0 to build without them)"
        ) from None
    # Not linked: the OpenMP runtime is the one that torch brings along, a second one would fight it for the cores.
    # No -std: torch's own build tool adds the one that its headers want.
    # -g0: most Pythons pass -g, and debug information would be nine tenths of the library.
    flags = ["-O3", "-g0", "-fopenmp" if sys.platform == "linux" else "-fopenmp-simd"]
    extension = CppExtension("mx_driving._operators", operator_sources(), extra_compile_args={"cxx": flags})
    return {"ext_modules": [extension, *npu_extensions(CppExtension)], "cmdclass": {"build_ext": BuildExtension}}


arguments = extension_arguments()
build = commands()
build["build_py"] = ship_emulator(build["build_py"])
setup(**{**arguments, "cmdclass": {**arguments.get("cmdclass", {}), **build}})
