"""Profiling and stopping for a training loop of any kind: iterations are counted by the optimizer's steps."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any, Callable, Optional

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from mx_driving.profiling import Plan, Window
from mx_driving.training.scheduler import Recording, WindowScheduler, require_folder
from mx_driving.training.stop import StopTraining

_log = logging.getLogger("mx_driving")

DEFAULT_PLAN = Plan((Window(10, 15),))
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


def make_scheduler(recording: Recording, folder: Path, device: str) -> Optional[WindowScheduler]:
    """Return a scheduler that writes into the folder on the first rank; None on the others.

    Raises:
        OSError: the folder cannot be written to.
    """
    if _rank():
        return None
    require_folder(folder)
    return WindowScheduler(recording, folder, device, _log)


def _rank() -> int:
    # The launcher's word counts until the script has joined its group.
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    return int(os.environ.get("RANK", "0"))


class Training:
    """What surrounds the training inside a patcher's ``with``: its recorder and its stop."""

    def __init__(self, profiling: Optional[WindowScheduler], stop_at: Optional[int]):
        self._profiling = profiling
        self._stop_at = stop_at
        self._counter = StepCounter(self._advance)
        if profiling is not None:
            profiling.before_iteration(0)

    def _advance(self, steps: int) -> None:
        if self._profiling is not None:
            self._profiling.after_iteration(steps - 1)
        # Before the next iteration: none is marked in the trace that does not come.
        if self._stop_at is not None and steps >= self._stop_at:
            raise StopTraining(self)
        if self._profiling is not None:
            self._profiling.before_iteration(steps)

    def finish(self) -> None:
        """End counting and recording."""
        self._counter.remove()
        if self._profiling is not None:
            self._profiling.finish(f"{self._counter.steps} optimizer steps were made")
