"""Runs in which something fails, each looked at afterwards: ``python faults.py FOLDER FAULT...`` prints what was seen.

``python faults.py FOLDER --die FAULT`` lets one fault end the process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import weakref
from pathlib import Path
from typing import List

import torch
from trials import MMCV1, Hook, toy, trial

import mx_driving.runner_hooks  # noqa: F401 - registers the hooks
from mx_driving._core import engine
from mx_driving._core.record import Effect, find, split
from mx_driving.patches import load_all

in_force: List[int] = []

FULL = "no file may grow beyond 16 bytes from now on"


class Failing(torch.utils.data.Dataset):
    """Fails when an item is asked for."""

    def __init__(self, error):
        self.error, self.samples = error, toy.Samples()

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        if index == 5:
            fail(self.error)
        return self.samples[index]

    def evaluate(self, results, logger=None, **kwargs):
        return {"seen": len(results)}


class FailingModel(toy.Toy):
    """Fails in its third training iteration."""

    error = None
    calls = 0

    def train_step(self, *args, **kwargs):
        self.calls += 1
        if self.calls == 3 and self.error is not None:
            fail(self.error)
        return super().train_step(*args, **kwargs)

    def val_step(self, *args, **kwargs):
        fail(KeyError("in a workflow's val"))


def fail(error):
    """Raise an error, or send this process a signal; note how many sites were patched by then."""
    in_force.append(len(engine._stacks))
    if error is FULL:
        return resource.setrlimit(resource.RLIMIT_FSIZE, (16, resource.RLIM_INFINITY))
    if isinstance(error, int):
        os.kill(os.getpid(), error)
        return
    raise error


def at(point, error):
    """Return a hook that fails at a point."""
    return type("Failing", (Hook,), {point: lambda self, runner, **kwargs: fail(error)})()


def model(error):
    """Return a model that fails."""
    failing = FailingModel()
    failing.error = error
    return failing


STOP = {"type": "NPUPatchHook", "stop_at": 6}
VALIDATE = {"type": "NPUPatchHook", "stop_at": 2, "validate_at_stop": True}
WINDOW = {"type": "ProfilerHook", "iters": (1, 5)}


def faults():
    """Return by name: hooks, and what else is twisted."""
    out_of_memory = torch.cuda.OutOfMemoryError("a stand-in")
    table = {
        "data set": ([STOP], {"twist": {"dataset": Failing(KeyError("in the data set"))}}),
        "model": ([STOP], {"twist": {"model": model(KeyError("in the model"))}}),
        "out of memory in a window": ([STOP, WINDOW], {"twist": {"model": model(out_of_memory)}}),
        "hook": ([STOP, at("after_train_iter", KeyError("in a hook"))], {}),
        "before_run of another": ([STOP, at("before_run", KeyError("before the run"))], {}),
        "after_run of another": ([STOP, at("after_run", KeyError("after the run"))], {}),
        "after_run before ours": ([at("after_run", KeyError("after the run")), STOP], {}),
        "validation": ([STOP], {"interval": 1, "twist": {"val_dataset": Failing(KeyError("in validation"))}}),
        "validation at the stop": ([VALIDATE], {"twist": {"val_dataset": Failing(KeyError("in validation"))}}),
        "ctrl-c in validation": ([VALIDATE], {"twist": {"val_dataset": Failing(signal.SIGINT)}}),
        "ctrl-c": ([STOP], {"twist": {"dataset": Failing(signal.SIGINT)}}),
        "device": ([{"type": "NPUPatchHook", "device": "npu"}], {}),
    }
    if MMCV1:
        twist = {"workflow": [("train", 1), ("val", 1)], "model": model(None)}
        table["workflow's val"] = ([STOP], {"twist": twist})
    else:
        table["load_from"] = ([STOP], {"twist": {"load_from": "missing.pth"}})
        wrong = {"activation_checkpointing": ["no such module"]}
        table["activation checkpointing"] = ([STOP], {"prepare": lambda runner: runner.cfg.update(wrong)})
    return table


def owners():
    """Return every loaded module and class that a patch of ours can change."""
    for name in ("mmcv.ops", "mmdet.models"):
        try:
            importlib.import_module(name)
        except ImportError as exc:
            print(f"{name}: {exc}", file=sys.stderr)
    paths = [t.path for patch in load_all() for t in patch.targets if not isinstance(t, Effect)]
    places = [(sys.modules.get(module), attributes) for module, attributes in map(split, paths)]
    found = [find(module, attributes) for module, attributes in places if module is not None]
    return list({id(owner): owner for owner in found if owner is not None}.values())


def attempt(folder, hooks, options):
    """Run into the fault and return what is left of the run."""
    kept, own = [], options.pop("prepare", None)

    def prepare(runner):
        kept.append(weakref.ref(runner.model))
        if own is not None:
            own(runner)

    try:
        trial(folder, "epoch", *hooks, prepare=prepare, shuffled=False, **options)
    except BaseException as exc:  # noqa: BLE001 - Ctrl-C is among the faults
        error = f"{type(exc).__name__}: {exc}"
        # What a notebook does after an error that it has shown.
        exc.__traceback__ = exc.__context__ = exc.__cause__ = None
    else:
        error = ""
    return kept, error


def main(folder, *names):
    """Run into each fault, and print what was seen."""
    folder, seen, table = Path(folder), {}, faults()
    for name in names or list(table):
        places = owners()
        before = {id(owner): dict(vars(owner)) for owner in places}
        in_force.clear()
        kept, error = attempt(folder / name.replace(" ", "_"), *table.pop(name))
        gc.collect()
        seen[name] = {
            "error": error,
            "changed": [repr(owner) for owner in places if dict(vars(owner)) != before[id(owner)]],
            "in_force": max(in_force, default=0),
            "left": len(engine._stacks),
            "held": [ref() is not None for ref in kept],
        }
    print("SEEN" + json.dumps(seen))


def die(folder, name):
    """Let a fault end the process."""
    hooks, twist = [{**STOP, "save_at_stop": True}], {"workers": 2}
    if name == "disk full":
        hooks.append(at("after_run", FULL))
    elif name == "sigterm":
        hooks.append(at("after_train_iter", signal.SIGTERM))
    elif name == "worker killed":
        twist["dataset"] = Failing(signal.SIGKILL)
    elif name == "sigint":
        twist = {"dataset": Failing(signal.SIGINT)}
    trial(Path(folder), "epoch", *hooks, twist=twist, shuffled=False)
    assert not engine._stacks, "undone"


if __name__ == "__main__":
    if sys.argv[2:3] == ["--die"]:
        die(sys.argv[1], sys.argv[3])
    else:
        main(*sys.argv[1:])
