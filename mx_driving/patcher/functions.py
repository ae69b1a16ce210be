"""Patches that a user writes as a function ``f(module, options)`` which assigns what it wants to change."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Any, Callable, Dict, Optional

from mx_driving._core import Effect, PatchRecord, PatchSkipped
from mx_driving._core.assignments import assigned_by
from mx_driving._core.versions import is_installed

PatchFunction = Callable[[ModuleType, Dict[str, Any]], None]


def as_patch(function: PatchFunction, module: str, options: Optional[Dict[str, Any]]) -> PatchRecord:
    """Return a record that calls the function; what it assigns can be taken back like any other patch."""
    name = getattr(function, "__name__", repr(function))
    start = functools.partial(_start, function, module, dict(options or {}))
    effect = Effect(f"{module} by {name}", start, last=True)
    return PatchRecord(name, (effect,), why="given by the user", upstream="-", remove_when="the user says so")


def _start(function: PatchFunction, name: str, options: Dict[str, Any]) -> Callable[[], None]:
    package = name.partition(".")[0]
    if not is_installed(package):
        raise PatchSkipped(f"{package} is not installed")
    return assigned_by(function, importlib.import_module(name), options)
