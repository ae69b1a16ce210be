"""Patches that a user writes as a function ``f(module, options)`` which assigns what it wants to change."""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from mx_driving._core import Effect, PatchRecord, PatchSkipped
from mx_driving._core.site import MISSING, Site, plain, stored
from mx_driving._core.sweep import Swaps, sweep
from mx_driving._core.versions import is_installed

PatchFunction = Callable[[ModuleType, Dict[str, Any]], None]


class Change(NamedTuple):
    """An attribute that the function assigned."""

    site: Site
    new: Any


def as_patch(function: PatchFunction, module: str, options: Optional[Dict[str, Any]]) -> PatchRecord:
    """Return a record that runs the function and can undo what it assigned.

    What counts is every attribute of the module's package and of the classes defined in it.
    """
    start = functools.partial(_start, function, module, dict(options or {}))
    name = getattr(function, "__name__", repr(function))
    effect = Effect(f"{module} by {name}", start)
    return PatchRecord(name, (effect,), why="given by the user", upstream="-", remove_when="the user says so")


def _start(function: PatchFunction, name: str, options: Dict[str, Any]) -> Callable[[], None]:
    package = name.partition(".")[0]
    if not is_installed(package):
        raise PatchSkipped(f"{package} is not installed")
    module = importlib.import_module(name)
    before = {id(owner): (owner, dict(vars(owner))) for owner in _owners(package)}
    try:
        function(module, options)
    except BaseException:
        _undo(list(_changes(before)))
        raise
    changes = list(_changes(before))
    sweep(_swaps((plain(change.site.raw), plain(change.new)) for change in changes))
    return functools.partial(_undo, changes)


def _undo(changes: List[Change]) -> None:
    for site, new in changes:
        if stored(site.owner, site.name) is new:
            site.restore()
    sweep(_swaps((plain(change.new), plain(change.site.raw)) for change in changes))


def _swaps(pairs: Iterator[Tuple[Any, Any]]) -> Swaps:
    # Only functions and classes have aliases worth following: a changed number is nobody's alias.
    return {id(old): (old, new) for old, new in pairs if callable(old) and callable(new)}


def _owners(package: str) -> Iterator[Any]:
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and (name == package or name.startswith(package + ".")):
            yield module
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__ == name:
                    yield value


def _changes(before: Dict[int, Tuple[Any, Dict[str, Any]]]) -> Iterator[Change]:
    for owner, names in before.values():
        now = dict(vars(owner))
        for name in names.keys() | now.keys():
            old, new = names.get(name, MISSING), now.get(name, MISSING)
            if old is not new and not (isinstance(new, ModuleType) and old is MISSING):
                yield Change(Site(owner, name, old, own=old is not MISSING), new)
