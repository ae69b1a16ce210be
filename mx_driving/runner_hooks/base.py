"""What the hooks of both runner families share: their arguments and the checks of these."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, FrozenSet, Optional

from mx_driving.training import arguments
from mx_driving.training.npu_setup import allow_internal_format, set_up, take_back
from mx_driving.training.application import Application
from mx_driving.training.scheduler import WindowScheduler
from mx_driving.training.run import Run


class PatchHookBase:
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
        RuntimeError: at ``before_run``: ``device='npu'`` and there is none.
        PatchError: at ``before_run``, with ``strict``: a patch failed.
    """

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
        known = inspect.signature(PatchHookBase).parameters.keys() - {"unknown"}
        arguments.no_unknown("NPUPatchHook", unknown, known)
        self.stop_at = arguments.iteration("stop_at", stop_at)
        self.allow_internal_format = arguments.flag("allow_internal_format", allow_internal_format)
        self.save_at_stop = arguments.flag("save_at_stop", save_at_stop)
        self.validate_at_stop = arguments.flag("validate_at_stop", validate_at_stop)
        self._patching = Application(disable, enable, only, device, strict, restore)

    def begin(self, run: Run) -> None:
        """Apply the patches, and say so if the stop lies beyond the run."""
        if set_up():
            allow_internal_format(self.allow_internal_format)
            if run.rank == 0:
                formats = "on" if self.allow_internal_format else "off"
                run.logger.info(
                    "NPU: CUDA calls go to the NPU, nccl to hccl; jit compilation off, private formats %s", formats
                )
        self._patching.begin(run)
        if self.stop_at is not None and run.max_iters is not None and run.max_iters < self.stop_at and run.rank == 0:
            run.logger.warning("stop_at=%d is beyond the run's end at iteration %d", self.stop_at, run.max_iters)

    def end(self, run: Run) -> None:
        """Save the final report, undo the patches and restore torch_npu's options."""
        self._patching.end(run)
        if self._patching.restore:
            take_back()

    def is_due(self, iteration: int) -> bool:
        """Tell whether so many iterations are enough."""
        return self.stop_at is not None and iteration >= self.stop_at


class ProfilerHookBase:
    """Profile chosen iterations; without ``iters`` it is the runner's own hook of this name, with its arguments.

    Args:
        path: folder for the traces; ``<work_dir>/mx_driving/profile`` if None.
        level: 0 device activity only, 1 device and CPU, 2 with call stacks as well.
        iters: half-open window ``(start, stop)`` of ``runner.iter``, or several of them.
        ranks: ranks that record, or ``'all'``.
        stock: with ``iters``: ``record_shapes``, ``profile_memory``, ``with_flops`` as in ``torch.profiler.profile``.

    Raises:
        TypeError, ValueError: an argument is not what it should be, or a window lies beyond the run.
    """

    OURS: ClassVar[FrozenSet[str]] = frozenset({"path", "level", "iters", "ranks"})
    WITH_ITERS: ClassVar[FrozenSet[str]] = frozenset({"record_shapes", "profile_memory", "with_flops"})

    def __init__(self, path: Any = None, level: int = 0, iters: Any = None, ranks: Any = (0,), **stock: Any):
        known = self._stock_arguments()
        extra = {name: value for name, value in stock.items() if name not in known}
        arguments.no_unknown("ProfilerHook", extra, self.OURS | known)
        self._profiling: Optional[WindowScheduler] = None
        if iters is None:
            for name, given, default in (("path", path, None), ("level", level, 0), ("ranks", ranks, (0,))):
                if given != default:
                    raise TypeError(f"{name}: expected together with iters=(start, stop), got no iters; add them")
            super().__init__(**stock)
            return
        mixed = sorted(stock.keys() - self.WITH_ITERS)
        if mixed:
            raise TypeError(
                f"{mixed[0]}: expected only without iters, which says what to record; remove one of the two"
            )
        self._profiling = WindowScheduler(path, level, iters, ranks, stock)

    def _stock_arguments(self) -> FrozenSet[str]:
        following = type(self).__mro__[type(self).__mro__.index(ProfilerHookBase) + 1]
        return frozenset(inspect.signature(following).parameters)

    def begin(self, run: Run, hooks: Any) -> None:
        """Check the windows against the run's end, be it the runner's own or a hook's ``stop_at``."""
        stops = [hook.stop_at for hook in hooks if isinstance(hook, PatchHookBase)]
        ends = [end for end in (run.max_iters, *stops) if end is not None]
        assert self._profiling is not None
        self._profiling.begin(run, min(ends) if ends else None)
