"""The emulated machine as a fixture. Where torch_npu is not installed its tests are skipped, and say so."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stock_scripts import make_demo_data, run_stock

import mx_driving
from mx_driving.emulator import EmulatorError
from mx_driving.emulator.installation import find_installation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The package that is under test: the installed one, or the sources when they are on the path.
PACKAGE = Path(mx_driving.__file__).resolve().parents[1]
# The tables import torch, which would load torch_npu by itself and fail without CANN; the machine sets it again.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
TIMEOUT = 900  # the first use of the machine compiles the emulator


@pytest.fixture(scope="session")
def installation():
    try:
        return find_installation()
    except EmulatorError as error:
        pytest.skip(f"no emulated NPU here: {error}")


def machine(*options):
    """Return the command prefix that runs what follows in the emulated machine."""
    return [sys.executable, "-m", "mx_driving.emulator", *map(str, options), "--"]


def with_package(**environment):
    """Return an environment in which children find the package under test."""
    search_path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search_path, **environment}


@pytest.fixture(scope="session")
def emulate(installation):
    """Return a function that runs Python in the emulated machine: ``emulate(*options, script=(...))``."""

    def run(*options, script, **environment):
        command = [*machine(*options), sys.executable, *map(str, script)]
        child = with_package(**environment)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, env=child, check=False, cwd=HERE
        )

    return run


@pytest.fixture(scope="session")
def train(installation, tmp_path_factory):
    """Return a function that runs the stock train.py, in the emulated machine if given ``machine=machine(...)``."""
    data = make_demo_data(tmp_path_factory.mktemp("nuscenes") / "demo")

    def run(*arguments, env=None, **options):
        return run_stock(data, *arguments, env=with_package(**(env or {})), **options)

    return run


def read_counts(path):
    """Calls of every operator, summed over the processes that wrote this file: ``{"aclnn aclnnAdd": 3}``."""
    counts = collections.Counter()
    for line in path.read_text().splitlines():
        name, calls = line.rsplit(" ", 1)
        counts[name] += int(calls)
    return counts
