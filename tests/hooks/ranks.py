"""One of two processes of a run, ``python ranks.py FOLDER`` with torchrun's variables: faults on one rank only."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch.distributed as dist
from faults import Failing
from trials import latest, toy, trial

from mx_driving._core import engine

RANK = int(os.environ["RANK"])


class Averaging(toy.Toy):
    """Waits for the other rank in each iteration, as gradients do."""

    def train_step(self, *args, **kwargs):
        self.averaged()
        return super().train_step(*args, **kwargs)

    def averaged(self):
        """Average a weight."""
        dist.all_reduce(self.linear.bias.data)


class Leaving(Averaging):
    """Fails on rank 1."""

    def averaged(self):
        if RANK == 1:
            raise KeyError("in the model, on rank 1")
        super().averaged()


def attempt(folder, name, *hooks, model=None, **twist):
    """Run, and say what came of it."""
    try:
        seen = trial(
            folder / f"{name}{RANK}", "epoch", *hooks, shuffled=False, twist={"model": model or Averaging(), **twist}
        )
        outcome = seen.iteration, latest(folder / f"{name}{RANK}")
    except (OSError, RuntimeError, KeyError) as exc:
        outcome = f"{type(exc).__name__}: {exc}", None
    print("SEEN" + json.dumps([name, *outcome, len(engine._stacks)]), flush=True)


def main(folder):
    """Run into one fault after the other; the last one takes a rank away."""
    dist.init_process_group("gloo")
    hook = {"type": "NPUPatchHook", "stop_at": 2}
    if RANK == 0:
        (folder / "folder0").mkdir(parents=True)
        (folder / "folder0" / "mx_driving").write_text("a file where the report's folder should be")
    attempt(folder, "folder", hook)
    attempt(folder, "device", {**hook, "device": ("cpu", "npu")[RANK]})
    windows = {"type": "ProfilerHook", "iters": (1, 3), "stop_after": True, "path": str(folder / "traces")}
    attempt(folder, "after", windows)
    broken = Failing(OSError("a corrupt file")) if RANK == 1 else toy.Samples()
    attempt(folder, "batch", {**hook, "save_at_stop": True}, dataset=broken)
    attempt(folder, "model", hook, model=Leaving())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
