"""The real torch_npu profiler under ProfilerHook's windows; the emulated device has no activity of its own."""

from __future__ import annotations

import json

import pytest
from conftest import HERE


@pytest.fixture(scope="module")
def recorded(emulate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    done = emulate(script=[HERE / "profile_cases.py", folder])
    assert done.returncode == 0, done.stderr[-3000:]
    return done, folder


def one(folder, name):
    (path,) = folder.rglob(name)
    return json.loads(path.read_text())


def test_levels_are_those_of_torch_npu(recorded):
    configurations = [one(recorded[1] / f"level{level}", "profiler_info.json")["config"] for level in (0, 1, 2)]
    levels = [entry["experimental_config"]["_profiler_level"] for entry in configurations]
    assert levels == ["Level0", "Level1", "Level2"]
    activities = [sorted(entry["common_config"]["activities"]) for entry in configurations]
    assert activities[0] == ["ProfilerActivity.NPU"]
    assert activities[1] == activities[2] == ["ProfilerActivity.CPU", "ProfilerActivity.NPU"]
    assert [entry["common_config"]["with_stack"] for entry in configurations] == [False, False, True]


@pytest.mark.parametrize("level", [1, 2])
def test_a_trace_holds_the_window_and_nothing_else(recorded, level):
    events = one(recorded[1] / f"level{level}", "trace_view.json")
    steps = {event["name"] for event in events if event.get("name", "").startswith("ProfilerStep#")}
    assert steps == {"ProfilerStep#4", "ProfilerStep#5"}
    assert sum(event.get("name") == "aten::conv2d" for event in events) == 2


def test_no_window_ends_with_a_warning_of_the_schedule(recorded):
    done, folder = recorded
    assert "Incorrect schedule" not in done.stdout + done.stderr
    assert "Stop profiler while" not in done.stdout + done.stderr
    assert "reset aic metrics" not in done.stdout + done.stderr
    assert done.stdout.count("WRITTEN") == 3
    assert f"WRITTEN {folder / 'level2' / 'iters_4_7'}" in done.stdout
