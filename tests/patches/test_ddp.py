"""``ddp``, ``ddp_forward`` and ``stream`` on the real mmcv 1.7.2: two gloo processes, today's torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mmcv.parallel", reason="mmcv1 line: mmcv 2 has no distributed wrapper of its own")

from mx_driving._core import SKIPPED, PatchSet, versions
from mx_driving.patches import load

WORKER = Path(__file__).with_name("ddp_worker.py")


@pytest.fixture(scope="module", params=[None, [-1]], ids=["device_ids=None", "device_ids=[-1]"])
def found(request):
    """What two processes found; [-1] is mmcv's list of device ids for the CPU (torch's own forward refuses it)."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "29541"]
    done = subprocess.run(
        [*command, str(WORKER), json.dumps(request.param)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    return {"device_ids": request.param, **json.loads(line[len("RESULT") :])}


def test_stock_forward_fails_on_todays_torch(found):
    """Why the patches are there; when this test fails, they can be deleted."""
    if found["device_ids"] is None:
        assert "_use_replicated_tensor_module" in found["stock"]["forward"]
    else:
        assert "Device index must not be negative" in found["stock"]["forward"], "torch's own check comes first"


def test_stock_steps_hand_containers_to_the_model_without_device_ids(found):
    if found["device_ids"] is None:
        assert "DataContainer" in found["stock"]["train_step"]
        assert "DataContainer" in found["stock"]["val_step"]
    else:
        assert found["stock"]["val_step"] == 3


def test_patched_wrapper_works_in_all_its_ways(found):
    assert found["reached"] == {"MMDistributedDataParallel": 1}
    assert found["patched"]["val_step"] == 3
    if found["device_ids"] is None:
        assert found["patched"]["forward_container"] == [3, 2]


def test_gradients_equal_those_of_one_process(found):
    ways = ["forward", "train_step"] if found["device_ids"] is None else ["train_step"]
    for way in ways:
        for got, expected in zip(found["patched"][way], found["one_process"]):
            assert got == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_wrapper_is_as_before_afterwards(found):
    assert found["restored"] == found["stock"]


def test_names_reached_through_both_modules():
    import mmcv.parallel
    import mmcv.parallel.distributed

    stock = mmcv.parallel.distributed.MMDistributedDataParallel.train_step
    with PatchSet([load("ddp")], strict=True):
        assert mmcv.parallel.MMDistributedDataParallel is mmcv.parallel.distributed.MMDistributedDataParallel
        assert mmcv.parallel.MMDistributedDataParallel.train_step is not stock
    assert mmcv.parallel.MMDistributedDataParallel.train_step is stock


def test_older_mmcv_is_a_clean_skip(monkeypatch):
    """mmcv < 1.6 does not override the method: there is nothing to mend."""
    monkeypatch.setattr(versions, "_stated_version", lambda package: "1.5.3" if package == "mmcv" else "2.13.0")
    with PatchSet([load("ddp_forward")], strict=True) as patches:
        assert patches.report["ddp_forward"].status == SKIPPED
        assert patches.report["ddp_forward"].reason == "needs mmcv>=1.6,<2, found mmcv 1.5.3"


def test_stream_stays_with_the_npu():
    with PatchSet([load("stream")]) as patches:
        assert patches.report["stream"].reason == "only on npu"


def test_stream_copies_without_a_background_stream():
    """Put in force by hand: on the CPU the same code moves nothing, but it must unpack like the stock function."""
    import torch
    from mmcv.parallel._functions import Scatter

    inputs = [torch.ones(2), [torch.zeros(3)]]
    stock = Scatter.forward([-1], inputs)
    with PatchSet([load("stream")], device="npu", strict=True):
        ours = Scatter.forward([-1], inputs)
        single = Scatter.forward([-1], torch.ones(4))
    assert type(ours) is type(stock) is tuple
    assert torch.equal(ours[0], stock[0])
    assert torch.equal(ours[1][0], stock[1][0])
    assert single[0].shape == (4,)
