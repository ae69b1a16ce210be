"""Version ranges as data, checked against distribution metadata without importing the package."""

from __future__ import annotations

import functools
import importlib.util
import sys
from importlib import metadata
from typing import Iterable, Optional

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

DISTRIBUTIONS = {
    "mmcv": ("mmcv", "mmcv-full", "mmcv-lite", "onedl-mmcv"),
    "mmengine": ("mmengine", "mmengine-lite", "onedl-mmengine"),
    "mmdet": ("mmdet", "onedl-mmdetection"),
    "mmseg": ("mmsegmentation", "onedl-mmsegmentation"),
}
"""Distributions that provide an import package of another name."""


def is_installed(package: str) -> bool:
    """Tell whether a top-level package can be found; it is not imported."""
    if package in sys.modules:
        return True
    return importlib.util.find_spec(package) is not None


def installed_version(package: str) -> Optional[Version]:
    """Return the version of an import package, or None where neither metadata nor a loaded module states one.

    Raises:
        ValueError: the stated version is none by PEP 440.
    """
    text = _stated_version(package)
    if text is None:
        return None
    try:
        return Version(text)
    except InvalidVersion as exc:
        raise ValueError(f"{package} states the version {text!r}; expected one by PEP 440; reinstall it") from exc


@functools.lru_cache(maxsize=None)
def _distribution_version(name: str) -> Optional[str]:
    # Reading metadata parses a file; what is installed does not change while a process runs.
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _stated_version(package: str) -> Optional[str]:
    for name in DISTRIBUTIONS.get(package, (package,)):
        version = _distribution_version(name)
        if version is not None:
            return version
    # A source checkout on PYTHONPATH has no metadata; once imported, it still says what it is.
    return getattr(sys.modules.get(package), "__version__", None)


def unmet(requirements: Iterable[str]) -> Optional[str]:
    """Return why the first unmet requirement such as ``mmcv>=1.4,<2.4`` is not met, or None if all are.

    A package whose version nobody states is taken to be in range: better one clear failure than a silent skip.
    """
    for text in requirements:
        requirement = Requirement(text)
        if not is_installed(requirement.name):
            return f"{requirement.name} is not installed"
        version = installed_version(requirement.name)
        if version is not None and not requirement.specifier.contains(version, prereleases=True):
            return f"needs {text}, found {requirement.name} {version}"
    return None
