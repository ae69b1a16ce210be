"""The stock training scripts as subprocesses, on a small generated data set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import run_demo  # noqa: E402

CONFIGS = ROOT / "configs"


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory):
    root = tmp_path_factory.mktemp("nuscenes") / "demo"
    command = [
        sys.executable,
        str(ROOT / "tools" / "make_nuscenes_demo.py"),
        str(root),
        "--frames",
        "2",
        "--width",
        "320",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return root


@pytest.fixture(scope="session")
def train(demo_data):
    """Return a function that runs the stock train.py and returns the finished process."""

    def run(config, work_dir, *options, launcher=(), arguments=(), env=None, expect=0):
        env = {**os.environ, "MX_DRIVING_DEMO_DATA": f"{demo_data}/", "OMP_NUM_THREADS": "1", **(env or {})}
        program = [sys.executable, *launcher, str(run_demo.stock_script()), str(config)]
        command = [*program, "--work-dir", str(work_dir), *arguments]
        command += ["--cfg-options", *options] if options else []
        done = subprocess.run(command, env=env, cwd=demo_data, capture_output=True, text=True, timeout=900)
        assert done.returncode == expect, done.stdout[-4000:] + done.stderr[-4000:]
        return done

    return run


TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29537")
