"""NPUPatchHook and ProfilerHook for mmengine's runners (Runner and FlexibleRunner, epoch and iteration loops)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Callable, Optional

from mmengine import hooks
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, Registry
from mmengine.runner import BaseLoop

from mx_driving.runner_hooks.base import PatchHookBase, ProfilerHookBase
from mx_driving.training.run import Run
from mx_driving.training.stop import StopTraining

SCOPED = Registry("hook", parent=HOOKS, scope="mx_driving", locations=["mx_driving.runner_hooks"])
"""Lets a config say ``type='mx_driving.ProfilerHook'``."""


def _train_loop(runner: Any) -> Optional[BaseLoop]:
    # The property of that name would build the training data set when the run is a test.
    loop = vars(runner).get("_train_loop")
    return loop if isinstance(loop, BaseLoop) else None


def _describe(runner: Any) -> Run:
    loop = _train_loop(runner)
    max_iters = None if loop is None else loop.max_iters
    return Run(runner.logger, Path(runner.work_dir), runner.rank, runner.model, max_iters)


def _around_loop(runner: Any, wrapper: Callable[[Callable], Any]) -> None:
    """Have ``wrapper(run)`` called in place of the training loop's ``run``, once."""
    loop = _train_loop(runner)
    if loop is None:
        return
    run = loop.run

    @functools.wraps(run)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return wrapper(functools.partial(run, *args, **kwargs))
        finally:
            vars(loop).pop("run", None)

    loop.run = wrapped


@HOOKS.register_module()
@SCOPED.register_module()
class NPUPatchHook(PatchHookBase, Hook):
    """See PatchHookBase."""

    __doc__ = PatchHookBase.__doc__

    # Before all others: no hook sees the start of an iteration that is not run.
    priority = "HIGHEST"
    _val_begin: Any = None

    def before_run(self, runner: Any) -> None:
        """Apply the patches."""
        self.begin(_describe(runner))
        _around_loop(runner, functools.partial(self._until_stop, runner))
        if self.stop_at is not None and self.save_at_stop:
            runner.register_hook(_CheckpointAt(self.stop_at))

    def before_train(self, runner: Any) -> None:
        """Stop at once if a resumed run is past the stop."""
        if self.is_due(runner.iter):
            message = "stop_at=%d: resumed at iteration %d, nothing is left to run"
            runner.logger.warning(message, self.stop_at, runner.iter)
            raise StopTraining

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Stop between two iterations of an epoch; the loop has counted the last one by now."""
        if self.is_due(runner.iter):
            raise StopTraining

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Let a loop that looks at ``stop_training`` end by itself; at an epoch's end it ends as a whole epoch."""
        if runner.iter + 1 != self.stop_at:
            return
        loop = runner.train_loop
        loop.stop_training = True
        if not self.validate_at_stop and hasattr(loop, "val_begin"):
            self._val_begin, loop.val_begin = loop.val_begin, float("inf")

    def after_train(self, runner: Any) -> None:
        """Say that training was stopped."""
        if self._val_begin is not None:
            runner.train_loop.val_begin, self._val_begin = self._val_begin, None
        if self.is_due(runner.iter):
            runner.logger.info("training stopped after iteration %d (stop_at)", runner.iter)

    def after_run(self, runner: Any) -> None:
        """Save the final report and undo the patches."""
        self.end(_describe(runner))

    def _until_stop(self, runner: Any, run: Callable) -> Any:
        try:
            return run()
        except StopTraining:
            # In mid-epoch: the epoch is not whole, so its end is announced to nobody; the end of training is.
            if self.validate_at_stop and runner.val_loop is not None:
                runner.val_loop.run()
            runner.call_hook("after_train")
            return runner.model
        except BaseException:
            # The runner calls no after_run then; a later run in this process must find the libraries as they were.
            self.end(_describe(runner))
            raise


class _CheckpointAt(Hook):
    """Saves after one iteration, when all other hooks have done their part of it."""

    priority = "LOWEST"

    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Save if this is the one."""
        if runner.iter + 1 == self.iteration:
            runner.save_checkpoint(runner.work_dir, f"iter_{self.iteration}.pth", by_epoch=False)


@HOOKS.register_module(force=True)
@SCOPED.register_module()
class ProfilerHook(ProfilerHookBase, hooks.ProfilerHook):
    """See ProfilerHookBase."""

    __doc__ = ProfilerHookBase.__doc__

    def before_run(self, runner: Any) -> None:
        """Check the windows against the run."""
        if self._profiling is None:
            return super().before_run(runner)
        self.begin(_describe(runner), runner.hooks)
        _around_loop(runner, self._closing)

    def before_train(self, runner: Any) -> None:
        """Leave out windows that a resumed run is past."""
        if self._profiling is not None:
            self._profiling.skip_to(runner.iter)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Open the window that begins with this iteration."""
        if self._profiling is not None:
            self._profiling.before_iteration(runner.iter)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Close the window that ends with this iteration."""
        if self._profiling is None:
            return super().after_train_iter(runner, batch_idx, data_batch, outputs)
        self._profiling.after_iteration(runner.iter)

    def after_train_epoch(self, runner: Any, metrics: Any = None) -> None:
        """Leave epochs to mmengine's hook: windows reach across them."""
        if self._profiling is None:
            super().after_train_epoch(runner)

    def _closing(self, run: Callable) -> Any:
        try:
            return run()
        finally:
            self._profiling.close()  # type: ignore[union-attr]
