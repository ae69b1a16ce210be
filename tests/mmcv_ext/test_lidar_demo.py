"""The stock train.py of the installed mmdet3d trains the SECOND demo with an mmcv that has no compiled operators."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import mmcv
import pytest
from stock_scripts import CONFIGS, losses_mmcv1, make_demo_data, run_demo, run_stock

import mx_driving

OLD = mmcv.__version__ < "2"


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """Make a folder in which mmcv is the installed one without its compiled library."""
    folder = tmp_path_factory.mktemp("lite")
    without = shutil.ignore_patterns("__pycache__", "_ext*", ".mim")
    shutil.copytree(Path(mmcv.__file__).parent, folder / "mmcv", copy_function=os.symlink, ignore=without)
    # What an installed mx_driving does at interpreter start; these tests may run from the sources.
    lines = ["import mx_driving.bootstrap, mx_driving.mmcv_ext"]
    lines += ["mx_driving.bootstrap.activate('auto', 'test')"] if OLD else []
    (folder / "sitecustomize.py").write_text("\n".join(lines) + "\n")
    return folder


def write_config(folder):
    """Write the demo with an early stop and without a profile."""
    imports = ["mx_driving.rehearsal", "mx_driving.runner_hooks"] if OLD else ["mx_driving.runner_hooks"]
    base = CONFIGS / ("mmcv1/demo_second_stock.py" if OLD else "demo_second_stock.py")
    path = folder / "config.py"
    path.write_text(
        f"_base_ = [{str(base)!r}]\n"
        f"custom_imports = dict(imports={imports!r}, allow_failed_imports=False)\n"
        "custom_hooks = [dict(type='NPUPatchHook', stop_at=2)]\n"
    )
    return path


def test_second_trains_on_our_operators(lite, tmp_path):
    pytest.importorskip("mmdet3d" if not OLD else "mmdet", reason="mmdet3d is not installed here")
    data = make_demo_data(tmp_path / "data")
    work_dir = tmp_path / "work"
    root = str(Path(mx_driving.__file__).parents[1])
    environment = {"PYTHONPATH": os.pathsep.join([str(lite), root, os.environ.get("PYTHONPATH", "")])}
    arguments = ("--no-validate", "--seed", "0") if OLD else ()
    done = run_stock(data, write_config(tmp_path), work_dir, arguments=arguments, env=environment)
    losses = losses_mmcv1(work_dir) if OLD else run_demo.box_losses(work_dir)
    assert len(losses) == 2
    assert all(step[name] > 0 for step in losses for name in ("loss_cls", "loss_bbox", "loss_dir"))
    assert "mx_driving's, mmcv brings none" in done.stdout + done.stderr
    assert json.loads((work_dir / "mx_driving" / "patches.json").read_text())["patches"]
