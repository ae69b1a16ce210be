"""What both hooks need to know of mmcv 1.x runners (EpochBasedRunner, IterBasedRunner and their subclasses)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

from mmcv.runner.hooks import HOOKS
from mmcv.utils import Registry

from mx_driving._core.override import override
from mx_driving.training.run import Run

_UNDO = "_mx_driving_undo"

SCOPED = Registry("hook", parent=HOOKS, scope="mx_driving")
"""Lets a config say ``type='mx_driving.ProfilerHook'``."""


def describe(runner: Any) -> Run:
    """Return what our runner-free layer sees of a run."""
    return Run(runner.logger, Path(runner.work_dir or "."), runner.rank, runner.model, runner.max_iters)


def around(runner: Any, method: str, wrapper: Callable) -> None:
    """Have ``wrapper(method, *args)`` called in place of a method of this runner, until ``unwrap``."""
    vars(runner).setdefault(_UNDO, []).append(override(runner, method, wrapper))


def unwrap(runner: Any) -> None:
    """Take back what ``around`` put in place."""
    for undo in vars(runner).pop(_UNDO, ()):
        undo()
