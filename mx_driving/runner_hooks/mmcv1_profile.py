"""ProfilerHook for mmcv 1.x runners."""

from __future__ import annotations

from typing import Any, Callable

from mmcv.runner.hooks import HOOKS
from mmcv.runner.hooks import ProfilerHook as StockProfilerHook

from mx_driving.runner_hooks.mmcv1_run import SCOPED, around, describe, unwrap
from mx_driving.runner_hooks.profile_base import ProfilerHookBase


@HOOKS.register_module(force=True)
@SCOPED.register_module()
class ProfilerHook(ProfilerHookBase, StockProfilerHook):
    """See ProfilerHookBase."""

    __doc__ = ProfilerHookBase.__doc__

    def before_run(self, runner: Any) -> None:
        """Check the windows against the run."""
        if self._profiling is None:
            return super().before_run(runner)
        self.begin(describe(runner), runner.hooks)
        self._profiling.skip_to(runner.iter)
        around(runner, "train", self._closing)

    def before_train_iter(self, runner: Any) -> None:
        """Open the window that begins with this iteration."""
        if self._profiling is not None:
            self._profiling.before_iteration(runner.iter)

    def after_train_iter(self, runner: Any) -> None:
        """Close the window that ends with this iteration."""
        if self._profiling is None:
            return super().after_train_iter(runner)
        self._profiling.after_iteration(runner.iter)

    def after_train_epoch(self, runner: Any) -> None:
        """Leave epochs to mmcv's hook: windows reach across them."""
        if self._profiling is None:
            super().after_train_epoch(runner)

    def after_run(self, runner: Any) -> None:
        """Close a window that the run's end or a stop cut short."""
        if self._profiling is not None:
            self._profiling.close()
            unwrap(runner)

    def _closing(self, train: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return train(*args, **kwargs)
        except BaseException:
            self._profiling.close()  # type: ignore[union-attr]
            raise
