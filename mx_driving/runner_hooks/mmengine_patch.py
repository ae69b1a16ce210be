"""NPUPatchHook for mmengine's runners."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from mmengine import runner as runners
from mmengine.dist import is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.registry import HOOKS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from mx_driving._core.override import override
from mx_driving.runner_hooks.entry import watch
from mx_driving.runner_hooks.mmengine_run import SCOPED, describe, train_loop
from mx_driving.runner_hooks.patch_base import PatchHookBase, StopOnly
from mx_driving.training.config_bases import dropped_hooks
from mx_driving.training.stop import MARK, UNLOADED, Position, StopTraining

RUNNERS = tuple(getattr(runners, name) for name in ("Runner", "FlexibleRunner") if hasattr(runners, name))
NEVER = float("inf")
DROPPED = (
    "the config's custom_hooks replaces its base's: %s does not run; to keep it write "
    "custom_hooks = [*_base_.custom_hooks, ...], or [*custom_hooks, ...] in a config with read_base()"
)


@HOOKS.register_module()
@SCOPED.register_module()
class NPUPatchHook(PatchHookBase, Hook):
    """See PatchHookBase."""

    __doc__ = PatchHookBase.__doc__

    # Before all others: no hook sees the start of an iteration that is not run.
    priority = "HIGHEST"
    _resumed: Optional[Position] = None
    _saving: Optional[Dict[str, Any]] = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for runner in RUNNERS:
            watch(runner, ("train", "val", "test"))

    def before_run(self, runner: Any) -> None:
        """Apply the patches."""
        loop = train_loop(runner)
        if not self.enter(runner, describe(runner)):
            return
        lost = dropped_hooks(runner.cfg.filename, [type(hook) for hook in runner.hooks])
        if lost:
            runner.logger.warning(DROPPED, ", ".join(lost))
        if loop is not None:
            self._leaving.callback(override(loop, "run", functools.partial(self._until_stop, runner)))

    def after_load_checkpoint(self, runner: Any, checkpoint: Any) -> None:
        """Take down where a checkpoint of ours was saved; FlexibleRunner loads before it calls ``before_run``."""
        self._resumed = Position.read(checkpoint)

    def before_train_epoch(self, runner: Any) -> None:
        """Stop at once if a resumed run is past the stop, and go on in mid-epoch if it was stopped there."""
        if self.is_due(runner):
            self.say_resumed(runner)
            raise StopTraining
        position, self._resumed = self._resumed, None
        loop = runner.train_loop
        # An iteration loop of mmengine advances its data by itself.
        if position is not None and isinstance(loop, EpochBasedTrainLoop):
            skip = position.to_skip(runner.iter, len(loop.dataloader), runner.logger)
            if skip:
                self._leaving.callback(override(loop, "run_iter", functools.partial(_run_from, [skip])))

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Stop between two iterations of an epoch; the loop has counted the last one by now."""
        if self.is_due(runner):
            raise StopTraining

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Let a loop that looks at ``stop_training`` end by itself; at an epoch's end it ends as a whole epoch."""
        if not self.is_last(runner):
            return
        loop, self._reached = runner.train_loop, True
        whole = not isinstance(loop, EpochBasedTrainLoop) or self.end_of_epoch(loop.dataloader, batch_idx)
        self._batches = 0 if whole else batch_idx + 1
        if hasattr(loop, "stop_training"):
            # Not among the loans: the loop asks for it until its end.
            self._leaving.callback(setattr, loop, "stop_training", loop.stop_training)
            loop.stop_training = True
        if hasattr(loop, "val_begin"):
            # The validation at the stop is ours, whatever the loop's interval.
            self._loans.set(loop, "val_begin", NEVER)
        for hook in runner.hooks:
            if isinstance(hook, LoggerHook):
                # A trial that is shorter than the logger's interval shows a loss as well.
                self._loans.set(hook, "interval", 1)

    def after_train_epoch(self, runner: Any, metrics: Any = None) -> None:
        """Do what was asked for at the stop, where an iteration loop would validate for the last time."""
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            self._finish(runner)

    def after_train(self, runner: Any) -> None:
        """Do what was asked for at the stop, where an epoch loop would validate for the last time."""
        self._finish(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: Any) -> None:
        """State in a checkpoint of ours where training stands; the runners count for a hook inside an iteration."""
        if self._saving is not None:
            checkpoint["meta"].update(self._saving)

    def after_run(self, runner: Any) -> None:
        """End the run where nobody watches it to its end."""
        self.leave()

    def _until_stop(self, runner: Any, run: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._run_to_stop(runner, run, *args, **kwargs)
        except BaseException:
            self.leave()
            raise

    def _run_to_stop(self, runner: Any, run: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return run(*args, **kwargs)
        except StopTraining:
            pass
        except Exception as exc:
            # From the stop to the next iteration's start there is only the loading of a batch that nobody asked for.
            if not (self._batches and self.is_due(runner)):
                raise
            runner.logger.warning(UNLOADED, type(exc).__name__, exc)
        # In mid-epoch: the epoch is not whole, so its end is announced to nobody; the end of training is.
        runner.call_hook("after_train")
        return runner.model

    def _finish(self, runner: Any) -> None:
        if not self._reached or self._at_end:
            return
        self._at_end = True
        self._loans.give_back()
        if self.save_at_stop:
            self._save(runner)
        if self.validate_at_stop and runner.val_loop is not None:
            runner.val_loop.run()
        self.say_stopped(runner)

    def _save(self, runner: Any) -> None:
        loop = runner.train_loop
        name = f"iter_{loop.iter}.pth"
        path = os.path.join(runner.work_dir, name)
        runner.message_hub.update_info("last_ckpt", path)
        position = Position(loop.iter, self._batches, len(loop.dataloader))
        self._saving = {"epoch": loop.epoch, "iter": loop.iter, MARK: dict(position._asdict())}
        try:
            runner.save_checkpoint(runner.work_dir, name, by_epoch=False)
        finally:
            self._saving = None
        if is_main_process():
            # What mmengine reads for resume=True.
            Path(runner.work_dir, "last_checkpoint").write_text(path)
        runner.logger.info("checkpoint of iteration %d saved as %s", loop.iter, path)


class StopHook(StopOnly, NPUPatchHook):
    """See StopOnly."""


def _run_from(left: list, run_iter: Callable, *args: Any, **kwargs: Any) -> Any:
    """Leave out the first batches; then the wrapper only calls through."""
    if not left[0]:
        return run_iter(*args, **kwargs)
    left[0] -= 1
    return None
