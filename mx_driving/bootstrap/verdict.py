"""Decide which version a package is shown, and put it into words."""

from __future__ import annotations

from typing import NamedTuple, Optional

from .request import Request
from .versions import Window, mmcv_releases, nearest, parse


class MmcvVersionWarning(UserWarning):
    """A package was shown a version that is not the installed one, or could not be helped."""


class Verdict(NamedTuple):
    """``shown`` is None when the true version is to be seen; ``reason`` then says why no other could help, if so."""

    shown: Optional[str]
    message: Optional[str] = None
    reason: Optional[str] = None


def decide(package: str, target: str, true: str, window: Optional[Window], request: Request) -> Verdict:
    """Choose what ``package`` sees of ``target``.

    Args:
        package: the package that checks.
        target: the package whose version is checked.
        true: the installed version of the target.
        window: what the package asserts, if known.
        request: what the user asked for.

    Returns:
        A version to show with its warning, or a reason why none can help, or neither when all is well.
    """
    if target == "mmcv" and request.version is not None:
        return _explicit(package, true, window, request)
    if window is None:
        return Verdict(None)
    try:
        if window.admits(true):
            return Verdict(None)
        shown = nearest(window, true, mmcv_releases() if target == "mmcv" else ())
    except ValueError:
        return Verdict(None, reason=f"mx_driving cannot compare {target}'s version {true!r}, so it showed no other.")
    if shown is None:
        return Verdict(None, reason=f"No version satisfies {target}{window}, so mx_driving showed the true one.")
    if _line(shown) != _line(true):
        return Verdict(None, reason=_other_line(package, target, true, window, shown))
    return Verdict(shown, _shown_message(package, target, true, str(window), shown, request))


def _explicit(package: str, true: str, window: Optional[Window], request: Request) -> Verdict:
    shown = request.version or true
    if shown == true:
        return Verdict(None)
    message = _shown_message(package, "mmcv", true, str(window or " (no window could be read)"), shown, request)
    if _differs_in_line(shown, true):
        message += f"; {_line(shown)}.x and {_line(true)}.x have different interfaces, expect errors later"
    outside = window is not None and not window.admits(shown)
    reason = f"The version {shown} asked for by {request.origin} is outside mmcv{window}: ask for 'auto' instead."
    return Verdict(shown, message, reason if outside else None)


def _shown_message(package: str, target: str, true: str, window: str, shown: str, request: Request) -> str:
    return (
        f"mx_driving: {package} asserts {target}{window}; the installed {target} {true} is shown to it as {shown} "
        f"while its __init__ runs ({request.origin})"
    )


def _other_line(package: str, target: str, true: str, window: Window, shown: str) -> str:
    return (
        f"mx_driving cannot help: {package} is written for {target} {_line(shown)}.x and {target} {true} is installed; "
        f"the two lines differ in their modules and classes, so showing another version number would only move the "
        f"error. Install {target}{window}, or a {package} release made for {target} {_line(true)}.x."
    )


def _line(version: str) -> int:
    return parse(version).release[0]


def _differs_in_line(shown: str, true: str) -> bool:
    try:
        return _line(shown) != _line(true)
    except ValueError:
        return False
