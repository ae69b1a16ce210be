"""Errors of the patch engine: each message says what was expected, what came and what to do."""

from __future__ import annotations

import difflib
from typing import Iterable


class PatchError(RuntimeError):
    """A patch could not be put in place although its requirements are met."""


class PatchSkipped(Exception):
    """Raised by a patch's own code to say that it does not apply here; its text becomes the reason in the report."""


class UnknownPatchError(ValueError):
    """A name is in no catalogue."""


def unknown_name(name: object, known: Iterable[str], where: str, what: str = "patch") -> str:
    """Return the one-line message for a name that nobody knows; it offers the nearest known one.

    The errors take a plain message since both runner families rebuild an exception as ``type(exc)(message)``.
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "use one of them"
    return f"{where}: no {what} is called {name!r}; known are {', '.join(names)}; {hint}"
