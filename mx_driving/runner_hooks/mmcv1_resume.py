"""Going on in mid-epoch: mmcv 1.x runners begin the epoch, or the whole data set, anew when they are resumed."""

from __future__ import annotations

import functools
import weakref
from types import FunctionType
from typing import Any, Callable, List, MutableMapping

from mmcv.runner import BaseRunner, IterBasedRunner
from mmcv.runner.iter_based_runner import IterLoader

from mx_driving._core.override import override
from mx_driving.runner_hooks.entry import family
from mx_driving.training.stop import MARK, Position

_MARK = "__mx_driving_resume__"

_positions: MutableMapping[Any, Position] = weakref.WeakKeyDictionary()
"""By runner: where the checkpoint that it resumed from was saved, if that was at a stop of ours."""


def watch_resume() -> None:
    """Take down what runners resume from: an iteration runner keeps none of a checkpoint's meta data."""
    for cls in family(BaseRunner):
        method = vars(cls).get("resume")
        if method is not None and not hasattr(method, _MARK):
            setattr(cls, "resume", _watched(method))  # noqa: B010 - a type checker would take it for a method's redefinition


def _watched(method: FunctionType) -> Callable:
    @functools.wraps(method)
    def resume(runner: Any, *args: Any, **kwargs: Any) -> Any:
        def load(original: Callable, *args: Any, **kwargs: Any) -> Any:
            checkpoint = original(*args, **kwargs)
            position = Position.read(checkpoint)
            if position is not None:
                _positions[runner] = position
                # Else the runner would carry it over into all checkpoints to come.
                checkpoint["meta"].pop(MARK)
            return checkpoint

        _positions.pop(runner, None)
        undo = override(runner, "load_checkpoint", load)
        try:
            return method(runner, *args, **kwargs)
        finally:
            undo()

    setattr(resume, _MARK, True)
    return resume


def go_on(runner: Any) -> Callable[[], None]:
    """Have a resumed runner's first training go on where its checkpoint was saved; return the undo."""
    return override(runner, "train", functools.partial(_first, [True], runner))


def _first(first: List[bool], runner: Any, train: Callable, loader: Any, **kwargs: Any) -> Any:
    # Not when the run begins: averaging hooks resume their runner only then, in their own before_run.
    position = _positions.pop(runner, None) if first and first.pop() else None
    if position is None or position.iteration != runner.iter:
        return train(loader, **kwargs)
    if not isinstance(runner, IterBasedRunner):
        return _in_mid_epoch(position, runner, train, loader, **kwargs)
    _advance(loader, runner.iter, runner.logger)
    return train(loader, **kwargs)


def _advance(loader: Any, batches: int, logger: Any) -> None:
    """Move a runner's endless loader on by whole epochs, without loading them, and by the batches of the last one."""
    logger.info("resumed: the data's first %d batches are trained already and skipped", batches)
    if isinstance(loader, IterLoader):
        loader._epoch, batches = divmod(batches, len(loader))
        if loader._epoch:
            if hasattr(loader._dataloader.sampler, "set_epoch"):
                loader._dataloader.sampler.set_epoch(loader._epoch)
            loader.iter_loader = iter(loader._dataloader)
    for _ in range(batches):
        next(loader)


def _in_mid_epoch(position: Position, runner: Any, train: Callable, loader: Any, **kwargs: Any) -> Any:
    skip = position.to_skip(runner.iter, len(loader), runner.logger)
    if not skip:
        return train(loader, **kwargs)
    left = _Skipped(runner, skip)
    undo = [override(runner, "call_hook", left.call_hook), override(runner, "run_iter", left.run_iter)]
    try:
        return train(loader, **kwargs)
    finally:
        for back in undo:
            back()


class _Skipped:
    """The first batches of an epoch, which no hook and no model sees; the runner counts them again by itself."""

    def __init__(self, runner: Any, batches: int):
        self._runner = runner
        self._batches = self._left = batches
        self._held = False

    def call_hook(self, call_hook: Callable, name: str) -> Any:
        """Leave out what is announced of a skipped iteration."""
        if not self._left or name not in ("before_train_iter", "after_train_iter"):
            return call_hook(name)
        if name == "after_train_iter":
            if not self._held:
                raise RuntimeError(
                    f"{type(self._runner).__name__}: expected a runner that trains by run_iter, to skip what is "
                    "trained already; resume from a checkpoint of an epoch's end"
                )
            self._left, self._held = self._left - 1, False
        elif self._left == self._batches:
            self._runner._iter -= self._batches
        return None

    def run_iter(self, run_iter: Callable, *args: Any, **kwargs: Any) -> Any:
        """Leave out a skipped iteration."""
        self._held = self._left > 0
        return None if self._held else run_iter(*args, **kwargs)
