"""Finds ``mmcv._ext`` where the installed mmcv brings none, and fills it with our operators.

Nothing here imports torch: the operators load when ``mmcv._ext`` is imported.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, Callable, Dict, Optional

from mx_driving.mmcv_ext.names import NAMES

NAME = "mmcv._ext"

_MARK = "provided_by"


class _Loader(importlib.abc.Loader):
    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(functions())
        setattr(module, _MARK, "mx_driving")


class ExtensionFinder(importlib.abc.MetaPathFinder):
    """Answers for ``mmcv._ext`` alone; it stands last on ``sys.meta_path``."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        """Return a spec for ``mmcv._ext``, None for everything else."""
        return spec() if fullname == NAME else None


def spec() -> ModuleSpec:
    """Return the spec of our ``mmcv._ext``."""
    found = importlib.util.spec_from_loader(NAME, _Loader(), origin=__file__)
    assert found is not None
    found.has_location = True  # tools that list a module's file find this one
    return found


_finder = ExtensionFinder()


def install() -> None:
    """Let ``import mmcv._ext`` find ours where mmcv brings none; doing it again changes nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)


def functions() -> Dict[str, Callable]:
    """Return the extension's functions: ours, and for the others one that says what to do.

    Raises:
        TypeError: two groups define the same name.
    """
    ours = provided()
    return {name: ours.get(name) or _missing(name) for name in sorted({*NAMES, *ours})}


def provided() -> Dict[str, Callable]:
    """Return the functions that the groups define, by name.

    Raises:
        TypeError: two groups define the same name.
    """
    found: Dict[str, Callable] = {}
    for group in importlib.import_module("mx_driving.mmcv_ext").GROUPS:
        module = importlib.import_module(f"mx_driving.mmcv_ext.{group}")
        for name, value in vars(module).items():
            if name.startswith("_") or not isinstance(value, FunctionType) or value.__module__ != module.__name__:
                continue
            if name in found:
                raise TypeError(f"mmcv_ext: {found[name].__module__} and {module.__name__} both define {name}")
            found[name] = value
    return found


def _missing(name: str) -> Callable:
    def call(*args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"mmcv._ext.{name} (mmcv.ops.{NAMES[name]}) is not provided by mx_driving yet; install an mmcv that was "
            "compiled with its operators for this model"
        )

    call.__name__ = call.__qualname__ = name
    return call


def is_ours() -> bool:
    """Tell whether ``mmcv._ext`` is loaded and is ours."""
    return getattr(sys.modules.get(NAME), _MARK, "") == "mx_driving"


def describe() -> str:
    """Say in one line who provides mmcv's operators in this process, without importing them."""
    if is_ours():
        ours = provided()
        left = len(set(NAMES) - set(ours))
        # Fifty names would hide the table: which they are stands in docs/mmcv-without-operators.md.
        rest = f"; the {left} others say who uses them when they are called" if left else ""
        return f"mmcv's operators: mx_driving's, mmcv brings none ({len(ours)} of {len(NAMES)} functions{rest})"
    module = sys.modules.get(NAME)
    if module is not None:
        return f"mmcv's operators: mmcv's own, compiled ({getattr(module, '__file__', 'no file')})"
    return "mmcv's operators: not loaded"
