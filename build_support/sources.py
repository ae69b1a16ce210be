"""What the package is made from: one list for the build, for the wheel's staleness in CI and for the tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

ROOT = Path(__file__).resolve().parent.parent
TOP = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "README.zh-CN.md",
    "CHANGELOG.md",
    "LICENSE",
    "build_support",
    "csrc",
    "mx_driving",
)  # fmt: skip
_MADE = ("__pycache__", "*.so", "*.pyc")


def copy(target: Path) -> Path:
    """Copy the sources, without what a build made, into ``target``, which must not exist; returns it."""
    target.mkdir(parents=True)
    for name in TOP:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns(*_MADE))
        else:
            shutil.copyfile(source, target / name)
    return target


def files() -> List[Path]:
    """Return every file of the sources: a change of any of them means another wheel."""
    found = [path for name in TOP for path in [ROOT / name, *sorted((ROOT / name).rglob("*"))] if path.is_file()]
    return [path for path in found if not any(path.match(made) for made in _MADE)]
