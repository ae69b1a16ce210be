"""What NPUPatchHook is in both runner families: its arguments, and how a run begins and ends."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, List, Optional

from mx_driving.runner_hooks.entry import when_left
from mx_driving.training import arguments
from mx_driving.training.application import Application
from mx_driving.training.npu_setup import BY_IMPORT, hold, release
from mx_driving.training.ranks import together
from mx_driving.training.run import Run
from mx_driving.training.stop import Loans, Stopping

_LEADER = "_mx_driving_leader"


class PatchHookBase(Stopping):
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
        save_at_stop: whether a checkpoint ``iter_<stop_at>.pth`` is written at the stop. A run that is resumed from it,
            with this hook, goes on exactly there, in mid-epoch too.
        validate_at_stop: whether validation runs at the stop, in mid-epoch and off the regular interval as well.
        patches: patches of your own, ``["package.module:NAME"]``; they are chosen, reported and undone like ours.

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
        patches: Any = (),
        **unknown: Any,
    ):
        known = inspect.signature(PatchHookBase).parameters.keys() - {"unknown"}
        arguments.no_unknown("NPUPatchHook", unknown, known)
        self.stop_at = arguments.iteration("stop_at", stop_at)
        self.allow_internal_format = arguments.flag("allow_internal_format", allow_internal_format)
        self.save_at_stop = arguments.flag("save_at_stop", save_at_stop)
        self.validate_at_stop = arguments.flag("validate_at_stop", validate_at_stop)
        self._patching = Application(disable, enable, only, device, strict, restore, patches)
        self._leaving = contextlib.ExitStack()
        self._loans = Loans()
        self._inside = self._watched = self._leads = self._reached = self._at_end = False
        self._batches = 0  # of a half epoch, at the stop

    def enter(self, runner: Any, run: Run) -> bool:
        """Begin a run; False if it is begun already, as for a validation that another hook runs inside a training.

        The hook goes to the front: it is the first that sees an iteration, and knows by then how the last one ended.
        What is begun here ends when the runner's own call does: after everybody's ``after_run``, or an exception.
        """
        if self._inside:
            return False
        self._inside, self._reached, self._at_end, self._batches = True, False, False, 0
        self._leaving.callback(setattr, self, "_inside", False)
        self._watched = when_left(runner, self._leaving.close)
        if self in runner.hooks:  # and not inside a hook of the user's that calls it
            runner.hooks.remove(self)
            runner.hooks.insert(0, self)
        self._warn_of_twins(runner.hooks, run)
        # One of several hooks ends the run for the ProfilerHooks, or each would prepare that stop.
        self._leads = vars(runner).setdefault(_LEADER, self) is self
        if self._leads:
            self._leaving.callback(vars(runner).pop, _LEADER, None)
        try:
            together(lambda: self._begin(run))
        except BaseException:
            self._leaving.close()
            raise
        self._leaving.callback(self._loans.give_back)
        return True

    def leave(self) -> None:
        """End the run where nobody watches it to its end."""
        if not self._watched:
            self._leaving.close()

    def _begin(self, run: Run) -> None:
        """Apply the patches, and say so if the stop lies beyond the run."""
        if self._patching.restore:
            self._leaving.callback(release, self)
        if hold(self, self.allow_internal_format):
            release(BY_IMPORT)
            if run.rank == 0:
                formats = "on" if self.allow_internal_format else "off"
                run.logger.info(
                    "NPU: CUDA calls go to the NPU, nccl to hccl; jit compilation off, private formats %s", formats
                )
        self._leaving.callback(self._patching.end, run)
        self._patching.begin(run)
        if self.stop_at is not None and run.max_iters is not None and run.max_iters < self.stop_at and run.rank == 0:
            run.logger.warning("stop_at=%d is beyond the run's end at iteration %d", self.stop_at, run.max_iters)

    def _warn_of_twins(self, hooks: List[Any], run: Run) -> None:
        twins = [hook for hook in hooks if isinstance(hook, PatchHookBase)]
        begun = {id(hook) for hook in twins if hook._inside}
        if len(twins) > 1 and len(begun) == 1 and run.rank == 0:
            message = "NPUPatchHook is given %d times: each applies its patches, the first stop counts; merge them"
            run.logger.warning(message, len(twins))

    def stop(self, runner: Any) -> Optional[Stopping]:
        """Return the hook whose stop counts: this one, or a ProfilerHook with an earlier ``stop_after``."""
        others = runner.hooks if self._leads else ()
        hooks = [self, *(hook for hook in others if isinstance(hook, Stopping) and not isinstance(hook, PatchHookBase))]
        return min((hook for hook in hooks if hook.stop_at is not None), key=_stop_at, default=None)

    def is_last(self, runner: Any) -> bool:
        """Tell whether the iteration that the runner is in is the last one before the stop."""
        stop = self.stop(runner)
        return stop is not None and stop.stop_at == runner.iter + 1

    def is_due(self, runner: Any) -> bool:
        """Tell whether the iterations that are done are enough."""
        stop = self.stop(runner)
        return stop is not None and runner.iter >= _stop_at(stop)

    def say_resumed(self, runner: Any) -> None:
        """Say that a resumed run is past the stop."""
        stop = self.stop(runner)
        assert stop is not None
        message = "%s=%d: resumed at iteration %d, nothing is left to run"
        runner.logger.warning(message, stop.stop_argument, stop.stop_at, runner.iter)

    def say_stopped(self, runner: Any) -> None:
        """Say that training ended at the stop, and who asked for it."""
        stop = self.stop(runner)
        assert stop is not None
        runner.logger.info("training stopped after iteration %d (%s)", runner.iter, stop.stop_argument)


class StopOnly(PatchHookBase):
    """Mixed into a family's NPUPatchHook: it stops for a ProfilerHook that has none beside it, and applies nothing."""

    def enter(self, runner: Any, run: Run) -> bool:
        """Stand among the runner's hooks for this run only."""
        begun = super().enter(runner, run)
        if begun and self._watched:  # else the runner is in the midst of going through its hooks when we leave
            self._leaving.callback(runner.hooks.remove, self)
        return begun

    def _begin(self, run: Run) -> None:
        """Apply nothing."""


def _stop_at(hook: Stopping) -> int:
    assert hook.stop_at is not None
    return hook.stop_at
