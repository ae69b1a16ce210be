"""One way to run the toy runners of both families for tests that hold on both: ``trial`` returns what was seen."""

from __future__ import annotations

import importlib
import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import torch
from torch.utils.data import DataLoader, DistributedSampler

from mx_driving._core.versions import installed_version, is_installed

MMCV1 = is_installed("mmcv") and installed_version("mmcv").major == 1
Hook = importlib.import_module("mmcv.runner" if MMCV1 else "mmengine.hooks").Hook
toy = importlib.import_module("toy_mmcv1" if MMCV1 else "toy_mmengine")
EPOCH = 4
END = 3 * EPOCH


@dataclass
class Seen:
    """What a run did, by hooks that stand between others."""

    losses: Dict[int, float] = field(default_factory=dict)
    rates: Dict[int, float] = field(default_factory=dict)
    validations: List[int] = field(default_factory=list)
    points: List[str] = field(default_factory=list)
    iteration: int = 0
    epoch: int = 0
    log: str = ""
    runner: Any = None


def loader_of(dataset: Any, shuffled: bool, workers: int = 0) -> DataLoader:
    """Return a loader whose order depends on the epoch that its sampler is told."""
    sampler = DistributedSampler(dataset, num_replicas=1, rank=0, shuffle=shuffled, seed=3)
    return DataLoader(dataset, batch_size=2, sampler=sampler, num_workers=workers)


def trial(
    folder: Path,
    kind: str,
    *hooks: Any,
    interval: int = 5,
    resume: bool = False,
    shuffled: bool = True,
    prepare: Any = None,
    run: bool = True,
    twist: Optional[Dict[str, Any]] = None,
) -> Seen:
    """Train the toy in a folder and return what was seen.

    Args:
        kind: ``epoch`` or ``iteration``.
        hooks: configs or objects.
        interval: of the regular validation, in epochs.
        resume: whether to go on from the latest checkpoint in the folder.
        prepare: called with the runner before it runs.
        twist: model, dataset or hooks of the test's own, by name.
    """
    torch.manual_seed(0)
    build = _mmcv1 if MMCV1 else _mmengine
    seen = Seen()
    seen.runner, start = build(folder, kind, hooks, interval, resume, shuffled, twist or {}, seen)
    if prepare is not None:
        prepare(seen.runner)
    try:
        if run:
            start()
    finally:
        seen.iteration, seen.epoch = seen.runner.iter, seen.runner.epoch
        seen.log = "".join(path.read_text() for path in sorted(folder.rglob("*.log")))
    return seen


def latest(folder: Path) -> Optional[str]:
    """Return the name of the checkpoint that a resumed run would take."""
    if MMCV1:
        link = folder / "latest.pth"
        return os.readlink(link) if link.exists() else None
    note = folder / "last_checkpoint"
    return Path(note.read_text()).name if note.exists() else None


def meta_of(path: Path) -> Dict[str, Any]:
    """Return a checkpoint's meta data."""
    return torch.load(path, weights_only=False)["meta"]


def report_of(folder: Path) -> Dict[str, Any]:
    """Return the entries of ``patches.json`` by name."""
    data = json.loads((folder / "mx_driving" / "patches.json").read_text())
    return {entry["name"]: entry for entry in data["patches"]}


def _mmengine(
    folder: Path, kind: str, hooks: Any, interval: int, resume: bool, shuffled: bool, twist: Any, seen: Seen
) -> Tuple[Any, Any]:
    from mmengine.hooks import Hook
    from mmengine.runner import Runner
    from toy_mmengine import CountingMetric, Samples, Toy

    class Watch(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            seen.losses[runner.iter] = outputs["loss"].item()
            seen.rates[runner.iter] = runner.optim_wrapper.param_groups[0]["lr"]

        def before_val_epoch(self, runner):
            seen.validations.append(runner.iter)

        def after_train(self, runner):
            seen.points.append("after_train")

        def after_run(self, runner):
            seen.points.append("after_run")

    by_epoch = kind == "epoch"
    length = (
        {"max_epochs": 3, "val_interval": interval} if by_epoch else {"max_iters": END, "val_interval": interval * 4}
    )
    schedule = {"type": "MultiStepLR", "by_epoch": by_epoch, "milestones": [1, 2] if by_epoch else [5, 9], "gamma": 0.5}
    dataset = twist.get("dataset", Samples())
    runner = twist.get("runner", Runner)(
        model=twist.get("model") or Toy(),
        work_dir=str(folder),
        train_dataloader=loader_of(dataset, shuffled, twist.get("workers", 0)),
        val_dataloader=DataLoader(twist.get("val_dataset", Samples()), batch_size=2),
        val_cfg={},
        val_evaluator={"type": CountingMetric},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.001, "momentum": 0.9}},
        param_scheduler=[schedule, {"type": "LinearLR", "by_epoch": False, "start_factor": 0.1, "end": 7}],
        train_cfg={"by_epoch": by_epoch, **length},
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": by_epoch, "save_last": False}
        }
        if by_epoch
        else {"checkpoint": {"type": "CheckpointHook", "interval": 100, "by_epoch": False, "save_last": False}},
        custom_hooks=[Watch(), *hooks],
        default_scope="mmengine",
        resume=resume,
        load_from=twist.get("load_from"),
        experiment_name=f"trial{id(seen)}",
        log_level=logging.INFO,
    )
    return runner, runner.train


def _mmcv1(
    folder: Path, kind: str, hooks: Any, interval: int, resume: bool, shuffled: bool, twist: Any, seen: Seen
) -> Tuple[Any, Any]:
    from mmcv.runner import HOOKS, DistSamplerSeedHook, EpochBasedRunner, EvalHook, Hook, IterBasedRunner
    from mmcv.utils import build_from_cfg
    from toy_mmcv1 import Samples, Toy

    class Watch(Hook):
        def after_train_iter(self, runner):
            seen.losses[runner.iter] = runner.outputs["loss"].item()
            seen.rates[runner.iter] = runner.optimizer.param_groups[0]["lr"]

        def after_run(self, runner):
            seen.points.append("after_run")

    class Evaluation(EvalHook):
        def _do_evaluate(self, runner):
            super()._do_evaluate(runner)
            # At an epoch's end the iteration is counted already.
            seen.validations.append(runner.iter if self.by_epoch else runner.iter + 1)

    def test(model, loader):
        return [model(batch) for batch in loader]

    folder.mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger(f"trial.{id(seen)}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in (logging.FileHandler(folder / "run.log"), logging.StreamHandler()):
        logger.addHandler(handler)
    model = twist.get("model") or Toy()
    by_epoch = kind == "epoch"
    runner = (twist.get("runner") or (EpochBasedRunner if by_epoch else IterBasedRunner))(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9),
        work_dir=str(folder),
        logger=logger,
        meta={},
        **({"max_epochs": 3} if by_epoch else {"max_iters": END}),
    )
    runner.timestamp = "toy"
    warmup = {"warmup": "linear", "warmup_iters": 7, "warmup_ratio": 0.1, "policy": "step", "gamma": 0.5}
    runner.register_training_hooks(
        lr_config={**warmup, "step": [1, 2] if by_epoch else [5, 9]},
        optimizer_config={"grad_clip": None},
        checkpoint_config={"interval": 1} if by_epoch else None,
        log_config={"interval": 50, "hooks": [{"type": "TextLoggerHook"}]},
    )
    if by_epoch:
        runner.register_hook(DistSamplerSeedHook())
    regular = {"interval": interval} if by_epoch else {"interval": interval * 4, "by_epoch": False}
    loader = DataLoader(twist.get("val_dataset", Samples()), batch_size=2)
    runner.register_hook(Evaluation(loader, test_fn=test, **regular), priority="LOW")
    runner.register_hook(Watch())
    for hook in hooks:
        runner.register_hook(build_from_cfg(dict(hook), HOOKS) if isinstance(hook, dict) else hook)
    if resume:
        runner.resume(str(folder / "latest.pth"), map_location="cpu")
    workflow = twist.get("workflow", [("train", 1)])
    loaders = [loader_of(twist.get("dataset", Samples()), shuffled, twist.get("workers", 0)) for _ in workflow]
    return runner, lambda: runner.run(loaders, workflow)
