"""The Python interface: ``with default_patcher_builder.build(): train()``.

Loaded by parts: ``patch_mmcv_version`` has to run before anything else is imported and must not load torch.
"""

from __future__ import annotations

import importlib
from typing import Any, List

from mx_driving.patcher.mmcv_version import patch_mmcv_version

_BUILDER = ("Patch", "Patcher", "PatcherBuilder")
_RECORD = ("Effect", "PatchRecord", "PatchSkipped", "Provide", "Replace")

__all__ = ["Patch", "Patcher", "PatcherBuilder", "default_patcher_builder", "patch_mmcv_version"]


def __getattr__(name: str) -> Any:
    """Return what a patch of one's own is made of, a builder class, a patch by its name, or the default builder."""
    if name in _RECORD:
        return getattr(importlib.import_module("mx_driving._core"), name)
    if name in _BUILDER:
        return getattr(importlib.import_module("mx_driving.patcher.builder"), name)
    if name == "default_patcher_builder":
        # One for the process, made when it is first asked for: what is disabled on it stays disabled.
        globals()[name] = importlib.import_module("mx_driving.patcher.builder").default_builder()
        return globals()[name]
    patches = importlib.import_module("mx_driving.patches")
    if name in patches.CATALOGUE:
        return patches.load(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted([*__all__, *importlib.import_module("mx_driving.patches").CATALOGUE])
