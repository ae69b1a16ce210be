"""How tests start the stock training scripts: as subprocesses, on a small generated data set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))

import run_demo  # noqa: E402

CONFIGS = ROOT / "configs"
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29537")

# Small enough for seconds an iteration: what is tested is what runs, not what is learned.
SMALL = (
    "train_dataloader.dataset.indices=8",  # 4 iterations an epoch
    "train_dataloader.dataset.pipeline.2.scale=(160,90)",
    "train_cfg.max_epochs=1",
    "default_hooks.checkpoint.interval=-1",
)
SMALL_MMCV1 = (
    "runner.max_epochs=1",
    "checkpoint_config.interval=-1",
    "model.backbone.base_channels=16",
    "model.neck.in_channels=[64,128,256,512]",
)
ARGUMENTS_MMCV1 = ("--no-validate", "--seed", "0")
SWITCHED_ON = {"MX_DRIVING_MMCV_VERSION": "auto"}


def make_demo_data(root):
    """Generate two frames in nuScenes' layout."""
    command = [sys.executable, str(ROOT / "demo" / "make_nuscenes_demo.py"), str(root)]
    environment = {**os.environ, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    options = ["--frames", "2", "--width", "320"]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=300, env=environment)
    return root


def run_stock(data, config, work_dir, *options, machine=(), launcher=(), arguments=(), env=None, expect=0):
    """Run the installed mmdet3d's own train.py, inside ``machine`` (a command prefix) if given; return the process."""
    environment = {**os.environ, "MX_DRIVING_DEMO_DATA": f"{data}/", "OMP_NUM_THREADS": "1", **(env or {})}
    command = [*machine, sys.executable, *launcher, str(run_demo.stock_script()), str(config)]
    command += ["--work-dir", str(work_dir), *arguments, *(["--cfg-options", *options] if options else [])]
    done = subprocess.run(command, env=environment, cwd=data, capture_output=True, text=True, timeout=900)
    assert done.returncode == expect, done.stdout[-4000:] + done.stderr[-4000:]
    return done


def losses_mmcv1(work_dir):
    """Return the loss terms of each iteration from mmcv 1.x's own log."""
    (log,) = work_dir.glob("*.log.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [{k: v for k, v in line.items() if "loss" in k} for line in lines if line.get("mode") == "train"]


def mmcv1_config(folder, *hooks):
    """Write a config that adds hooks to the demo's base: mmcv 1.x cannot set list items from the command line."""
    path = folder / "config.py"
    path.write_text(
        f"_base_ = [{str(CONFIGS / 'mmcv1' / 'demo_fcos3d_stock.py')!r}]\n"
        "custom_imports = dict(\n"
        "    imports=['mx_driving.rehearsal', 'mx_driving.runner_hooks'], allow_failed_imports=False)\n"
        f"custom_hooks = {list(hooks)!r}\n"
    )
    return path
