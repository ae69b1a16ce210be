"""NPUPatchHook for mmcv 1.x runners.

These runners have no flag that ends training. ``run`` asks ``runner.train`` and ``runner.val`` for each step of the
workflow and goes on while the epoch (or iteration) is below the maximum: the stop ends the current ``train`` and lowers
the maximum to where the runner stands. All is put back when the run is over.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any, Callable, Iterator

import mmcv
from mmcv.runner import BaseRunner, IterBasedRunner, save_checkpoint
from mmcv.runner.hooks import HOOKS, EvalHook, Hook, LoggerHook

from mx_driving._core.override import override
from mx_driving.runner_hooks.entry import watch
from mx_driving.runner_hooks.mmcv1_resume import go_on, watch_resume
from mx_driving.runner_hooks.mmcv1_run import SCOPED, describe
from mx_driving.runner_hooks.patch_base import PatchHookBase, StopOnly
from mx_driving.training.stop import MARK, UNLOADED, Position, StopTraining

NEVER = float("inf")


@HOOKS.register_module()
@SCOPED.register_module()
class NPUPatchHook(PatchHookBase, Hook):
    """See PatchHookBase; ``validate_at_stop`` lets evaluation hooks and the workflow's ``val`` run at the stop."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        watch(BaseRunner, ("run",))
        watch_resume()

    def before_run(self, runner: Any) -> None:
        """Apply the patches."""
        if not self.enter(runner, describe(runner)):
            return
        self._leaving.callback(override(runner, "train", functools.partial(self._train, runner)))
        self._leaving.callback(override(runner, "val", self._val))
        self._leaving.callback(go_on(runner))
        if self.is_due(runner):
            self.say_resumed(runner)
            self._end(runner)

    def before_train_iter(self, runner: Any) -> None:
        """Leave an epoch between two of its iterations; the runner has counted the last one by now."""
        if self.is_due(runner):
            raise StopTraining

    def after_train_iter(self, runner: Any) -> None:
        """Prepare the stop: what the other hooks do in this iteration is the last of it."""
        if not self.is_last(runner):
            return
        self._reached = True
        whole = isinstance(runner, IterBasedRunner) or self.end_of_epoch(runner)
        self._batches = 0 if whole else runner.inner_iter + 1
        at_epochs_end = whole and not isinstance(runner, IterBasedRunner)
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                # A trial that is shorter than the logger's interval shows a loss as well.
                self._loans.set(hook, "interval", 1)
            elif isinstance(hook, EvalHook):
                self._prepare(hook, at_epochs_end)

    def after_run(self, runner: Any) -> None:
        """End the run where nobody watches it to its end."""
        self.leave()

    def _prepare(self, hook: Any, at_epochs_end: bool) -> None:
        """Make an evaluation hook evaluate in its own place at this iteration, whatever its interval, or not at all."""
        if not self.validate_at_stop:
            return self._loans.set(hook, "start", NEVER)
        self._loans.set(hook, "start", None)
        self._loans.set(hook, "interval", 1)
        if not at_epochs_end:
            # No end of an epoch will be announced to it.
            self._loans.set(hook, "by_epoch", False)
        if self._batches:
            self._leaving.callback(override(hook, "_do_evaluate", _evaluate_averaged))

    def _train(self, runner: Any, train: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            result = self._train_to_stop(runner, train, *args, **kwargs)
            if self._reached and not self._at_end:
                self._end(runner)
                self._loans.give_back()
                if self.save_at_stop and runner.rank == 0:
                    self._save(runner)
                self.say_stopped(runner)
            return result
        except BaseException:
            self.leave()
            raise

    def _train_to_stop(self, runner: Any, train: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return train(*args, **kwargs)
        except StopTraining:
            # In mid-epoch: the epoch is not whole, so its end is announced to nobody.
            vars(runner).pop("data_batch", None)
        except Exception as exc:
            # From the stop to the next iteration's start there is only the loading of a batch that nobody asked for.
            if not (self._batches and self.is_due(runner)):
                raise
            runner.logger.warning(UNLOADED, type(exc).__name__, exc)
        return None

    def _val(self, val: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return val(*args, **kwargs) if self.validate_at_stop or not self._at_end else None
        except BaseException:
            self.leave()
            raise

    def _end(self, runner: Any) -> None:
        """Lower the runner's maximum to where it stands: it ends by itself."""
        self._at_end = True
        by_iter = isinstance(runner, IterBasedRunner)
        limit, position = ("_max_iters", runner.iter) if by_iter else ("_max_epochs", runner.epoch)
        self._leaving.callback(setattr, runner, limit, getattr(runner, limit))
        setattr(runner, limit, position)

    def _save(self, runner: Any) -> None:
        """Save where training stands; ``runner.save_checkpoint`` would state one epoch more than is done."""
        name = f"iter_{runner.iter}.pth"
        path = os.path.join(runner.work_dir or ".", name)
        position = Position(runner.iter, self._batches, len(runner.data_loader))
        messages = {**(runner.meta or {}).get("hook_msgs", {}), "last_ckpt": path}
        meta = {**(runner.meta or {}), "epoch": runner.epoch, "iter": runner.iter, "hook_msgs": messages}
        meta[MARK] = dict(position._asdict())
        with _averaged_weights(runner) if self._batches else contextlib.nullcontext():
            save_checkpoint(runner.model, path, optimizer=runner.optimizer, meta=meta)
        if os.name != "nt":
            mmcv.symlink(name, os.path.join(runner.work_dir or ".", "latest.pth"))
        runner.logger.info("checkpoint of iteration %d saved as %s", runner.iter, path)


class StopHook(StopOnly, NPUPatchHook):
    """See StopOnly."""


@contextlib.contextmanager
def _averaged_weights(runner: Any) -> Iterator[None]:
    """Have the model hold its averaged weights in mid-epoch, as averaging hooks have it between two epochs.

    They expect to find them there when they resume, and evaluation is of them.
    """
    averaging = [hook for hook in runner.hooks if hasattr(hook, "_swap_ema_parameters")]
    for hook in averaging:
        hook._swap_ema_parameters()
    try:
        yield
    finally:
        for hook in averaging:
            hook._swap_ema_parameters()


def _evaluate_averaged(evaluate: Callable, runner: Any) -> None:
    with _averaged_weights(runner):
        evaluate(runner)
