"""NPUPatchHook for mmengine's runners."""

from __future__ import annotations

import functools
from typing import Any, Callable

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mx_driving.runner_hooks.mmengine_run import SCOPED, around_loop, describe
from mx_driving.runner_hooks.patch_base import PatchHookBase
from mx_driving.training.stop import StopTraining


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
        self.begin(describe(runner))
        around_loop(runner, functools.partial(self._until_stop, runner))
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
        self.end(describe(runner))

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
            self.end(describe(runner))
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
