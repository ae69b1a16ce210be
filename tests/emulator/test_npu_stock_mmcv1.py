"""mmdet3d 1.0.0rc6's train.py, byte for byte as shipped, on mmcv 1.7.2 and ``npu:0``."""

from __future__ import annotations

import json

import pytest

pytest.importorskip(
    "mmcv.runner", reason="mmcv1 line: mmdet3d 1.0 is not installed here; the mmengine line has its own"
)
from conftest import HERE, machine, read_counts
from stock_scripts import ARGUMENTS_MMCV1, SMALL_MMCV1, SWITCHED_ON, TORCHRUN, losses_mmcv1, mmcv1_config

STOP = {"type": "NPUPatchHook", "stop_at": 3}
CONVOLUTIONS = 9 + 2 * 5  # deformable ones an iteration: in the backbone, and in the head on each level
PROFILE = {"type": "ProfilerHook", "level": 1, "iters": (1, 3)}


@pytest.fixture(scope="module")
def on_npu(train, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("npu1")
    prefix = machine("--count", work_dir / "counts")
    config = mmcv1_config(work_dir, STOP, PROFILE)
    done = train(config, work_dir, *SMALL_MMCV1, machine=prefix, arguments=ARGUMENTS_MMCV1, env=SWITCHED_ON)
    return done.stdout + done.stderr, work_dir, read_counts(work_dir / "counts")


def test_stops_after_exactly_the_iterations_asked_for(on_npu):
    text, work_dir, _ = on_npu
    assert len(losses_mmcv1(work_dir)) == 3
    assert "training stopped after iteration 3 (stop_at)" in text
    assert "rehearsal: no accelerator" not in text, "with an NPU there is nothing to rehearse"


def test_report_and_trace(on_npu):
    text, work_dir, counts = on_npu
    assert text.count("mx_driving patches on npu") == 1
    report = json.loads((work_dir / "mx_driving" / "patches.json").read_text())
    entries = {entry["name"]: entry for entry in report["patches"]}
    assert entries["dp"]["in_model"] == {"MMDataParallel": 1}
    assert entries["stream"]["status"] == "applied"
    assert "failed" not in {entry["status"] for entry in report["patches"]}
    assert counts["aclop DeformableOffsets"] == 2 * CONVOLUTIONS * 3
    (trace,) = (work_dir / "mx_driving" / "profile" / "rank0" / "iters_1_3").rglob("trace_view.json")
    names = {event.get("name") for event in json.loads(trace.read_text())}
    assert {"ProfilerStep#1", "ProfilerStep#2", "mx_driving::modulated_deform_conv2d"} <= names
    assert "Stop profiler while" not in text


def test_losses_equal_those_of_the_cpu(on_npu, train, tmp_path):
    env = {**SWITCHED_ON, "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    train(mmcv1_config(tmp_path, STOP), tmp_path, *SMALL_MMCV1, arguments=ARGUMENTS_MMCV1, env=env)
    on_cpu, ours = losses_mmcv1(tmp_path), losses_mmcv1(on_npu[1])
    assert len(on_cpu) == len(ours) == 3
    for expected, got in zip(on_cpu, ours):
        assert got == pytest.approx(expected, rel=1e-3)
        assert min(got.values()) > 0, "every loss term counts"


def test_without_the_patch_the_wrapper_refuses(train, tmp_path):
    """Why ``dp`` is there; when this test fails, it can be deleted."""
    config = mmcv1_config(tmp_path, {**STOP, "disable": ["dp"]})
    options = {"machine": machine(), "arguments": ARGUMENTS_MMCV1, "env": SWITCHED_ON, "expect": 1}
    done = train(config, tmp_path, *SMALL_MMCV1, **options)
    assert "module must have its parameters and buffers on device cuda:0" in done.stderr


def test_two_ranks_on_two_devices(train, tmp_path):
    """torchrun, hccl: the script says nccl."""
    config = mmcv1_config(tmp_path, {**STOP, "stop_at": 2})
    done = train(
        config,
        tmp_path,
        *SMALL_MMCV1,
        machine=machine("--devices", 2, "--count", tmp_path / "counts"),
        launcher=TORCHRUN,
        arguments=(*ARGUMENTS_MMCV1, "--launcher", "pytorch"),
        env=SWITCHED_ON,
    )
    assert (done.stdout + done.stderr).count("mx_driving patches on npu") == 1
    assert len(losses_mmcv1(tmp_path)) == 2
    assert read_counts(tmp_path / "counts")["hccl HcclAllReduce"] > 0


@pytest.mark.parametrize("processes", [1, 2])
def test_wrappers_in_all_their_ways(emulate, tmp_path, processes):
    """Gradients equal to those of the bare model on the CPU, through containers and bare tensors."""
    script = [HERE / "mmcv1_wrappers.py"]
    done = emulate(
        *("--devices", processes, "--count", tmp_path / "counts"),
        script=script if processes == 1 else [*TORCHRUN, *script],
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for way in ("forward", "train_step", "val_step"):
        assert done.stdout.count(f"WAY {way} ") == processes
    assert (read_counts(tmp_path / "counts")["hccl HcclAllReduce"] > 0) == (processes == 2)
