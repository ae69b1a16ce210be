"""Show packages that assert an mmcv version the version they accept, before ``train.py`` imports anything.

Standard library only, and nothing of mx_driving above it: this is what runs in every interpreter that switches it on.
See ``docs/version-conflict.md``.
"""

from __future__ import annotations

from typing import Union

from .finder import FINDER, VersionFinder
from .request import Request, make_request, parse_request
from .verdict import MmcvVersionWarning

__all__ = ["FINDER", "MmcvVersionWarning", "Request", "VersionFinder", "activate", "make_request", "parse_request"]


def activate(value: Union[str, bytes], origin: str) -> VersionFinder:
    """Switch the bootstrap on with a value that the starter found; it is checked here, not at interpreter start.

    Args:
        value: ``auto`` or a version, optionally followed by packages.
        origin: where it stood.

    Returns:
        Now on ``sys.meta_path``.

    Raises:
        ValueError: if the value is neither.
    """
    FINDER.add(parse_request(value, origin))
    return FINDER
