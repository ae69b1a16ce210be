"""What ``transfer_to_npu`` rewrites and must not: paths, and functions decorated before it."""

from __future__ import annotations

import json

import pytest
from conftest import HERE


@pytest.fixture(scope="module")
def seen(emulate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wd_cuda11")
    done = emulate(script=[HERE / "routing_cases.py", folder])
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SEEN")]
    return json.loads(line[len("SEEN") :])


def test_paths_stay_and_devices_are_routed(seen):
    assert seen["positional"] == [1.0, 1.0]
    assert seen["from_file"] == [0, 1, 2]
    assert seen["mapped"] == seen["by name"] == seen["device still routed"] == "npu:0"


def test_the_address_of_a_process_group_stays(seen):
    assert seen["backend"] == "hccl"


def test_a_function_decorated_before_the_routing_computes_in_single_precision(seen):
    assert seen["decorated before"] == "torch.float32"
