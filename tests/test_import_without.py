"""What works where a package, or our own compiled library, is missing, and the one line for what does not.

The packages are really absent: a folder of links to everything installed but them is the only place to import from.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mx_driving

INSTALLED = Path(torch.__file__).parents[1]
PACKAGE = Path(mx_driving.__file__).parent
STARTS_THINGS = (".pth", ".start")


def link_all(source, target, left_out):
    target.mkdir(exist_ok=True)
    for entry in source.iterdir():
        name = entry.name.lower().replace("-", "_")
        if not entry.name.endswith(STARTS_THINGS) and not any(name.startswith(prefix) for prefix in left_out):
            (target / entry.name).symlink_to(entry)


def run_without(tmp_path, code, *left_out):
    """Run code where no entry of site-packages that begins with one of ``left_out`` can be imported."""
    site = tmp_path / "site"
    link_all(INSTALLED, site, ("mx_driving", *left_out))
    # Of ours only what is compiled can be left out by such a name: mmcv_ext is no part of mmcv.
    link_all(PACKAGE, site / "mx_driving", ("__pycache__", *(name for name in left_out if name.startswith("_"))))
    environment = {**os.environ, "PYTHONPATH": str(site)}
    # -S: not the interpreter's own site-packages.
    command = [sys.executable, "-S", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)


APPLY = """
import json, sys
from mx_driving.patcher import default_patcher_builder
with default_patcher_builder.build(device="cpu") as patcher:
    print(json.dumps({outcome.name: [outcome.status, outcome.reason] for outcome in patcher.report.outcomes}))
"""
FAMILIES = ("mmengine", "mmcv")


def outcomes(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_python_interface_works_without_either_runner_family(tmp_path):
    done = outcomes(run_without(tmp_path, APPLY, *FAMILIES))
    assert done["numpy_type"][0] == "applied"
    assert done["msda"] == ["skipped", "mmcv is not installed"]


def test_hooks_say_which_runner_they_need(tmp_path):
    done = run_without(tmp_path, "import mx_driving.runner_hooks", *FAMILIES)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: mx_driving.runner_hooks: expected mmengine or mmcv 1.x, found neither; install what your model "
        "asks for"
    )


def test_operators_and_commands_work_without_openmmlab(tmp_path):
    code = (
        "import torch; from mx_driving.ops import add_relu; print(add_relu(torch.tensor([1., -3.]), torch.ones(2)))\n"
        "from mx_driving.cli import main; raise SystemExit(main(['patches', 'msda']))"
    )
    done = run_without(tmp_path, code, "mm")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tensor([2., 0.])\nmsda (would skip here: mmcv is not installed)")


def test_pure_python_patches_apply_without_the_compiled_library(tmp_path):
    done = outcomes(run_without(tmp_path, APPLY, "_operators"))
    assert done["numpy_type"][0] == "applied"
    # Waiting: nobody has imported mmdet3d (or its predecessor's data set) here.
    assert "waiting" in {done[name][0] for name in done}
    assert done["msda"][0] == "skipped"
    assert done["msda"][1].startswith("expected the compiled operators mx_driving._operators, but they were not built;")


def test_hooks_can_be_imported_without_the_compiled_library(tmp_path):
    code = "import mx_driving.runner_hooks as hooks; hooks.NPUPatchHook(disable=['index']); print('built')"
    if not any(INSTALLED.glob("mmengine*")) and not any(INSTALLED.glob("mmcv_full*")):
        pytest.fail("this environment has no runner family, so the test would prove nothing")
    done = run_without(tmp_path, code, "_operators")
    assert done.stdout.strip().endswith("built"), done.stderr


def test_operators_without_the_compiled_library_are_made_of_torchs(tmp_path):
    code = "import torch; from mx_driving import ops; print(ops.add_relu(torch.tensor([1.0, -3.0]), torch.ones(2)))"
    done = run_without(tmp_path, code, "_operators")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "tensor([2., 0.])"


def test_loading_the_compiled_library_that_is_missing_is_one_line(tmp_path):
    done = run_without(tmp_path, "from mx_driving import ops; ops.load()", "_operators")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        "ImportError: mx_driving.ops: expected the compiled operators mx_driving._operators, but they were not built; "
        "run `pip install --no-build-isolation .` in mx_driving's sources"
    )
