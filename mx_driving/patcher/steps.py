"""Profiling and stopping for a training loop of any kind: iterations are counted by the optimizer's steps."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple

from torch.optim.optimizer import register_optimizer_step_post_hook

from mx_driving.profiling import Recorder, Window, open_recorder
from mx_driving.training.stop import StopTraining

_log = logging.getLogger("mx_driving")

DEFAULT_WINDOWS = (Window(10, 15),)
"""Early enough for a short trial, late enough for the first iterations' allocations to be over."""


class StepCounter:
    """Counts the steps of the first optimizer that makes one; others (a GAN's second) do not count.

    Args:
        on_step: called with the number of steps made so far.
    """

    def __init__(self, on_step: Callable[[int], None]):
        self._on_step = on_step
        self._first: Any = None
        self.steps = 0
        self._handle = register_optimizer_step_post_hook(self._stepped)

    def _stepped(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if self._first is None:
            self._first = optimizer
        if optimizer is self._first:
            self.steps += 1
            self._on_step(self.steps)

    def remove(self) -> None:
        """Stop counting."""
        self._handle.remove()


class WindowRecorder:
    """Records windows of optimizer steps."""

    def __init__(self, device: str, windows: Tuple[Window, ...], directory: Path, level: int):
        self._device, self._directory, self._level = device, directory, level
        self._left: List[Window] = list(windows)
        self._recorder: Optional[Recorder] = None
        self.advance(0)

    def advance(self, steps: int) -> None:
        """Note that the iterations before ``steps`` are done."""
        if self._recorder is not None:
            if steps < self._recorder.window.stop:
                return self._recorder.step()
            self.close()
        if self._left and self._left[0].start == steps:
            window = self._left.pop(0)
            self._recorder = open_recorder(self._device, window, self._directory, self._level, {})

    def close(self) -> None:
        """Close the open window and write it."""
        recorder, self._recorder = self._recorder, None
        for path in recorder.stop() if recorder else ():
            _log.info("profile written: %s", path)

    def finish(self, steps: int) -> None:
        """Close, and say which windows never came."""
        self.close()
        for window in self._left:
            _log.warning("profiling: %d optimizer steps were made, window %s was not reached", steps, tuple(window))


class Training:
    """What surrounds the training inside a patcher's ``with``: its recorder and its stop."""

    def __init__(self, recorder: Optional[WindowRecorder], stop_at: Optional[int]):
        self._recorder = recorder
        self._stop_at = stop_at
        self._counter = StepCounter(self._advance)

    def _advance(self, steps: int) -> None:
        # The stop first: no step is marked in the trace for an iteration that does not come.
        if self._stop_at is not None and steps >= self._stop_at:
            raise StopTraining
        if self._recorder is not None:
            self._recorder.advance(steps)

    def finish(self) -> None:
        """End counting and recording."""
        self._counter.remove()
        if self._recorder is not None:
            self._recorder.finish(self._counter.steps)
