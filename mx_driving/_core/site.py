"""One attribute of one owner, read and restored exactly as stored."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Callable, Tuple

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>"})()
"""Stands for the stored value of an attribute that does not exist."""


def stored(owner: Any, name: str) -> Any:
    """Return the attribute as stored (descriptors unbound, inherited ones included), or MISSING."""
    return inspect.getattr_static(owner, name, MISSING)


@dataclass(frozen=True)
class Site:
    """An attribute's place and what was there.

    Args:
        owner: module or class that is written to.
        name: attribute name.
        raw: the stored object, MISSING if there was none.
        own: whether ``raw`` lay in the owner's own namespace (and not in a base class's).
    """

    owner: Any
    name: str
    raw: Any
    own: bool

    @classmethod
    def read(cls, owner: Any, name: str) -> Site:
        """Take down what the owner holds under the name."""
        return cls(owner, name, stored(owner, name), name in vars(owner))

    @property
    def place(self) -> Tuple[int, str]:
        """Identify the slot, as a sweep that finds it does."""
        return id(vars(self.owner) if isinstance(self.owner, ModuleType) else self.owner), self.name

    def held(self) -> Any:
        """Return what lies in the owner's own namespace now, or MISSING."""
        return vars(self.owner).get(self.name, MISSING)

    def inherited(self) -> Any:
        """Return what the owner's bases define at this moment, or MISSING."""
        for base in getattr(self.owner, "__mro__", ())[1:]:
            if self.name in vars(base):
                return vars(base)[self.name]
        return MISSING

    def put(self, raw: Any) -> None:
        """Store an object; MISSING leaves none."""
        held = self.held()
        if raw is MISSING and held is not MISSING:
            delattr(self.owner, self.name)
        elif held is not raw:
            setattr(self.owner, self.name, raw)

    def restore(self) -> None:
        """Put the owner back as it was: an inherited or missing attribute leaves no shadow behind."""
        if self.own:
            self.put(self.raw)
        elif self.name in vars(self.owner):
            delattr(self.owner, self.name)


def _is(raw: Any, *kinds: type) -> bool:
    # Not isinstance: it asks the object for __class__, and lazy or deprecated ones answer with an import or a warning.
    return issubclass(type(raw), kinds)


def plain(raw: Any) -> Any:
    """Return the callable inside a static method, class method or property; anything else as it is."""
    if _is(raw, staticmethod, classmethod):
        return raw.__func__
    return raw.fget if _is(raw, property) else raw


def dressed(function: Callable, raw: Any) -> Any:
    """Wrap a plain function in the kind of descriptor that ``raw`` is."""
    if _is(raw, staticmethod, classmethod):
        return type(raw)(function)
    if _is(raw, property):
        return type(raw)(function, raw.fset, raw.fdel, raw.__doc__)
    return function
