"""What both hooks need to know of mmcv 1.x runners (EpochBasedRunner, IterBasedRunner and their subclasses)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Callable

from mmcv.runner.hooks import HOOKS
from mmcv.utils import Registry

from mx_driving.training.run import Run

SCOPED = Registry("hook", parent=HOOKS, scope="mx_driving")
"""Lets a config say ``type='mx_driving.ProfilerHook'``."""


def describe(runner: Any) -> Run:
    """Return what our runner-free layer sees of a run."""
    return Run(runner.logger, Path(runner.work_dir or "."), runner.rank, runner.model, runner.max_iters)


def around(runner: Any, method: str, wrapper: Callable) -> None:
    """Have ``wrapper(method, *args)`` called in place of a method of this runner, until ``_unwrap``."""
    setattr(runner, method, functools.partial(wrapper, getattr(runner, method)))


def unwrap(runner: Any) -> None:
    """Take back what ``around`` put in place."""
    for method in ("train", "val"):
        vars(runner).pop(method, None)
