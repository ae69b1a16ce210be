"""ProfilerHook for mmcv 1.x runners."""

from __future__ import annotations

import functools
from typing import Any, Callable

from mmcv.runner.hooks import HOOKS, EvalHook, IterTimerHook
from mmcv.runner.hooks import ProfilerHook as StockProfilerHook

from mx_driving.runner_hooks.mmcv1_patch import StopHook
from mx_driving.runner_hooks.mmcv1_run import SCOPED, around, describe, unwrap
from mx_driving.runner_hooks.profile_base import ProfilerHookBase, not_counted
from mx_driving.training.stop import StopTraining


@HOOKS.register_module(force=True)
@SCOPED.register_module()
class ProfilerHook(ProfilerHookBase, StockProfilerHook):
    """See ProfilerHookBase."""

    __doc__ = ProfilerHookBase.__doc__
    STOPPER = StopHook

    def before_run(self, runner: Any) -> None:
        """Check the windows against the run, or start mmcv's own profile."""
        self.bring_stopper(runner)
        if self.recording is None:
            self.begin_stock(runner, super().before_run)
        else:
            self.begin(describe(runner), runner.hooks, not_counted(runner, IterTimerHook))
            if self._profiling is not None:
                self._profiling.skip_to(runner.iter)
        around(runner, "train", functools.partial(self._closing, runner))

    def before_train_iter(self, runner: Any) -> None:
        """Open the window that begins with this iteration."""
        if self._profiling is not None:
            self._profiling.before_iteration(runner.iter)

    def after_train_iter(self, runner: Any) -> None:
        """Close the window that ends with this iteration."""
        if self._profiling is not None:
            self._profiling.after_iteration(runner.iter)
            self._pause_for_evaluation(runner, by_epoch=False)
        elif self.stock_is_on:
            self.profiler.step()
            if not self.by_epoch and runner.iter == self.profile_iters - 1:
                self.end_stock(runner)

    def after_train_epoch(self, runner: Any) -> None:
        """Keep an evaluation at the epoch's end out of the window; end the profile of mmcv's own hook."""
        if self._profiling is not None:
            self._pause_for_evaluation(runner, by_epoch=True)
        elif self.stock_is_on and self.by_epoch and runner.epoch == self.profile_iters - 1:
            self.end_stock(runner)

    def before_val_epoch(self, runner: Any) -> None:
        """Keep the workflow's ``val`` out of a window that goes across it."""
        if self._profiling is not None:
            self._profiling.pause("validation")

    def after_run(self, runner: Any) -> None:
        """Close what the run's end or a stop cut short."""
        self.end(runner)
        unwrap(runner)

    def _pause_for_evaluation(self, runner: Any, by_epoch: bool) -> None:
        for hook in runner.hooks:
            if isinstance(hook, EvalHook) and hook.by_epoch == by_epoch and hook._should_evaluate(runner):
                self._profiling.pause("validation")  # type: ignore[union-attr]

    def _closing(self, runner: Any, train: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return train(*args, **kwargs)
        except StopTraining:
            raise
        except BaseException:
            self.end(runner)
            raise
