"""A small real mmengine run: 8 samples, batches of 2, so an epoch has 4 iterations."""

from __future__ import annotations

import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import FlexibleRunner, Runner
from torch.utils.data import DataLoader, Dataset

EPOCH = 4


class Samples(Dataset):
    def __len__(self):
        return 2 * EPOCH

    def __getitem__(self, index):
        return torch.full((3,), float(index)), torch.tensor([float(index)])


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 1)

    def forward(self, inputs, target, mode="tensor"):
        out = self.linear(inputs)
        if mode == "loss":
            return {"loss": torch.nn.functional.mse_loss(out, target)}
        return [out]


class CountingMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(1)

    def compute_metrics(self, results):
        return {"seen": len(results)}


class Events(Hook):
    """Takes down which points were reached, and the iteration at that time."""

    priority = "VERY_LOW"
    POINTS = ("before_run", "before_train", "after_train_epoch", "before_val", "after_train", "after_run")

    def __init__(self):
        self.seen = []
        self.iterations = []
        self.announced = 0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.announced += 1

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.iterations.append(runner.iter)


def _note(point):
    def method(self, runner, **kwargs):
        self.seen.append((point, getattr(runner, "iter", None)))

    return method


for _point in Events.POINTS:
    setattr(Events, _point, _note(_point))


def build_runner(work_dir, *hooks, train_cfg=None, flexible=False, workers=0, val=False, **extra):
    """Return (runner, events) for hook configs or objects."""
    events = Events()
    loaders = {"train_dataloader": DataLoader(Samples(), batch_size=2, num_workers=workers)}
    if val:
        loaders.update(
            val_dataloader=DataLoader(Samples(), batch_size=2), val_cfg={}, val_evaluator={"type": CountingMetric}
        )
    runner = (FlexibleRunner if flexible else Runner)(
        model=Toy(),
        work_dir=str(work_dir),
        **loaders,
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.001}},
        train_cfg=train_cfg or {"by_epoch": True, "max_epochs": 3},
        custom_hooks=[events, *hooks],
        default_scope="mmengine",
        experiment_name=f"toy{id(events)}",
        **extra,
    )
    return runner, events
