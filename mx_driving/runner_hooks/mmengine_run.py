"""What both hooks need to know of mmengine's runners (Runner and FlexibleRunner, epoch and iteration loops)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Callable, Optional

from mmengine.registry import HOOKS, Registry
from mmengine.runner import BaseLoop

from mx_driving._core.override import override
from mx_driving.training.run import Run

SCOPED = Registry("hook", parent=HOOKS, scope="mx_driving", locations=["mx_driving.runner_hooks"])
"""Lets a config say ``type='mx_driving.ProfilerHook'``."""


def train_loop(runner: Any) -> Optional[BaseLoop]:
    """Return the training loop if the run has one that is built."""
    # The property of that name would build the training data set when the run is a test.
    loop = vars(runner).get("_train_loop")
    return loop if isinstance(loop, BaseLoop) else None


def describe(runner: Any) -> Run:
    """Return what our runner-free layer sees of a run."""
    loop = train_loop(runner)
    max_iters = None if loop is None else loop.max_iters
    return Run(runner.logger, Path(runner.work_dir), runner.rank, runner.model, max_iters)


def around_loop(runner: Any, wrapper: Callable[[Callable], Any]) -> None:
    """Have ``wrapper(run)`` called in place of the training loop's ``run``, once."""
    loop = train_loop(runner)
    if loop is None:
        return

    def once(run: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return wrapper(functools.partial(run, *args, **kwargs))
        finally:
            undo()

    undo = override(loop, "run", once)
