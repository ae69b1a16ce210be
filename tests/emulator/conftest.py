"""The emulated machine as a fixture. Where torch_npu is not installed its tests are skipped, and say so."""

from __future__ import annotations

import collections
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mx_driving.emulator import EmulatorError
from mx_driving.emulator.installation import find_installation

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The tables import torch, which would load torch_npu by itself and fail without CANN; the machine sets it again.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
TIMEOUT = 900  # the first use of the machine compiles the emulator


@pytest.fixture(scope="session")
def installation():
    try:
        return find_installation()
    except EmulatorError as error:
        pytest.skip(f"no emulated NPU here: {error}")


@pytest.fixture(scope="session")
def emulate(installation):
    """Return a function that runs Python in the emulated machine: ``emulate(*options, script=(...))``."""

    def run(*options, script, **environment):
        command = [
            sys.executable,
            "-m",
            "mx_driving.emulator",
            *map(str, options),
            "--",
            sys.executable,
            *map(str, script),
        ]
        search_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        child = {**os.environ, "PYTHONPATH": search_path, **environment}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, env=child, check=False, cwd=HERE
        )

    return run


def read_counts(path):
    """Calls of every operator, summed over the processes that wrote this file: ``{"aclnn aclnnAdd": 3}``."""
    counts = collections.Counter()
    for line in path.read_text().splitlines():
        name, calls = line.rsplit(" ", 1)
        counts[name] += int(calls)
    return counts
