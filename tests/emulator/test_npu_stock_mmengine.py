"""mmdet3d 1.4's train.py, byte for byte as shipped, on ``npu:0``: the config's two statements are all there is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("mmengine", reason="mmengine line: mmdet3d 1.4 is not installed here; the mmcv1 line has its own")
from conftest import HERE, machine, read_counts, with_package
from stock_scripts import CONFIGS, SMALL, TORCHRUN, run_demo

DEMO = CONFIGS / "demo_fcos3d.py"
CONVOLUTIONS = 9 + 2 * 5  # deformable ones an iteration: in the backbone, and in the head on each level


@pytest.fixture(scope="module")
def weights(installation, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "initial.pth"
    command = [sys.executable, HERE / "initial_weights.py", CONFIGS / "demo_fcos3d_stock.py", path]
    environment = with_package(TORCH_DEVICE_BACKEND_AUTOLOAD="0")
    subprocess.run(list(map(str, command)), check=True, capture_output=True, env=environment, timeout=300)
    return f"load_from={path}"


@pytest.fixture(scope="module")
def on_npu(train, weights, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("npu")
    options = (*SMALL, weights, "custom_hooks.0.stop_at=3", "custom_hooks.1.iters=(1,3)")
    done = train(DEMO, work_dir, *options, machine=machine("--count", work_dir / "counts"))
    return done.stdout + done.stderr, work_dir, read_counts(work_dir / "counts")


def test_stops_after_exactly_the_iterations_asked_for(on_npu):
    text, work_dir, _ = on_npu
    assert len(run_demo.box_losses(work_dir)) == 3
    assert "training stopped after iteration 3 (stop_at)" in text
    assert "NPU: CUDA calls go to the NPU" in text


def test_report_tells_what_of_the_model_changed(on_npu):
    text, work_dir, _ = on_npu
    assert text.count("mx_driving patches on npu") == 1
    report = json.loads((work_dir / "mx_driving" / "patches.json").read_text())
    entries = {entry["name"]: entry for entry in report["patches"]}
    assert entries["mdc"]["in_model"] == {"ModulatedDeformConv2dPack": 11}
    assert entries["index"]["status"] == "applied"
    assert "failed" not in {entry["status"] for entry in report["patches"]}


def test_window_is_recorded_by_torch_npu(on_npu):
    text, work_dir, _ = on_npu
    (trace,) = (work_dir / "mx_driving" / "profile" / "rank0" / "iters_1_3").rglob("trace_view.json")
    names = {event.get("name") for event in json.loads(trace.read_text())}
    assert {"ProfilerStep#1", "ProfilerStep#2", "mx_driving::modulated_deform_conv2d"} <= names
    assert "ProfilerStep#3" not in names
    assert "Incorrect schedule" not in text
    assert "Stop profiler while" not in text


def test_kernels_of_cann_ran(on_npu):
    counts = on_npu[2]
    assert counts["aclop DeformableOffsets"] == 2 * CONVOLUTIONS * 3  # forward, and again in the backward
    assert counts["aclop DeformableOffsetsGrad"] == CONVOLUTIONS * 3


def test_losses_equal_those_of_the_cpu(on_npu, train, weights, tmp_path):
    options = (*SMALL, weights, "custom_hooks.0.stop_at=3", "custom_hooks.1.iters=(1,3)")
    train(DEMO, tmp_path, *options, env={"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"})
    on_cpu, ours = run_demo.box_losses(tmp_path), run_demo.box_losses(on_npu[1])
    assert len(on_cpu) == len(ours) == 3
    for expected, got in zip(on_cpu, ours):
        assert got == pytest.approx(expected, rel=1e-3)
        assert min(got.values()) > 0, "every loss term counts"


def test_two_ranks_on_two_devices(train, tmp_path):
    """torchrun, hccl: the script says nccl."""
    options = (*SMALL, "custom_hooks.0.stop_at=1", "custom_hooks.1.iters=(0,1)", "custom_hooks.1.ranks=(1,)")
    prefix = machine("--devices", 2, "--count", tmp_path / "counts")
    arguments = ("--launcher", "pytorch")
    done = train(DEMO, tmp_path, *options, machine=prefix, launcher=TORCHRUN, arguments=arguments)
    text = done.stdout + done.stderr
    assert text.count("mx_driving patches on npu") == 1
    assert len(run_demo.box_losses(tmp_path)) == 1
    assert read_counts(tmp_path / "counts")["hccl HcclAllReduce"] > 0
    folders = sorted(path.name for path in (tmp_path / "mx_driving" / "profile").iterdir())
    assert folders == ["rank1"]
