"""The windows half of ProfilerHook, common to both runner families."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Tuple

from mx_driving import device
from mx_driving.profiling import Recorder, Window, open_recorder, parse_windows
from mx_driving.profiling.recorders import LEVELS
from mx_driving.profiling.windows import beyond
from mx_driving.training import arguments
from mx_driving.training.run import Run

NEVER = -1


def _ranks(value: Any) -> Optional[Tuple[int, ...]]:
    """Return the ranks to record, None for all."""
    if value == "all":
        return None
    if not isinstance(value, (list, tuple)) or not value or not all(type(rank) is int and rank >= 0 for rank in value):
        raise TypeError(f"ranks: expected a list of ranks such as (0, 8), or 'all'; got {value!r}")
    return tuple(value)


class WindowScheduler:
    """Opens and closes recorders at the right iterations.

    Between windows an iteration costs two comparisons.
    """

    def __init__(self, path: Any, level: Any, iters: Any, ranks: Any, options: Mapping[str, Any]):
        if path is not None and not isinstance(path, (str, Path)):
            raise TypeError(f"path: expected a folder's name or None, got {path!r}")
        self._path = path
        self._level = arguments.one_of("level", level, LEVELS)
        self._ranks = _ranks(ranks)
        self._windows: Tuple[Window, ...] = parse_windows(iters)
        self._options = dict(options)
        self._recorder: Optional[Recorder] = None
        self._opens_at = NEVER

    def begin(self, run: Run, end: Optional[int]) -> None:
        """Check the windows against the run, which ends at iteration ``end``.

        Raises:
            ValueError: a window begins after the run's end.
        """
        missed, cut = beyond(self._windows, end)
        if missed:
            window = tuple(missed[0])
            raise ValueError(f"iters: expected windows before the run's end at iteration {end}, got {window}; move it")
        self._directory = Path(self._path) if self._path else run.directory / "profile"
        self._directory /= f"rank{run.rank}"
        self._run = run
        self._device = device.resolve("auto")
        self._left = list(self._windows)
        recorded = self._ranks is None or run.rank in self._ranks
        self._opens_at = self._left[0].start if recorded else NEVER
        if recorded:
            run.require_writable()
        for window in cut if run.rank == 0 else ():
            run.logger.warning("profiling: window %s is cut short by the run's end at iteration %d", tuple(window), end)

    def skip_to(self, iteration: int) -> None:
        """Leave out the windows that began before this iteration: a resumed run is past them."""
        if self._opens_at == NEVER:
            return
        for window in [window for window in self._left if window.start < iteration]:
            self._run.logger.warning(
                "profiling: window %s began before iteration %d: left out", tuple(window), iteration
            )
            self._left.remove(window)
        self._opens_at = self._left[0].start if self._left else NEVER

    def before_iteration(self, iteration: int) -> None:
        """Open the window that begins here, or mark the next step of the open one."""
        if self._recorder is not None:
            self._recorder.step()
        elif iteration == self._opens_at:
            window = self._left[0]
            self._recorder = open_recorder(self._device, window, self._directory, self._level, self._options)

    def after_iteration(self, iteration: int) -> None:
        """Close the window that ends with this iteration."""
        if self._recorder is not None and iteration + 1 == self._recorder.window.stop:
            self.close()

    def close(self) -> None:
        """Close the open window, if any, and write what it holds; also called on a stop and on an exception."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        self._left.pop(0)
        self._opens_at = self._left[0].start if self._left else NEVER
        for path in recorder.stop():
            self._run.logger.info("profile written: %s", path)
