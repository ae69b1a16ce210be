"""Half-open ranges of global iterations that are to be recorded, given one by one or as torch's schedule."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Iterator, NamedTuple, Optional, Sequence, Tuple

EXPECTED = "expected (start, stop) with 0 <= start < stop, or several such pairs that do not overlap"
FAR = 100_000
"""Iterations within which windows are compared when nobody knows where the run ends."""


class Window(NamedTuple):
    """Iterations ``start`` to ``stop - 1``, counted like ``runner.iter``, after ``warmup`` that are not kept."""

    start: int
    stop: int
    warmup: int = 0

    @property
    def opens(self) -> int:
        """The iteration with which the profiler is switched on."""
        return self.start - self.warmup

    def __str__(self) -> str:
        return f"({self.start}, {self.stop})"


@dataclass(frozen=True)
class Plan:
    """Windows in order; all of them come ``repeat`` times, ``period`` iterations apart, with 0 for ever."""

    windows: Tuple[Window, ...]
    period: int = 0
    repeat: int = 1

    def __iter__(self) -> Iterator[Window]:
        for cycle in range(self.repeat) if self.repeat else itertools.count():
            for window in self.windows:
                moved = cycle * self.period
                yield Window(window.start + moved, window.stop + moved, window.warmup)

    @property
    def stop(self) -> Optional[int]:
        """The iteration before which the last window ends; None if there is no last one."""
        return self.windows[-1].stop + (self.repeat - 1) * self.period if self.repeat else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def parse_windows(iters: Any, warmup: int = 0) -> Tuple[Window, ...]:
    """Read the ``iters`` argument: ``(100, 110)`` or ``((100, 110), (500, 505))``; lists serve as well.

    Raises:
        TypeError: not integers in pairs.
        ValueError: a reversed, empty, negative or overlapping window, or no room for its warm-up.
    """
    pairs: Sequence = iters if isinstance(iters, (list, tuple)) else ()
    if len(pairs) == 2 and all(_is_count(value) for value in pairs):
        pairs = (pairs,)
    if not pairs or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise TypeError(f"iters: {EXPECTED}; got {iters!r}")
    if not all(_is_count(value) for pair in pairs for value in pair):
        raise TypeError(f"iters: {EXPECTED}; got {iters!r}")
    windows = tuple(sorted(Window(start, stop, warmup) for start, stop in pairs))
    for window, following in zip(windows, (*windows[1:], None)):
        if not 0 <= window.start < window.stop or (following and following.start < window.stop):
            raise ValueError(f"iters: {EXPECTED}; got {iters!r}")
    for free_from, window in zip((0, *(window.stop for window in windows)), windows):
        if window.opens < free_from:
            room = window.start - free_from
            raise ValueError(f"warmup: expected at most the {room} iterations before window {window}, got {warmup}")
    return windows


def _count(argument: str, value: Any, least: int) -> int:
    if not _is_count(value):
        raise TypeError(f"{argument}: expected a whole number of iterations such as 5, got {value!r}")
    if value < least:
        raise ValueError(f"{argument}: expected at least {least}, got {value}")
    return value


def read_plan(
    iters: Any = None,
    skip_first: Any = None,
    wait: Any = None,
    warmup: Any = None,
    active: Any = None,
    repeat: Any = None,
) -> Optional[Plan]:
    """Read what is to be recorded: windows, or ``torch.profiler.schedule``'s arguments with its meaning.

    Args:
        iters: half-open window or windows; None with a schedule.
        skip_first: iterations before the first cycle, 0 if None.
        wait: iterations of a cycle with nothing running, 0 if None.
        warmup: iterations traced and thrown away before those that are kept, 0 if None.
        active: iterations that a cycle keeps.
        repeat: cycles, 1 if None; 0 goes on to the run's end.

    Returns:
        The plan, or None if all arguments are None.

    Raises:
        TypeError: not whole numbers, or windows mixed with a schedule, or a schedule without ``active``.
        ValueError: a number is too small, windows overlap.
    """
    cycle = {"skip_first": skip_first, "wait": wait, "active": active, "repeat": repeat}
    given = [name for name, value in cycle.items() if value is not None]
    length = _count("warmup", 0 if warmup is None else warmup, 0)
    if iters is not None:
        if given:
            raise TypeError(f"{given[0]}: expected without iters, which says what to record; remove one of the two")
        return Plan(parse_windows(iters, length))
    if not given and warmup is None:
        return None
    if active is None:
        raise TypeError(f"{(given or ['warmup'])[0]}: expected together with active=<iterations> or iters; add one")
    first, pause = _count("skip_first", skip_first or 0, 0), _count("wait", wait or 0, 0)
    start = first + pause + length
    window = Window(start, start + _count("active", active, 1), length)
    return Plan((window,), window.stop - first, _count("repeat", 1 if repeat is None else repeat, 0))


def beyond(plan: Plan, end: Optional[int]) -> Tuple[Optional[Window], Optional[Window]]:
    """Return the first window that starts at or after iteration ``end``, and one that it cuts; None is no end."""
    if end is None:
        return None, None
    cut = None
    for window in plan:
        if window.start >= end:
            return window, cut
        if window.stop > end:
            cut = window
    return None, cut


def overlap(one: Plan, other: Plan, end: Optional[int]) -> Optional[Tuple[Window, Window]]:
    """Return the first two windows of a run of ``end`` iterations that overlap, warm-up included; None if none do."""
    ones, others = iter(one), iter(other)
    window, rival = next(ones, None), next(others, None)
    while window and rival and max(window.opens, rival.opens) < (FAR if end is None else end):
        if window.opens < rival.stop and rival.opens < window.stop:
            return window, rival
        if window.stop <= rival.stop:
            window = next(ones, None)
        else:
            rival = next(others, None)
    return None
