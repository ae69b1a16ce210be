"""What setup.py does for NPUs: build ``_operators_npu`` where torch_npu is, and ship the emulator's sources."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any, List, Type

from setuptools import Extension
from setuptools.command.build_py import build_py

EMULATOR = Path("csrc", "emulator")


def npu_extensions(cpp_extension: Any) -> List[Extension]:
    """Return the extension of ``csrc/npu``, or nothing where torch_npu is absent or of another release than torch.

    torch_npu is found, not imported: without CANN it does not import.

    Args:
        cpp_extension: ``torch.utils.cpp_extension.CppExtension``.
    """
    if importlib.util.find_spec("torch_npu") is None:
        return []
    sys.path.append(str(Path.cwd()))
    from mx_driving.emulator.errors import EmulatorError
    from mx_driving.emulator.installation import find_installation

    try:
        installation = find_installation()
    except EmulatorError as error:
        print(f"mx_driving: the NPU kernels are not built: {error}", file=sys.stderr)
        return []
    torch_npu = installation.torch_npu
    third_party = torch_npu / "include" / "third_party"
    includes = [
        torch_npu / "include",
        third_party / "acl" / "inc",
        third_party / "hccl" / "inc",
    ]
    return [
        cpp_extension(
            "mx_driving._operators_npu",
            sorted(str(path) for path in Path("csrc", "npu").glob("*.cpp")),
            include_dirs=[str(path) for path in includes],
            library_dirs=[str(torch_npu / "lib")],
            libraries=["torch_npu", "dl"],
        )
    ]


def ship_emulator(command: Type[build_py]) -> Type[build_py]:
    """Return a ``build_py`` that also copies the emulator's C++ sources into the package, as ``mx_driving/csrc``."""

    class BuildPy(command):  # type: ignore[valid-type, misc]
        """``build_py`` with the emulator's sources; an editable install reads them from the source tree."""

        def run(self) -> None:
            """Build as before, then copy."""
            super().run()
            if not self.editable_mode:
                shutil.copytree(EMULATOR, Path(self.build_lib, "mx_driving", EMULATOR), dirs_exist_ok=True)

        def get_outputs(self, include_bytecode: bool = True) -> List[str]:
            """List the sources with the other files of the package."""
            sources = [] if self.editable_mode else [path for path in EMULATOR.rglob("*") if path.is_file()]
            copied = [str(Path(self.build_lib, "mx_driving", path)) for path in sources]
            return super().get_outputs(include_bytecode) + copied

    return BuildPy
