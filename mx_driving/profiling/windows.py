"""Half-open ranges of global iterations that are to be recorded."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence, Tuple

EXPECTED = "expected (start, stop) with 0 <= start < stop, or several such pairs that do not overlap"


class Window(NamedTuple):
    """Iterations ``start`` to ``stop - 1``, counted like ``runner.iter``."""

    start: int
    stop: int


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def parse_windows(iters: Any) -> Tuple[Window, ...]:
    """Read the ``iters`` argument: ``(100, 110)`` or ``((100, 110), (500, 505))``; lists serve as well.

    Raises:
        TypeError: not integers in pairs.
        ValueError: a reversed, empty, negative or overlapping window.
    """
    pairs: Sequence = iters if isinstance(iters, (list, tuple)) else ()
    if len(pairs) == 2 and all(_is_count(value) for value in pairs):
        pairs = (pairs,)
    if not pairs or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"iters: {EXPECTED}; got {iters!r}")
    if not all(_is_count(value) for pair in pairs for value in pair):
        raise TypeError(f"iters: {EXPECTED}; got {iters!r}")
    windows = tuple(sorted(Window(*pair) for pair in pairs))
    for window, following in zip(windows, (*windows[1:], None)):
        if not 0 <= window.start < window.stop or (following and following.start < window.stop):
            raise ValueError(f"iters: {EXPECTED}; got {iters!r}")
    return windows


def beyond(windows: Sequence[Window], end: Optional[int]) -> Tuple[Sequence[Window], Sequence[Window]]:
    """Return the windows that start at or after iteration ``end``, and those that it cuts short; None is no end."""
    if end is None:
        return (), ()
    missed = [window for window in windows if window.start >= end]
    cut = [window for window in windows if window.start < end < window.stop]
    return missed, cut
