"""Override an attribute of one instance, and take that back exactly, in any order."""

from __future__ import annotations

import functools
import logging
import threading
from typing import Any, Callable

from mx_driving._core.site import MISSING, stored

_log = logging.getLogger("mx_driving")
_lock = threading.RLock()
_MARK = "__mx_driving_override__"


def override(owner: Any, name: str, wrapper: Callable) -> Callable[[], None]:
    """Have ``wrapper(original, *args, **kwargs)`` answer for ``owner.name`` on this instance alone.

    Overrides of one attribute stack up, the youngest is called first. Taken back in any order they leave the instance
    as it was: an attribute of its own is the same object again, an inherited one leaves nothing behind. Whoever still
    holds an override that was taken back calls the original through it. Only the instance refers to its overrides.

    Args:
        owner: an object with a ``__dict__``; for modules and classes see ``PatchSet``.
        name: of a method, or of a callable that the instance holds itself.
        wrapper: takes the original, bound, before the call's arguments.

    Returns:
        The undo; a second call changes nothing.

    Raises:
        AttributeError: the instance has no such attribute.
        TypeError: the attribute cannot be overridden on an instance, such as a property's.

    Example:
        >>> from types import SimpleNamespace
        >>> runner = SimpleNamespace(train=lambda: "trained")
        >>> undo = override(runner, "train", lambda original: original() + " and watched")
        >>> runner.train()
        'trained and watched'
        >>> undo()
        >>> runner.train()
        'trained'
    """
    with _lock:
        layer = _Override(owner, name, wrapper)
        vars(owner)[name] = layer.call
        if getattr(owner, name) is not layer.call:
            layer.restore()
            place = f"{type(owner).__name__}.{name}"
            raise TypeError(f"{place}: expected an attribute that an instance can have for itself")
    return layer.undo


class _Override:
    """One wrapper over what the instance held, or inherits, at its time."""

    def __init__(self, owner: Any, name: str, wrapper: Callable):
        held = getattr(owner, name)
        self._owner, self._name, self._wrapper = owner, name, wrapper
        self._raw = vars(owner).get(name, MISSING)
        self.retired = False

        @functools.wraps(held)
        def call(*args: Any, **kwargs: Any) -> Any:
            original = self._original()
            return original(*args, **kwargs) if self.retired else self._wrapper(original, *args, **kwargs)

        setattr(call, _MARK, self)
        self.call = call

    def _original(self) -> Callable:
        if self._raw is not MISSING:
            return self._raw
        # Asked anew: a patch of the class that came, or went, in the meantime counts.
        inherited = stored(type(self._owner), self._name)
        if inherited is MISSING:
            return self._owner.__getattr__(self._name)
        return inherited.__get__(self._owner, type(self._owner))

    def restore(self) -> None:
        """Put the instance back as it was before this override."""
        # Not by setattr: an owner's own __setattr__ is not to see ours come and go.
        if self._raw is MISSING:
            del vars(self._owner)[self._name]
        else:
            vars(self._owner)[self._name] = self._raw

    def undo(self) -> None:
        """Call through from now on, and go as soon as nothing stands on top."""
        with _lock:
            if self.retired:
                return
            self.retired = True
            top = _top(self._owner, self._name)
            if top is None:
                place = f"{type(self._owner).__name__}.{self._name}"
                _log.warning("%s was changed by somebody else after mx_driving wrapped it: that is left", place)
            while top is not None and top.retired:
                top.restore()
                top = _top(self._owner, self._name)


def _top(owner: Any, name: str) -> Any:
    """Return the override that the instance holds right now; somebody's ``functools.wraps`` of it is none of ours."""
    held = vars(owner).get(name)
    layer = getattr(held, _MARK, None)
    return layer if layer is not None and layer.call is held else None
