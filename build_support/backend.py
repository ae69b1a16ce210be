"""The build backend: setuptools' own, behind a check of the tools, and for trees that cannot be written.

In front of setuptools, because in a fresh environment it is what is missing, and its absence is a traceback otherwise.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import needs
import sources

needs.check_tools()

from setuptools import build_meta  # noqa: E402

Settings = Optional[Dict[str, Any]]


def _can_be_written(folder: Path) -> bool:
    try:
        tempfile.TemporaryFile(dir=str(folder)).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _tree() -> Iterator[None]:
    """Work in the source tree, or in a copy of it where setuptools could not write its ``egg-info`` and ``build``."""
    here = os.getcwd()
    if _can_be_written(sources.ROOT):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mx_driving-") as scratch:
        os.chdir(str(sources.copy(Path(scratch, "sources"))))
        try:
            yield
        finally:
            os.chdir(here)


def _requires(config_settings: Settings = None) -> List[str]:
    """Nothing beyond pyproject.toml: asking setuptools would run setup.py once more."""
    return []


get_requires_for_build_wheel = get_requires_for_build_sdist = get_requires_for_build_editable = _requires


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Settings = None) -> str:
    """PEP 517."""
    with _tree():
        return build_meta.prepare_metadata_for_build_wheel(metadata_directory, config_settings)


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None
) -> str:
    """PEP 517."""
    with _tree():
        return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Settings = None) -> str:
    """PEP 517."""
    with _tree():
        return build_meta.build_sdist(sdist_directory, config_settings)


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: Settings = None) -> str:
    """PEP 660."""
    _check_editable()
    return build_meta.prepare_metadata_for_build_editable(metadata_directory, config_settings)


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: Optional[str] = None
) -> str:
    """PEP 660."""
    _check_editable()
    return build_meta.build_editable(wheel_directory, config_settings, metadata_directory)


def _check_editable() -> None:
    if not _can_be_written(sources.ROOT):
        raise SystemExit(
            f"mx_driving: an editable installation builds inside the source tree, but {sources.ROOT} cannot be "
            "written: install without -e, or copy the tree"
        )
