"""What ProfilerHook is in both runner families: its arguments and the checks of these."""

from __future__ import annotations

import inspect
from typing import Any, Callable, ClassVar, FrozenSet, Iterable, Optional

from mx_driving import device
from mx_driving.profiling import other_profiler, read_plan
from mx_driving.profiling.recorders import OPTIONS
from mx_driving.profiling.stock import end_profile, stop_with
from mx_driving.profiling.windows import Plan, beyond, overlap
from mx_driving.runner_hooks.patch_base import PatchHookBase
from mx_driving.training import arguments
from mx_driving.training.run import Run
from mx_driving.training.scheduler import Recording, WindowScheduler, parse_path, parse_ranks, require_folder
from mx_driving.training.stop import Stopping


class ProfilerHookBase(Stopping):
    """Profile chosen iterations; without windows it is the runner's own hook of this name, with its arguments.

    Args:
        path: folder for the traces; ``<work_dir>/mx_driving/profile`` if None.
        level: 0 device activity only, 1 device and CPU, 2 with call stacks as well.
        iters: half-open window ``(start, stop)`` of ``runner.iter``, or several of them.
        ranks: ranks that record, or ``'all'``.
        skip_first: instead of ``iters``: iterations before the first cycle of torch's schedule.
        wait: iterations of a cycle with nothing running.
        warmup: iterations traced and thrown away before a cycle's, or a window's, own.
        active: iterations that a cycle records, each into files of its own.
        repeat: number of cycles, 1 if left out; 0 goes on to the run's end.
        stop_after: whether training ends after the last window, on every rank, as with ``NPUPatchHook(stop_at=...)``.
        stock: with windows: ``record_shapes``, ``profile_memory``, ``with_stack``, ``with_flops``, ``with_modules``,
            which override what the level chooses; without: the arguments of the runner's own hook.

    Raises:
        TypeError, ValueError: an argument is not what it should be, a window lies beyond the run, or the windows of two
            hooks overlap.
        OSError: at ``before_run``: the folder cannot be written to.
    """

    OURS: ClassVar[FrozenSet[str]] = frozenset(
        {"path", "level", "iters", "ranks", "skip_first", "wait", "warmup", "active", "repeat", "stop_after"}
    )

    recording: Optional[Recording] = None
    """What to record in windows; None if this is the runner's own hook."""
    _profiling: Optional[WindowScheduler] = None
    stock_is_on = False
    stop_argument = "stop_after"
    STOPPER: ClassVar[type]
    """The family's hook that stops where there is no NPUPatchHook."""
    _stopper: Any = None

    def __init__(
        self,
        path: Any = None,
        level: int = 0,
        iters: Any = None,
        ranks: Any = (0,),
        skip_first: Optional[int] = None,
        wait: Optional[int] = None,
        warmup: Optional[int] = None,
        active: Optional[int] = None,
        repeat: Optional[int] = None,
        stop_after: bool = False,
        **stock: Any,
    ):
        known = self._stock_arguments() | set(OPTIONS)
        extra = {name: value for name, value in stock.items() if name not in known}
        arguments.no_unknown("ProfilerHook", extra, self.OURS | known)
        plan = read_plan(iters, skip_first, wait, warmup, active, repeat)
        stop = arguments.flag("stop_after", stop_after)
        if plan is None:
            self._refuse_without_windows(
                path=(path, None), level=(level, 0), ranks=(ranks, (0,)), stop_after=(stop, False)
            )
            self._refuse_without_windows(**{name: (name, None) for name in stock.keys() - self._stock_arguments()})
            super().__init__(**stock)
            return
        mixed = sorted(stock.keys() - set(OPTIONS))
        if mixed:
            raise TypeError(
                f"{mixed[0]}: expected only without iters, which says what to record; remove one of the two"
            )
        self.recording = Recording.checked(plan, level, stock)
        self.ranks = parse_ranks(ranks)
        self._path = parse_path(path)
        if stop:
            self.stop_at = _last(plan)
            # Built before the run: what it watches begins earlier than ``before_run``.
            self._stopper = self.STOPPER()

    @staticmethod
    def _refuse_without_windows(**given: Any) -> None:
        for name, (value, default) in given.items():
            if value != default:
                raise TypeError(f"{name}: expected together with iters=(start, stop), got no iters; add them")

    def _stock_arguments(self) -> FrozenSet[str]:
        following = type(self).__mro__[type(self).__mro__.index(Stopping) + 1]
        return frozenset(inspect.signature(following).parameters)

    def bring_stopper(self, runner: Any) -> None:
        """See that somebody stops the run for us, on every rank: an NPUPatchHook, or a hook that does only this."""
        if self._stopper is not None and not any(isinstance(hook, PatchHookBase) for hook in runner.hooks):
            # To the end of the list, where the round of ``before_run`` that goes on comes by.
            runner.register_hook(self._stopper, priority="LOWEST")

    def begin(self, run: Run, hooks: Iterable[Any], on_spent: Callable[[float], None]) -> None:
        """Check the windows against the run's end, be it the runner's own or a hook's ``stop_at``, and other hooks'."""
        assert self.recording is not None
        hooks = list(hooks)
        stops = [hook.stop_at for hook in hooks if isinstance(hook, Stopping)]
        end = min((end for end in (run.max_iters, *stops) if end is not None), default=None)
        self._require_before(end)
        for hook in hooks:
            if isinstance(hook, ProfilerHookBase) and hook is not self:
                self._require_apart(hook, end)
        self._profiling = None
        if self.ranks is not None and run.rank not in self.ranks:
            return
        folder = (self._path or run.directory / "profile") / f"rank{run.rank}"
        require_folder(folder)
        self._profiling = WindowScheduler(self.recording, folder, device.resolve("auto"), run.logger, on_spent)
        if run.rank == 0:
            self._profiling.warn_of_end(end)

    def begin_stock(self, runner: Any, begin: Callable) -> None:
        """Have the runner's own hook start its profile; not beside another one."""
        other = other_profiler()
        if other is not None:
            runner.logger.warning("ProfilerHook: nothing is recorded, %s is running; stop it before", other)
            return
        self._closed = False  # mmengine's: a second run of this hook records as well
        begin(runner)
        # On other ranks mmcv makes none.
        self.stock_is_on = "profiler" in vars(self)
        if self.stock_is_on:
            stop_with(self, self.profiler)  # type: ignore[attr-defined]

    def end_stock(self, runner: Any) -> None:
        """End the profile of the runner's own hook, and write it."""
        self.stock_is_on = False
        end_profile(self.profiler, self.json_trace_path, runner.logger)  # type: ignore[attr-defined]

    def end(self, runner: Any) -> None:
        """Close what is open when the run ends, in whatever way."""
        if self._profiling is not None:
            self._profiling.finish(f"{runner.iter} iterations were run")
        elif self.stock_is_on:
            self.end_stock(runner)

    def _require_before(self, end: Optional[int]) -> None:
        plan = self.recording.plan  # type: ignore[union-attr]
        missed, _ = beyond(plan, end)
        # Of a schedule's cycles the run may have room for some.
        if missed is not None and (not plan.period or missed == next(iter(plan))):
            name = "active" if plan.period else "iters"
            raise ValueError(f"{name}: expected windows before the run's end at iteration {end}, got {missed}; move it")

    def _require_apart(self, hook: ProfilerHookBase, end: Optional[int]) -> None:
        if hook.recording is None or not _meet(self.ranks, hook.ranks):
            return
        pair = overlap(self.recording.plan, hook.recording.plan, end)  # type: ignore[union-attr]
        if pair is not None:
            raise ValueError(
                f"iters: expected windows of two ProfilerHooks that do not overlap, warm-up included; got {pair[0]} "
                f"and {pair[1]}; move one of them"
            )


def not_counted(runner: Any, timer: type) -> Callable[[float], None]:
    """Return what moves the runner's timers on, so that its ``time`` and ``data_time`` do not count our seconds."""

    def move(seconds: float) -> None:
        for hook in runner.hooks:
            if isinstance(hook, timer) and "t" in vars(hook):
                vars(hook)["t"] += seconds

    return move


def _last(plan: Plan) -> int:
    if plan.stop is None:
        raise ValueError(
            "stop_after: expected windows of which one is the last, got repeat=0, which goes on to the run's end; "
            "give a number of cycles"
        )
    return plan.stop


def _meet(ranks: Any, others: Any) -> bool:
    return ranks is None or others is None or bool(set(ranks) & set(others))
