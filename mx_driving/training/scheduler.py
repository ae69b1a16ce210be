"""The one scheduler of profiling windows: the runners' hooks and the patcher feed it with iterations."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Tuple

from mx_driving.profiling import Plan, Recorder, Window, make_recorder, other_profiler
from mx_driving.profiling.recorders import LEVELS, OPTIONS
from mx_driving.profiling.windows import beyond
from mx_driving.training import arguments

NEVER = -1
FAILURES = (OSError, RuntimeError, MemoryError)
"""What torch and the file system raise when a recording cannot be made or written: the training is worth more."""


def parse_ranks(value: Any) -> Optional[Tuple[int, ...]]:
    """Return the ranks to record, None for all.

    Raises:
        TypeError: neither ``'all'`` nor a list of ranks.
    """
    if value == "all":
        return None
    if not isinstance(value, (list, tuple)) or not value or not all(type(rank) is int and rank >= 0 for rank in value):
        raise TypeError(f"ranks: expected a list of ranks such as (0, 8), or 'all'; got {value!r}")
    return tuple(value)


def parse_path(value: Any) -> Optional[Path]:
    """Return the folder for the traces, None for the default one.

    Raises:
        TypeError: no folder's name.
    """
    if value is not None and not isinstance(value, (str, Path)):
        raise TypeError(f"path: expected a folder's name or None, got {value!r}")
    return None if value is None else Path(value)


@dataclass(frozen=True)
class Recording:
    """What to record and how.

    Args:
        plan: the windows.
        level: 0 device activity only, 1 device and CPU, 2 with call stacks as well.
        options: what overrides the level, see ``profiling.recorders.OPTIONS``.
    """

    plan: Plan
    level: int = 0
    options: Dict[str, bool] = field(default_factory=dict)

    @classmethod
    def checked(cls, plan: Plan, level: Any, options: Mapping[str, Any]) -> Recording:
        """Make one from a user's arguments.

        Raises:
            TypeError: an option's value is no bool, or no option has this name.
            ValueError: there is no such level.
        """
        unknown = {name: value for name, value in options.items() if name not in OPTIONS}
        arguments.no_unknown("profiling", unknown, OPTIONS)
        flags = {name: arguments.flag(name, value) for name, value in options.items()}
        return cls(plan, arguments.one_of("level", level, LEVELS), flags)


def require_folder(folder: Path) -> None:
    """Create the folder for the traces.

    Raises:
        OSError: it cannot be written to; better known now than when the first trace is written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".mx_driving"
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise OSError(f"path: expected a folder that can be written to, got {folder} ({exc.strerror})") from exc


class WindowScheduler:
    """Opens and closes recorders at the right iterations, whoever counts these.

    Between windows an iteration costs two comparisons. What goes wrong with a recording is logged in one line and ends
    that window alone: the training is worth more, and its own exceptions are never replaced.

    Args:
        recording: what to record.
        folder: where this process writes; see ``require_folder``.
        device: a resolved name, such as ``cpu``.
        logger: of the run.
        on_spent: told the seconds that opening and writing took, for clocks that should not count them.
    """

    def __init__(
        self,
        recording: Recording,
        folder: Path,
        device: str,
        logger: logging.Logger,
        on_spent: Callable[[float], None] = lambda seconds: None,
    ):
        self._recording, self._folder, self._device = recording, folder, device
        self._logger, self._on_spent = logger, on_spent
        self._left: Iterator[Window] = iter(recording.plan)
        self._recorder: Optional[Recorder] = None
        self._iteration = NEVER
        self._next: Optional[Window] = None
        self._opens_at = NEVER
        self._advance()

    def warn_of_end(self, end: Optional[int]) -> None:
        """Say which window is cut short by the run's end."""
        missed, cut = beyond(self._recording.plan, end)
        if cut is not None:
            self._say("window %s is cut short by the run's end at iteration %d", cut, end)

    def skip_to(self, iteration: int) -> None:
        """Leave out the windows that began before this iteration: a resumed run is past them."""
        past = []
        while self._next is not None and self._next.start < iteration:
            past.append(self._next)
            self._advance()
        if past:
            more = f" and {len(past) - 1} more" if len(past) > 1 else ""
            self._say("window %s%s began before iteration %d: left out", past[0], more, iteration)
        # Less of a warm-up is better than no window.
        self._opens_at = max(self._opens_at, iteration) if self._next is not None else NEVER

    def before_iteration(self, iteration: int) -> None:
        """Open the window that begins here, or mark this iteration in the open one."""
        if self._recorder is not None:
            if iteration == self._recorder.window.start and self._recorder.lost():
                # Another one came up during the warm-up: to begin now would crash it.
                return self.close()
            self._iteration = iteration
            self._recorder.begin(iteration)
        elif iteration == self._opens_at:
            self._open(iteration)

    def after_iteration(self, iteration: int) -> None:
        """Close the window that ends with this iteration."""
        if self._recorder is not None and iteration + 1 >= self._recorder.window.stop:
            self.close()

    def pause(self, reason: str) -> None:
        """Write what the open window holds, and record the rest of it from the next iteration on.

        Args:
            reason: what is not to be recorded, such as ``validation``.
        """
        if self._recorder is None:
            return
        window, following = self._recorder.window, self._iteration + 1
        rest = Window(max(following, window.start), window.stop, max(0, window.start - following))
        self._say("%s after iteration %d is not recorded; window %s goes on as %s", reason, following, window, rest)
        self._close()
        self._next, self._opens_at = rest, rest.opens

    def close(self) -> None:
        """Close the open window, if any, and write what it holds; also called on a stop and on an exception."""
        if self._recorder is not None:
            self._close()
            self._advance()

    def finish(self, done: str) -> None:
        """Close, and say which windows were never reached; an endless plan misses none.

        Args:
            done: how far the run came, such as ``12 iterations were run``.
        """
        self.close()
        if self._next is not None and self._recording.plan.repeat:
            missed = [str(window) for window in (self._next, *self._left)]
            more = f" and {len(missed) - 1} more were" if len(missed) > 1 else " was"
            self._say("%s, window %s%s not reached", done, missed[0], more)
            self._next, self._opens_at = None, NEVER

    def _say(self, text: str, *values: Any) -> None:
        self._logger.warning(f"profiling: {text}", *values)

    def _advance(self) -> None:
        self._next = next(self._left, None)
        self._opens_at = NEVER if self._next is None else self._next.opens

    def _open(self, iteration: int) -> None:
        assert self._next is not None
        window, began = self._next, time.perf_counter()
        other = other_profiler()
        try:
            if other is None:
                self._recorder = make_recorder(
                    self._device, window, self._folder, self._recording.level, self._recording.options
                )
                self._iteration = iteration
                self._recorder.begin(iteration)
            else:
                self._say("window %s is left out, %s is running; stop it before, or move one of them", window, other)
        except FAILURES as exc:
            self._recorder = None
            self._logger.error("profiling: window %s is left out: %s", window, exc)
        if self._recorder is None:
            self._advance()
        self._on_spent(time.perf_counter() - began)

    def _close(self) -> None:
        assert self._recorder is not None
        recorder, self._recorder = self._recorder, None
        began = time.perf_counter()
        try:
            other = recorder.lost()
            if other is not None:
                recorder.discard()
                self._say("window %s is lost, %s was started inside it; move one of them", recorder.window, other)
            else:
                self._report(recorder.finish(), began)
        except FAILURES as exc:
            self._logger.error("profiling: window %s is lost, training goes on: %s", recorder.window, exc)
        self._on_spent(time.perf_counter() - began)

    def _report(self, paths: Any, began: float) -> None:
        if paths:
            written = ", ".join(str(path) for path in paths)
            self._logger.info("profile written in %.1f s: %s", time.perf_counter() - began, written)
