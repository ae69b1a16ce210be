"""NPUPatchHook for mmcv 1.x runners.

These runners have no flag that ends training. ``run`` asks ``runner.train`` and ``runner.val`` for each step of the
workflow and goes on while the epoch (or iteration) is below the maximum: the stop ends the current ``train`` and lowers
the maximum to where the runner stands. Both are put back at ``after_run``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Callable, Optional

from mmcv.runner import IterBasedRunner, save_checkpoint
from mmcv.runner.hooks import HOOKS, EvalHook, Hook

from mx_driving.runner_hooks.mmcv1_run import SCOPED, around, describe, unwrap
from mx_driving.runner_hooks.patch_base import PatchHookBase
from mx_driving.training.stop import StopTraining


@HOOKS.register_module()
@SCOPED.register_module()
class NPUPatchHook(PatchHookBase, Hook):
    """See PatchHookBase; ``validate_at_stop`` lets evaluation hooks and the workflow's ``val`` run at the stop."""

    _stop: Optional[_Stop] = None

    def before_run(self, runner: Any) -> None:
        """Apply the patches."""
        # mmcv refuses hooks that choose a priority; no hook may see the start of an iteration that is not run.
        runner.hooks.remove(self)
        runner.hooks.insert(0, self)
        self.begin(describe(runner))
        around(runner, "train", functools.partial(self._guarded, runner))
        if self.stop_at is None:
            return
        self._stop = _Stop(runner, self.stop_at, self.validate_at_stop)
        if self.save_at_stop:
            runner.register_hook(_CheckpointAt(self.stop_at), priority="LOWEST")

    def before_train_iter(self, runner: Any) -> None:
        """Leave an epoch between two of its iterations; the runner has counted the last one by now."""
        if self.is_due(runner.iter):
            raise StopTraining

    def after_train_iter(self, runner: Any) -> None:
        """Keep evaluation hooks from running at the stop, unless they were asked for."""
        if self._stop is not None and runner.iter + 1 == self.stop_at and not self.validate_at_stop:
            self._stop.hold_evaluation()

    def after_run(self, runner: Any) -> None:
        """Save the final report, undo the patches and leave the runner as it was."""
        self.end(describe(runner))
        if self._stop is not None:
            self._stop.release()
            self._stop = None
        unwrap(runner)

    def _guarded(self, runner: Any, train: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return train(*args, **kwargs)
        except StopTraining:
            raise
        except BaseException:
            # The runner calls no after_run then; a later run in this process must find the libraries as they were.
            self.after_run(runner)
            raise


class _Stop:
    """The stop of one run."""

    def __init__(self, runner: Any, at: int, validate: bool):
        self._runner = runner
        self._at = at
        self._validate = validate
        by_iter = isinstance(runner, IterBasedRunner)
        self._limit, self._position = ("_max_iters", "iter") if by_iter else ("_max_epochs", "epoch")
        self._maximum = getattr(runner, self._limit)
        self._starts: list = []
        self._reached = False
        if runner.iter >= at:
            runner.logger.warning("stop_at=%d: resumed at iteration %d, nothing is left to run", at, runner.iter)
            self._end()
        around(runner, "train", self._train)
        around(runner, "val", self._val)

    def hold_evaluation(self) -> None:
        """Move the evaluation hooks' first evaluation out of reach."""
        for hook in self._runner.hooks:
            if isinstance(hook, EvalHook):
                self._starts.append((hook, hook.start))
                hook.start = float("inf")

    def release(self) -> None:
        """Put back what the stop changed."""
        setattr(self._runner, self._limit, self._maximum)
        while self._starts:
            hook, hook.start = self._starts.pop()

    def _evaluate_now(self) -> None:
        """Run the evaluation hooks in mid-epoch, whatever their interval."""
        for hook in self._runner.hooks:
            if isinstance(hook, EvalHook):
                interval, start, hook.interval, hook.start = hook.interval, hook.start, 1, None
                hook._do_evaluate(self._runner)
                hook.interval, hook.start = interval, start

    def _train(self, train: Callable, *args: Any, **kwargs: Any) -> Any:
        result = None
        try:
            result = train(*args, **kwargs)
        except StopTraining:
            # In mid-epoch: the epoch is not whole, so its end is announced to nobody.
            vars(self._runner).pop("data_batch", None)
            if self._validate:
                self._evaluate_now()
        if self._runner.iter >= self._at and not self._reached:
            self._end()
            self._runner.logger.info("training stopped after iteration %d (stop_at)", self._runner.iter)
        return result

    def _val(self, val: Callable, *args: Any, **kwargs: Any) -> Any:
        return val(*args, **kwargs) if self._validate or not self._reached else None

    def _end(self) -> None:
        self._reached = True
        setattr(self._runner, self._limit, getattr(self._runner, self._position))


class _CheckpointAt(Hook):
    """Saves after one iteration, when all other hooks, the optimizer's among them, have done their part of it."""

    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_train_iter(self, runner: Any) -> None:
        """Save if this is the one."""
        if runner.iter + 1 == self.iteration and runner.rank == 0:
            # Not runner.save_checkpoint: that would state one epoch more than is done.
            meta = {**(runner.meta or {}), "epoch": runner.epoch, "iter": self.iteration}
            path = Path(runner.work_dir or ".") / f"iter_{self.iteration}.pth"
            save_checkpoint(runner.model, str(path), optimizer=runner.optimizer, meta=meta)
