"""What patching costs (applying, calling through a patched name, idle hooks) and what it saves for nuScenes boxes.

    python benchmarks/engine.py

Medians with the spread of the middle half, in one process. On mmdet3d 1.x (``make demo``'s environment).
"""

from __future__ import annotations

import logging
import statistics
import sys
import time
import types
from pathlib import Path
from typing import Any, Callable, List

import torch
from mmdet3d.apis import init_model  # noqa: F401 - loads what a training script loads
from mmdet3d.evaluation.metrics import nuscenes_metric
from mmdet3d.structures import LiDARInstance3DBoxes

from mx_driving._core import PatchRecord, PatchSet, Replace
from mx_driving.patches import load, load_all
from mx_driving.runner_hooks import NPUPatchHook, ProfilerHook
from mx_driving.training.scheduler import WindowScheduler


def repeat(action: Callable[[], Any], times: int, per: int = 1) -> List[float]:
    """Return seconds per call, ``times`` samples of ``per`` calls each."""
    samples = []
    for _ in range(times):
        start = time.perf_counter()
        for _ in range(per):
            action()
        samples.append((time.perf_counter() - start) / per)
    return samples


def report(what: str, samples: List[float], unit: float, name: str, goal: str) -> float:
    """Print median and middle half; return the median in seconds."""
    low, median, high = statistics.quantiles(samples, n=4)
    print(f"{what:<58} {median / unit:>9.2f} {name} ({low / unit:.2f} - {high / unit:.2f}); goal {goal}")
    return median


def applying() -> None:
    """All patches with everything imported."""
    patches, samples = load_all(), []
    for _ in range(20):
        patch_set = PatchSet(patches)
        samples += repeat(patch_set.apply, 1)
        patch_set.undo()
    report(f"apply {len(patches)} patches, {len(sys.modules)} modules loaded", samples, 1e-3, "ms", "< 50 ms")


def dispatch() -> None:
    """A patched function against a direct call of what replaces it."""
    module = types.ModuleType("bench_pkg")
    exec("def f(x):\n    return x", vars(module))  # noqa: S102 - this file's own text
    sys.modules["bench_pkg"] = module

    def direct(x: Any) -> Any:
        return x

    for wrap in (False, True):
        by = (lambda original, x: x) if wrap else direct
        with PatchSet([PatchRecord("bench", (Replace("bench_pkg:f", by, wrap=wrap),), "-", "-", "-")]):
            plain = statistics.median(repeat(lambda: direct(1), 50, 10000))
            patched = repeat(lambda: module.f(1), 50, 10000)
        added = [sample - plain for sample in patched]
        report(
            f"call through a patched name ({'wrapper' if wrap else 'replacement'}), added", added, 1e-9, "ns", "< 1 us"
        )


def idle_hooks() -> None:
    """Both hooks in an iteration that is in no window and is not the last one."""
    runner = types.SimpleNamespace(iter=5)
    hooks = (NPUPatchHook(stop_at=10**6), ProfilerHook(iters=(10**5, 10**5 + 1)))

    def iteration() -> None:
        for hook in hooks:
            hook.before_train_iter(runner, 0)
            hook.after_train_iter(runner, 0)

    # before_run would make it, which needs a run.
    hooks[1]._profiling = WindowScheduler(hooks[1].recording, Path("unused"), "cpu", logging.getLogger("mx_driving"))
    report("idle hooks, per iteration", repeat(iteration, 50, 10000), 1e-6, "us", "< 10 us")


def boxes() -> None:
    """500 predicted boxes to nuScenes boxes, against the stock function."""
    torch.manual_seed(0)
    found = {
        "bboxes_3d": LiDARInstance3DBoxes(torch.rand(500, 9), box_dim=9),
        "scores_3d": torch.rand(500),
        "labels_3d": torch.arange(500) % 10,
    }
    stock = repeat(lambda: nuscenes_metric.output_to_nusc_box(found), 9)
    with PatchSet([load("nuscenes_metric")]):
        ours = repeat(lambda: nuscenes_metric.output_to_nusc_box(found), 30)
    before = report("output_to_nusc_box, 500 boxes, stock", stock, 1e-3, "ms", "-")
    after = report("output_to_nusc_box, 500 boxes, patched", ours, 1e-3, "ms", ">= 5x faster")
    print(f"{'':<58} {before / after:>9.1f} x")


if __name__ == "__main__":
    applying()
    dispatch()
    idle_hooks()
    boxes()
