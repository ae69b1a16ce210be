"""Windows of iterations, recorded by the real torch.profiler in real mmengine runs."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("mmengine", reason="mmengine line; the mmcv1 line has tests of its own")
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from toy_mmengine import EPOCH, build_runner
from traces import traces

import mx_driving
from mx_driving.runner_hooks import ProfilerHook

ITERS = {"by_epoch": False, "max_iters": 12}


def profiler(**arguments):
    return {"type": "ProfilerHook", **arguments}


@pytest.mark.parametrize("train_cfg", [None, ITERS], ids=["epochs", "iterations"])
def test_window_is_half_open_and_reaches_across_epochs(tmp_path, train_cfg):
    runner, _ = build_runner(tmp_path, profiler(iters=(EPOCH - 1, EPOCH + 2)), train_cfg=train_cfg)
    runner.train()
    assert traces(tmp_path) == {"iters_3_6.pt.trace.json": [3, 4, 5]}
    assert (tmp_path / "mx_driving" / "profile" / "rank0" / "iters_3_6.pt.trace.json").exists()


def test_several_windows_in_any_order(tmp_path):
    runner, _ = build_runner(tmp_path, profiler(iters=[(7, 9), (0, 1)]))
    runner.train()
    assert traces(tmp_path) == {"iters_0_1.pt.trace.json": [0], "iters_7_9.pt.trace.json": [7, 8]}


def test_summary_names_operators_with_their_share(tmp_path):
    runner, _ = build_runner(tmp_path, profiler(iters=(1, 3)))
    runner.train()
    text = next(tmp_path.rglob("*.summary.txt")).read_text()
    assert "Iterations 1 to 2" in text
    assert "aten::addmm" in text
    assert "%" in text


def test_level_2_records_call_stacks(tmp_path):
    for level in (1, 2):
        runner, _ = build_runner(tmp_path / str(level), profiler(iters=(1, 2), level=level))
        runner.train()
    sizes = {}
    for level in (1, 2):
        events = json.loads(next((tmp_path / str(level)).rglob("*.json")).read_text())["traceEvents"]
        sizes[level] = sum(e.get("cat") == "python_function" for e in events)
    assert sizes[1] == 0
    assert sizes[2] > 0


def test_stop_inside_a_window_closes_it(tmp_path):
    runner, _ = build_runner(
        tmp_path, {"type": "NPUPatchHook", "only": [], "stop_at": 6}, profiler(iters=(5, 50)), train_cfg=ITERS
    )
    runner.train()
    assert traces(tmp_path) == {"iters_5_50.pt.trace.json": [5]}
    assert "window (5, 50) is cut short by the run's end at iteration 6" in next(tmp_path.rglob("*.log")).read_text()


def test_exception_inside_a_window_closes_it(tmp_path):
    class Broken(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            if runner.iter == 2:
                raise KeyError("the user's own")

    runner, _ = build_runner(tmp_path, profiler(iters=(1, 5)), Broken())
    with pytest.raises(KeyError, match="the user's own"):
        runner.train()
    assert traces(tmp_path) == {"iters_1_5.pt.trace.json": [1, 2]}


def test_rank_that_is_not_chosen_records_nothing(tmp_path):
    runner, _ = build_runner(tmp_path, profiler(iters=(1, 2), ranks=(3,)))
    runner.train()
    assert traces(tmp_path) == {}


def test_path_of_the_users_choice(tmp_path):
    runner, _ = build_runner(tmp_path / "work", profiler(iters=(1, 2), path=str(tmp_path / "mine")))
    runner.train()
    assert (tmp_path / "mine" / "rank0" / "iters_1_2.pt.trace.json").exists()


def test_resumed_run_leaves_out_what_it_is_past(tmp_path, monkeypatch):
    # mmengine 0.10 stores objects in its checkpoints that torch >= 2.6 loads only when told so.
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    first, _ = build_runner(tmp_path / "a", {"type": "NPUPatchHook", "only": [], "stop_at": 6, "save_at_stop": True})
    first.train()
    runner, _ = build_runner(
        tmp_path / "b",
        profiler(iters=[(2, 4), (8, 9)]),
        load_from=str(tmp_path / "a" / "iter_6.pth"),
        resume=True,
    )
    runner.train()
    assert traces(tmp_path / "b") == {"iters_8_9.pt.trace.json": [8]}


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"iters": (110, 100)}, ValueError, r"expected \(start, stop\) with 0 <= start < stop"),
        ({"iters": (5, 5)}, ValueError, r"got \(5, 5\)"),
        ({"iters": (-1, 5)}, ValueError, "0 <= start"),
        ({"iters": ((0, 5), (4, 6))}, ValueError, "do not overlap"),
        ({"iters": 100}, TypeError, "got 100"),
        ({"iters": ("0", "5")}, TypeError, "got"),
        ({"iters": (0, 5), "level": 3}, ValueError, "level: expected one of 0, 1, 2, got 3"),
        ({"iters": (0, 5), "level": True}, ValueError, "got True"),
        ({"iters": (0, 5), "ranks": 0}, TypeError, "ranks: expected a list of ranks"),
        ({"iters": (0, 5), "path": 7}, TypeError, "path: expected a folder"),
        ({"iters": (0, 5), "profile_times": 3}, TypeError, "profile_times: expected only without iters"),
        ({"iters": (0, 5), "levle": 1}, TypeError, "no argument is called 'levle'.*did you mean 'level'"),
        ({"level": 2}, TypeError, r"level: expected together with iters=\(start, stop\), got no iters"),
        ({"path": "here"}, TypeError, "path: expected together with iters"),
        ({"ranks": (1,)}, TypeError, "ranks: expected together with iters"),
        ({"profile_tims": 1}, TypeError, "did you mean 'profile_times'"),
    ],
)
def test_bad_arguments_fail_at_construction(arguments, error, text):
    with pytest.raises(error, match=text):
        ProfilerHook(**arguments)


def test_window_beyond_the_run_fails_before_the_first_iteration(tmp_path):
    runner, events = build_runner(tmp_path, profiler(iters=(12, 14)))
    with pytest.raises(ValueError, match=r"windows before the run's end at iteration 12, got \(12, 14\)"):
        runner.train()
    assert events.iterations == []


def test_window_beyond_the_stop_fails_whichever_hook_comes_first(tmp_path):
    stop = {"type": "NPUPatchHook", "only": [], "stop_at": 3}
    runner, _ = build_runner(tmp_path, profiler(iters=(4, 5)), stop)
    with pytest.raises(ValueError, match="run's end at iteration 3"):
        runner.train()
    runner.call_hook("after_run")


def test_stock_arguments_keep_their_meaning(tmp_path):
    """A config written for mmengine's own ProfilerHook still does what it did."""
    stock = profiler(by_epoch=False, profile_times=3, json_trace_path=str(tmp_path / "stock.json"))
    runner, _ = build_runner(tmp_path, stock)
    runner.train()
    events = json.loads((tmp_path / "stock.json").read_text())["traceEvents"]
    assert any(event.get("name") == "aten::addmm" for event in events)
    assert traces(tmp_path) == {}


def test_scoped_name_and_root_attribute():
    hook = HOOKS.build({"type": "mx_driving.ProfilerHook", "iters": (0, 1)})
    assert type(hook) is ProfilerHook is mx_driving.ProfilerHook is HOOKS.get("ProfilerHook")


def test_no_profiler_outside_a_window(tmp_path):
    import torch

    class Watching(Hook):
        priority = "LOWEST"

        def __init__(self):
            self.on = []

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if torch.autograd._profiler_enabled():
                self.on.append(runner.iter)

    watching = Watching()
    runner, _ = build_runner(tmp_path, profiler(iters=[(2, 4), (7, 8)]), watching)
    runner.train()
    assert watching.on == [2, 3, 7]
    assert not torch.autograd._profiler_enabled()
