"""ProfilerHook for mmengine's runners."""

from __future__ import annotations

from typing import Any, Callable

from mmengine import hooks
from mmengine.hooks import IterTimerHook
from mmengine.registry import HOOKS

from mx_driving.runner_hooks.mmengine_patch import StopHook
from mx_driving.runner_hooks.mmengine_run import SCOPED, around_loop, describe
from mx_driving.runner_hooks.profile_base import ProfilerHookBase, not_counted


@HOOKS.register_module(force=True)
@SCOPED.register_module()
class ProfilerHook(ProfilerHookBase, hooks.ProfilerHook):
    """See ProfilerHookBase."""

    __doc__ = ProfilerHookBase.__doc__
    STOPPER = StopHook

    def before_run(self, runner: Any) -> None:
        """Check the windows against the run, or start mmengine's own profile."""
        self.bring_stopper(runner)
        if self.recording is not None:
            self.begin(describe(runner), runner.hooks, not_counted(runner, IterTimerHook))
        else:
            self.begin_stock(runner, super().before_run)
        around_loop(runner, lambda run: self._closing(runner, run))

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
        if self._profiling is not None:
            self._profiling.after_iteration(runner.iter)
        elif self.stock_is_on:
            super().after_train_iter(runner, batch_idx, data_batch, outputs)

    def after_train_epoch(self, runner: Any, metrics: Any = None) -> None:
        """Leave epochs to mmengine's hook: windows reach across them."""
        if self.stock_is_on:
            super().after_train_epoch(runner)

    def before_val(self, runner: Any) -> None:
        """Keep validation out of a window that goes across it."""
        if self._profiling is not None:
            self._profiling.pause("validation")

    def _export_chrome_trace(self, runner: Any) -> None:
        self._closed = True
        self.end_stock(runner)

    def _closing(self, runner: Any, run: Callable) -> Any:
        try:
            return run()
        finally:
            self.end(runner)
