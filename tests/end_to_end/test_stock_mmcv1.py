"""mmdet3d 1.0.0rc6's train.py, byte for byte as shipped, on mmcv 1.7.2, which it refuses without the bootstrap."""

from __future__ import annotations

import json

import pytest

pytest.importorskip(
    "mmcv.runner", reason="mmcv1 line: mmdet3d 1.0 is not installed here; the mmengine line has its own"
)
from stock_scripts import (
    ARGUMENTS_MMCV1,
    CONFIGS,
    SMALL_MMCV1,
    SWITCHED_ON,
    TORCHRUN,
    losses_mmcv1,
    mmcv1_config,
)

DEMO = CONFIGS / "mmcv1" / "demo_fcos3d.py"


@pytest.fixture(scope="module")
def patched(train, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("patched1")
    config = mmcv1_config(
        work_dir, {"type": "NPUPatchHook", "stop_at": 3}, {"type": "ProfilerHook", "level": 1, "iters": (1, 3)}
    )
    done = train(config, work_dir, *SMALL_MMCV1, arguments=ARGUMENTS_MMCV1, env=SWITCHED_ON)
    return done.stdout + done.stderr, work_dir


def test_without_the_switch_the_stock_assertion_stands(train, tmp_path):
    done = train(DEMO, tmp_path, arguments=ARGUMENTS_MMCV1, env={"MX_DRIVING_MMCV_VERSION": ""}, expect=1)
    assert "MMCV==1.7.2 is used but incompatible. Please install mmcv>=1.5.2, <=1.7.0." in done.stderr


def test_stops_in_mid_epoch_after_exactly_the_iterations_asked_for(patched):
    text, work_dir = patched
    assert len(losses_mmcv1(work_dir)) == 3
    assert "training stopped after iteration 3 (stop_at)" in text
    assert not list(work_dir.glob("*.pth")), "half an epoch is no epoch"
    assert "rehearsal: no accelerator here" in text


def test_same_files_as_on_mmengine(patched):
    report = json.loads((patched[1] / "mx_driving" / "patches.json").read_text())
    entries = {entry["name"]: entry for entry in report["patches"]}
    assert entries["mdc"]["in_model"] == {"ModulatedDeformConv2dPack": 11}
    assert entries["numpy_type"]["status"] == "applied"
    assert entries["nuscenes_dataset"]["status"] == "applied"
    assert entries["nuscenes_metric"]["status"] == "skipped"
    (trace,) = (patched[1] / "mx_driving" / "profile" / "rank0").glob("*.json")
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"ProfilerStep#1", "ProfilerStep#2", "mx_driving::modulated_deform_conv2d"} <= names


def test_losses_equal_those_of_the_stock_operators(patched, train, tmp_path):
    """The run to compare with has mmcv's operators: of our patches only the one without which nothing loads."""
    config = mmcv1_config(tmp_path, {"type": "NPUPatchHook", "only": ["numpy_type"], "stop_at": 3})
    train(config, tmp_path, *SMALL_MMCV1, arguments=ARGUMENTS_MMCV1, env=SWITCHED_ON)
    stock, ours = losses_mmcv1(tmp_path), losses_mmcv1(patched[1])
    assert len(stock) == len(ours) == 3
    for expected, got in zip(stock, ours):
        assert got == pytest.approx(expected, rel=1e-3)
        assert min(got.values()) > 0, "every loss term counts"


def test_two_ranks_stop_together_with_one_table_and_a_trace_for_each_chosen_rank(train, tmp_path):
    config = mmcv1_config(
        tmp_path,
        {"type": "NPUPatchHook", "stop_at": 2},
        {"type": "ProfilerHook", "iters": (0, 1), "ranks": (0, 1)},
    )
    done = train(
        config,
        tmp_path,
        *SMALL_MMCV1,
        launcher=TORCHRUN,
        arguments=(*ARGUMENTS_MMCV1, "--launcher", "pytorch"),
        env=SWITCHED_ON,
    )
    text = done.stdout + done.stderr
    assert text.count("mx_driving patches on cpu") == 1
    assert len(losses_mmcv1(tmp_path)) == 2
    folders = sorted(path.name for path in (tmp_path / "mx_driving" / "profile").iterdir())
    assert folders == ["rank0", "rank1"]
