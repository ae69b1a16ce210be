"""What ProfilerHook is in both runner families: its arguments and the checks of these."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, FrozenSet, Optional

from mx_driving.runner_hooks.patch_base import PatchHookBase
from mx_driving.training import arguments
from mx_driving.training.run import Run
from mx_driving.training.scheduler import WindowScheduler


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
