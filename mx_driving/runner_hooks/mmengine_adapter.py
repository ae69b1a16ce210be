"""NPUPatchHook and ProfilerHook for mmengine's runners (Runner and FlexibleRunner, epoch and iteration loops)."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import Any, Callable, Optional

from mmengine import hooks
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, Registry
from mmengine.runner import BaseLoop

from mx_driving.runner_hooks import arguments
from mx_driving.runner_hooks.patching import Patching
from mx_driving.runner_hooks.profiling import Profiling
from mx_driving.runner_hooks.run import Run
from mx_driving.runner_hooks.stopping import StopTraining

SCOPED = Registry("hook", parent=HOOKS, scope="mx_driving", locations=["mx_driving.runner_hooks"])
"""Lets a config say ``type='mx_driving.ProfilerHook'``."""


def _train_loop(runner: Any) -> Optional[BaseLoop]:
    # The property of that name would build the training data set when the run is a test or a validation.
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
class NPUPatchHook(Hook):
    """Apply operator patches when a run begins, take them back when it ends, and stop training cleanly.

    Args:
        disable: names of patches to leave out.
        enable: names of patches to take in although they are off by default.
        only: if given, names of the only patches to apply.
        device: ``auto`` (an NPU if there is one), ``npu`` or ``cpu``.
        allow_internal_format: whether torch_npu may use its private memory formats; without an NPU it has no effect.
        stop_at: number of iterations after which training ends on every rank; counted like ``runner.iter``.
        strict: whether a patch that fails ends the run before its first iteration.
        restore: whether the patches are undone after the run.
        save_at_stop: whether a checkpoint ``iter_<stop_at>.pth`` is written at the stop.
        validate_at_stop: whether validation runs at the stop.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
        RuntimeError: ``device='npu'`` and there is none.
        PatchError: at ``before_run``, with ``strict``: a patch failed.
    """

    # Before all others: no hook sees the start of an iteration that is not run.
    priority = "HIGHEST"

    def __init__(
        self,
        disable: Any = (),
        enable: Any = (),
        only: Any = None,
        device: str = "auto",
        allow_internal_format: bool = False,
        stop_at: Optional[int] = None,
        strict: bool = False,
        restore: bool = True,
        save_at_stop: bool = False,
        validate_at_stop: bool = False,
        **unknown: Any,
    ):
        arguments.no_unknown("NPUPatchHook", unknown, inspect.signature(NPUPatchHook).parameters.keys() - {"unknown"})
        self.stop_at = arguments.iteration("stop_at", stop_at)
        self.allow_internal_format = arguments.flag("allow_internal_format", allow_internal_format)
        self.save_at_stop = arguments.flag("save_at_stop", save_at_stop)
        self.validate_at_stop = arguments.flag("validate_at_stop", validate_at_stop)
        self._patching = Patching(disable, enable, only, device, strict, restore)
        self._val_begin: Any = None

    def before_run(self, runner: Any) -> None:
        """Apply the patches."""
        run = _describe(runner)
        self._patching.begin(run)
        if self.stop_at is None:
            return
        if run.max_iters is not None and run.max_iters < self.stop_at and run.rank == 0:
            run.logger.warning("stop_at=%d is beyond the run's end at iteration %d", self.stop_at, run.max_iters)
        _around_loop(runner, functools.partial(self._until_stop, runner))
        if self.save_at_stop:
            runner.register_hook(_CheckpointAt(self.stop_at))

    def before_train(self, runner: Any) -> None:
        """Stop at once if a resumed run is past the stop."""
        if self.stop_at is not None and runner.iter >= self.stop_at:
            runner.logger.warning(
                "stop_at=%d: resumed at iteration %d, nothing is left to run", self.stop_at, runner.iter
            )
            raise StopTraining

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Stop between two iterations of an epoch; the loop has counted the last one by now."""
        if self.stop_at is not None and runner.iter >= self.stop_at:
            raise StopTraining

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Let a loop that looks at ``stop_training`` end by itself; at an epoch's end it ends as a whole epoch."""
        if self.stop_at is None or runner.iter + 1 != self.stop_at:
            return
        loop = runner.train_loop
        loop.stop_training = True
        if not self.validate_at_stop and hasattr(loop, "val_begin"):
            self._val_begin, loop.val_begin = loop.val_begin, float("inf")

    def after_train(self, runner: Any) -> None:
        """Say that training was stopped."""
        if self._val_begin is not None:
            runner.train_loop.val_begin, self._val_begin = self._val_begin, None
        if self.stop_at is not None and runner.iter >= self.stop_at:
            runner.logger.info("training stopped after iteration %d (stop_at)", runner.iter)

    def after_run(self, runner: Any) -> None:
        """Save the final report and undo the patches."""
        self._patching.end(_describe(runner))

    def _until_stop(self, runner: Any, run: Callable) -> Any:
        try:
            return run()
        except StopTraining:
            # In mid-epoch: the epoch is not whole, so its end is announced to nobody; the end of training is.
            if self.validate_at_stop and runner.val_loop is not None:
                runner.val_loop.run()
            runner.call_hook("after_train")
            return runner.model


class _CheckpointAt(Hook):
    """Saves after one iteration, when all other hooks have done their part of it."""

    priority = "LOWEST"

    def __init__(self, iteration: int):
        self.iteration = iteration

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 == self.iteration:
            runner.save_checkpoint(runner.work_dir, f"iter_{self.iteration}.pth", by_epoch=False)


STOCK_ONLY = {"by_epoch", "profile_times", "schedule", "on_trace_ready", "json_trace_path"}
STOCK_ACTIVITIES = {"activity_with_cpu", "activity_with_cuda"}
OPTIONS = {"record_shapes", "profile_memory", "with_flops"}


@HOOKS.register_module(force=True)
@SCOPED.register_module()
class ProfilerHook(hooks.ProfilerHook):
    """Profile chosen iterations; without ``iters`` it is mmengine's own hook of this name, with its arguments.

    Args:
        path: folder for the traces; ``<work_dir>/mx_driving/profile`` if None.
        level: 0 device activity only, 1 device and CPU, 2 with call stacks as well.
        iters: half-open window ``(start, stop)`` of ``runner.iter``, or several of them.
        ranks: ranks that record, or ``'all'``.
        stock: with ``iters``: ``record_shapes``, ``profile_memory``, ``with_flops`` as in ``torch.profiler.profile``.

    Raises:
        TypeError, ValueError: an argument is not what it should be, or a window lies beyond the run.
    """

    def __init__(self, path: Any = None, level: int = 0, iters: Any = None, ranks: Any = (0,), **stock: Any):
        known = STOCK_ONLY | STOCK_ACTIVITIES | OPTIONS
        arguments.no_unknown("ProfilerHook", {n: v for n, v in stock.items() if n not in known}, OURS | known)
        self._profiling: Optional[Profiling] = None
        if iters is None:
            super().__init__(**stock)
            return
        mixed = sorted(set(stock) & (STOCK_ONLY | STOCK_ACTIVITIES))
        if mixed:
            raise TypeError(
                f"{mixed[0]}: expected only without iters, which says what to record; remove one of the two"
            )
        self._profiling = Profiling(path, level, iters, ranks, stock)

    def before_run(self, runner: Any) -> None:
        """Check the windows against the run."""
        if self._profiling is None:
            return super().before_run(runner)
        run = _describe(runner)
        self._profiling.begin(run, _end(runner, run.max_iters))
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


OURS = {"path", "level", "iters", "ranks"}


def _end(runner: Any, max_iters: Optional[int]) -> Optional[int]:
    """Return the iteration at which the run ends, by itself or by a hook's ``stop_at``."""
    stops = [hook.stop_at for hook in runner.hooks if isinstance(hook, NPUPatchHook)]
    ends = [end for end in (max_iters, *stops) if end is not None]
    return min(ends) if ends else None
