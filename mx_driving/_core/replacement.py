"""The functions that stand at patched places, and what becomes of one that stands there no more."""

from __future__ import annotations

import types
from typing import Any, Callable

from mx_driving._core.site import dressed, plain


def replacement(by: Callable, wrap: bool, raw: Any) -> Any:
    """Return a new object for a place that holds ``raw``; it is unique, so that every alias of it can be found again.

    Args:
        by: what is to run.
        wrap: whether ``by`` gets the original before the call's arguments.
        raw: the original as stored; a static method stays one.
    """
    original = plain(raw)
    new = _wrapper(by, original) if wrap else _copied(by)
    # The name makes tracebacks and pickles point at the place that is patched, which then holds this very object.
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        value = getattr(original, attribute, None)
        if value is not None:
            setattr(new, attribute, value)
    new.__wrapped__ = original  # type: ignore[attr-defined]
    return dressed(new, raw)


def _wrapper(by: Callable, original: Callable) -> types.FunctionType:
    def call(*args: Any, **kwargs: Any) -> Any:
        return by(original, *args, **kwargs)

    return call  # type: ignore[return-value]


def _copied(function: Callable) -> types.FunctionType:
    if not isinstance(function, types.FunctionType):

        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]
    new = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    new.__kwdefaults__ = function.__kwdefaults__
    return new


_HEIR = "_mx_driving_heir"


def _pass_on(*args: Any, _mx_driving_heir: Callable, **kwargs: Any) -> Any:
    return _mx_driving_heir(*args, **kwargs)


def retire(raw: Any, heir: Any) -> None:
    """Have a replacement that left its place call what stands there now.

    Whoever still holds it, somebody else's wrapper for one, then never runs a patch that was undone. While it is in
    force it pays nothing for that: its code is exchanged now.
    """
    function = plain(raw)
    function.__wrapped__ = plain(heir)
    # In this order: another thread may call it at any moment, and old code does not mind one default more.
    function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), _HEIR: plain(heir)}
    function.__code__ = _pass_on.__code__.replace(co_freevars=function.__code__.co_freevars)
    function.__defaults__ = None


def is_retired(raw: Any) -> bool:
    """Tell whether this is a replacement that left its place."""
    function = plain(raw)
    return type(function) is types.FunctionType and _HEIR in (function.__kwdefaults__ or ())


def heir_of(raw: Any) -> Any:
    """Return what stands where a replacement stood; anything else is returned as it is."""
    while is_retired(raw):
        raw = dressed(plain(raw).__kwdefaults__[_HEIR], raw)
    return raw
