"""Checks of hook arguments; each failure is one line: what was expected, what came, what to do."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence, Tuple

from mx_driving._core import PatchRecord, unknown_name
from mx_driving.patches import check_names

DEVICES = ("auto", "npu", "cpu")


def no_unknown(hook: str, extra: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Raise TypeError for the first argument that the hook does not have."""
    for name in extra:
        raise TypeError(unknown_name(name, allowed, hook, what="argument"))


def names(argument: str, value: Any, own: Sequence[PatchRecord] = ()) -> Tuple[str, ...]:
    """Return a list of patch names as a tuple; a lone string is taken for a slip, since it would be read by letters.

    Raises:
        TypeError: not a list or tuple of strings.
        UnknownPatchError: a name is in no catalogue.
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"{argument}: expected a list of patch names such as ['index'], got {value!r}")
    check_names(value, argument, own)
    return tuple(value)


def iteration(argument: str, value: Any) -> Optional[int]:
    """Return a positive iteration number or None.

    Raises:
        TypeError: not an int.
        ValueError: not positive.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{argument}: expected a whole number of iterations such as 1000, got {value!r}")
    if value <= 0:
        raise ValueError(f"{argument}: expected at least 1 iteration, got {value}; leave it out to train to the end")
    return value


def one_of(argument: str, value: Any, allowed: Tuple) -> Any:
    """Return the value if it is among the allowed ones (by type as well: True is not 1).

    Raises:
        ValueError: it is not.
    """
    if not any(value == choice and type(value) is type(choice) for choice in allowed):
        raise ValueError(f"{argument}: expected one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def flag(argument: str, value: Any) -> bool:
    """Return a bool.

    Raises:
        TypeError: something else, such as the string 'False'.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{argument}: expected True or False, got {value!r}")
    return value
