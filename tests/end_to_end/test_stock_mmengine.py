"""mmdet3d 1.4's train.py, byte for byte as shipped, with mx_driving's two statements in the config."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("mmengine", reason="mmengine line: mmdet3d 1.4 is not installed here; the mmcv1 line has its own")
from stock_scripts import CONFIGS, SMALL, TORCHRUN, run_demo

DEMO = CONFIGS / "demo_fcos3d.py"
HOOKS = ("custom_hooks.0.stop_at=3", "custom_hooks.1.iters=(1,3)")


@pytest.fixture(scope="module")
def patched(train, tmp_path_factory):
    work_dir = tmp_path_factory.mktemp("patched")
    return train(DEMO, work_dir, *SMALL, *HOOKS), work_dir


@pytest.fixture(scope="module")
def report(patched):
    return {e["name"]: e for e in json.loads((patched[1] / "mx_driving" / "patches.json").read_text())["patches"]}


def test_stops_in_mid_epoch_after_exactly_the_iterations_asked_for(patched):
    done, work_dir = patched
    assert len(run_demo.box_losses(work_dir)) == 3
    assert "training stopped after iteration 3 (stop_at)" in done.stdout + done.stderr
    assert not list(work_dir.glob("*.pth")), "half an epoch is no epoch"


def test_report_tells_what_of_the_model_changed(report):
    assert report["mdc"]["status"] == "applied"
    assert report["mdc"]["in_model"] == {"ModulatedDeformConv2dPack": 11}
    assert report["resnet_add_relu"]["in_model"] == {"Bottleneck": 16}
    assert report["index"]["reason"] == "only on npu"
    assert {entry["status"] for entry in report.values()} <= {"applied", "waiting", "skipped"}


def test_window_is_recorded_with_our_operators_in_it(patched):
    (trace,) = (patched[1] / "mx_driving" / "profile" / "rank0").glob("*.json")
    names = {event.get("name") for event in json.loads(trace.read_text())["traceEvents"]}
    assert {"ProfilerStep#1", "ProfilerStep#2", "mx_driving::modulated_deform_conv2d", "mx_driving::add_relu_"} <= names
    assert "ProfilerStep#3" not in names


def test_losses_equal_those_of_the_unpatched_run(patched, train, tmp_path):
    train(CONFIGS / "demo_fcos3d_stock.py", tmp_path, *SMALL)
    stock, ours = run_demo.box_losses(tmp_path), run_demo.box_losses(patched[1])
    for expected, got in zip(stock[:3], ours):
        assert got == pytest.approx(expected, rel=1e-3)
        assert min(got.values()) > 0, "every loss term counts"


def test_two_ranks_stop_together_with_one_table_and_a_trace_for_each_chosen_rank(train, tmp_path):
    """On the CPU: gloo, by the rehearsal that the config asks for."""
    config = tmp_path / "rehearsed.py"
    config.write_text(
        f"_base_ = [{str(DEMO)!r}]\n"
        "custom_imports = dict(\n"
        "    imports=['mx_driving.rehearsal', 'mx_driving.runner_hooks'], allow_failed_imports=False)\n"
    )
    options = (*SMALL, "custom_hooks.0.stop_at=1", "custom_hooks.1.iters=(0,1)", "custom_hooks.1.ranks=(1,)")
    done = train(config, tmp_path, *options, launcher=TORCHRUN, arguments=("--launcher", "pytorch"))
    text = done.stdout + done.stderr
    assert text.count("mx_driving patches on cpu") == 1
    assert text.count("rehearsal: no accelerator here") == 1
    assert len(run_demo.box_losses(tmp_path)) == 1
    folders = sorted(path.name for path in (tmp_path / "mx_driving" / "profile").iterdir())
    assert folders == ["rank1"]


def test_typo_in_the_config_fails_at_once_and_offers_the_name(train, tmp_path):
    done = train(DEMO, tmp_path, *SMALL, "custom_hooks.0.disable=['indx']", expect=1)
    assert "did you mean 'index'?" in done.stderr
    assert not run_demo.box_losses(tmp_path)
