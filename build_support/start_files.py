"""Build commands that put the bootstrap's start-up files at the root of wheels, and the emulator's sources into them.

``data_files`` would place them relative to the prefix of the building interpreter, which is wrong on Debian and for
wheels that serve several Python versions; at the root of a wheel they land in site-packages and in RECORD, so that
``pip uninstall`` removes them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from runpy import run_path
from typing import Dict, List

from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel
from wheel.wheelfile import WheelFile

BOOTSTRAP = Path("mx_driving", "bootstrap")
EMULATOR = Path("csrc", "emulator")


def start_files(root: Path) -> Dict[str, str]:
    """Return the start-up files by name.

    Args:
        root: the source tree.

    Returns:
        Contents; the settings file is empty, which means off.
    """
    texts = run_path(str(root / BOOTSTRAP / "startup.py"))
    return {
        texts["PTH_NAME"]: texts["PTH_OFF"],
        texts["START_NAME"]: texts["START"],
        texts["SETTINGS_NAME"]: "",
        texts["STARTER_NAME"]: (root / BOOTSTRAP / "starter.py").read_text(encoding="utf-8"),
    }


class BuildPy(build_py):
    """``build_py`` that adds the start-up files beside the packages, and the emulator's C++ sources inside.

    An editable wheel gets the files from ``EditableWheel`` instead, and reads the sources from the source tree.
    """

    def run(self) -> None:
        """Build the packages from nothing, then add the files."""
        if self.editable_mode:
            super().run()
            return
        # setuptools copies over what is there: what an earlier build left would be shipped for ever.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        for name, text in start_files(Path.cwd()).items():
            Path(self.build_lib, name).write_text(text, encoding="utf-8")
        shutil.copytree(str(EMULATOR), str(Path(self.build_lib, "mx_driving", EMULATOR)))

    def get_outputs(self, include_bytecode: bool = True) -> List[str]:
        """List these files with the others, for commands that install or record by this list."""
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        sources = [Path("mx_driving", path) for path in EMULATOR.rglob("*") if path.is_file()]
        return outputs + [str(Path(self.build_lib, name)) for name in [*start_files(Path.cwd()), *sources]]


class EditableWheel(editable_wheel):
    """``editable_wheel`` whose wheel holds the start-up files: copies, the only part that is not live."""

    def run(self) -> None:
        """Build the editable wheel and add the files to it."""
        super().run()
        for wheel in Path(self.dist_dir).glob("*.editable-*.whl"):
            _add_to_wheel(wheel, start_files(Path.cwd()))


def _add_to_wheel(wheel: Path, files: Dict[str, str]) -> None:
    """Rewrite a wheel with more files: appending would leave a RECORD that does not list them."""
    with WheelFile(str(wheel)) as old:
        kept = [info for info in old.infolist() if info.filename not in (old.record_path, *files)]
        members = [(info, old.read(info)) for info in kept]
    with WheelFile(str(wheel), "w") as new:
        for info, data in members:
            new.writestr(info, data)
        for name, text in files.items():
            new.writestr(name, text)


def commands() -> Dict[str, type]:
    """Return the ``cmdclass`` entries for ``setup()``."""
    return {"build_py": BuildPy, "editable_wheel": EditableWheel}
