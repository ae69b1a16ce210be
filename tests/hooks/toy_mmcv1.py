"""A small real mmcv 1.x run: 8 samples, batches of 2, so an epoch has 4 iterations."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from mmcv.runner import HOOKS, EpochBasedRunner, EvalHook, Hook, IterBasedRunner
from mmcv.utils import build_from_cfg
from torch.utils.data import DataLoader, Dataset

EPOCH = 4
POINTS = ("before_run", "after_train_epoch", "after_val_epoch", "after_val_iter", "after_run")


class Samples(Dataset):
    def __len__(self):
        return 2 * EPOCH

    def __getitem__(self, index):
        return torch.full((3,), float(index))

    def evaluate(self, results, logger=None, **kwargs):
        return {"seen": len(results)}


class Toy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 1)

    def forward(self, inputs, return_loss=True, **kwargs):
        return self.linear(inputs)

    def train_step(self, inputs, optimizer, **kwargs):
        loss = self.linear(inputs).square().mean()
        return {"loss": loss, "log_vars": {"loss": loss.item()}, "num_samples": len(inputs)}

    def val_step(self, inputs, optimizer=None, **kwargs):
        return self.train_step(inputs, optimizer)


class Events(Hook):
    """Takes down which points were reached, and the iteration at that time."""

    def __init__(self):
        self.seen = []
        self.iterations = []
        self.announced = 0

    def before_train_iter(self, runner):
        self.announced += 1

    def after_train_iter(self, runner):
        self.iterations.append(runner.iter)

    def count(self, point):
        return [name for name, _ in self.seen].count(point)


def _note(point):
    return lambda self, runner: self.seen.append((point, runner.iter))


for _point in POINTS:
    setattr(Events, _point, _note(_point))


class Evaluation(EvalHook):
    """mmcv's own evaluation hook, with the model's run left out."""

    def __init__(self, dataloader, **kwargs):
        super().__init__(dataloader, **kwargs)
        self.evaluated = []

    def _do_evaluate(self, runner):
        if self._should_evaluate(runner):
            self.evaluated.append(runner.iter)


class OwnTrain(EpochBasedRunner):
    """A subclass that overrides ``train``, as several repositories have."""

    def train(self, data_loader, **kwargs):
        self.mode, self.data_loader = "train", data_loader
        self.call_hook("before_train_epoch")
        for index, batch in enumerate(data_loader):
            self.data_batch, self._inner_iter = batch, index
            self.call_hook("before_train_iter")
            self.run_iter(batch, train_mode=True)
            self.call_hook("after_train_iter")
            self._iter += 1
        self.call_hook("after_train_epoch")
        self._epoch += 1


class Toy1Run:
    """A runner, its events and what ``run`` needs."""

    def __init__(self, work_dir, *hooks, kind="epoch", maximum=None, evaluate=None, workers=0, checkpoint=None):
        Path(work_dir).mkdir(parents=True, exist_ok=True)
        model, self.events = Toy(), Events()
        logger = logging.getLogger(f"toy1.{id(self)}")
        logger.setLevel(logging.INFO)
        self.log = Path(work_dir) / "run.log"
        logger.addHandler(logging.FileHandler(self.log))
        common = dict(
            model=model,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.001),
            work_dir=str(work_dir),
            logger=logger,
            meta={},
        )
        if kind == "iteration":
            self.runner = IterBasedRunner(max_iters=maximum or 12, **common)
        else:
            self.runner = {"epoch": EpochBasedRunner, "own": OwnTrain}[kind](max_epochs=maximum or 3, **common)
        self.runner.register_training_hooks(
            lr_config=None, optimizer_config={"grad_clip": None}, checkpoint_config=checkpoint, log_config=None
        )
        self.evaluation = None
        if evaluate:
            self.evaluation = Evaluation(DataLoader(Samples(), batch_size=2), **evaluate)
            self.runner.register_hook(self.evaluation, priority="LOW")
        self.runner.register_hook(self.events)
        for config in hooks:
            hook = build_from_cfg(dict(config), HOOKS) if isinstance(config, dict) else config
            self.runner.register_hook(hook)
        self.loader = DataLoader(Samples(), batch_size=2, num_workers=workers)

    def run(self, workflow=(("train", 1),)):
        """Run and return the runner, so that a test reads in one line."""
        loaders = [self.loader for _ in workflow]
        self.runner.run(loaders, [tuple(flow) for flow in workflow])
        return self.runner
