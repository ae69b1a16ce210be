"""A clean stop after exactly N iterations, in every loop of mmengine."""

from __future__ import annotations

import contextlib
import multiprocessing

import pytest
import torch

pytest.importorskip("mmengine", reason="mmengine line; the mmcv1 line has tests of its own")
from mmengine.hooks import Hook
from toy_mmengine import EPOCH, build_runner

import mx_driving.runner_hooks  # noqa: F401  (registers the hooks)

EPOCHS = {"by_epoch": True, "max_epochs": 3}
ITERS = {"by_epoch": False, "max_iters": 12, "val_interval": 4}


def hook(**arguments):
    return {"type": "NPUPatchHook", "only": [], **arguments}


@pytest.mark.parametrize("train_cfg", [EPOCHS, ITERS], ids=["epochs", "iterations"])
@pytest.mark.parametrize("flexible", [False, True], ids=["Runner", "FlexibleRunner"])
@pytest.mark.parametrize("stop_at", [1, 3, EPOCH, EPOCH + 1, 2 * EPOCH])
def test_exactly_n_iterations_and_the_end_is_announced(tmp_path, train_cfg, flexible, stop_at):
    runner, events = build_runner(tmp_path, hook(stop_at=stop_at), train_cfg=dict(train_cfg), flexible=flexible)
    assert runner.train() is runner.model
    assert runner.iter == stop_at
    assert events.iterations == list(range(stop_at))
    assert events.announced == stop_at, "no hook may see the start of an iteration that is not run"
    points = [point for point, _ in events.seen]
    assert points.count("after_train") == points.count("after_run") == 1
    assert points[-2:] == ["after_train", "after_run"]


def test_half_an_epoch_is_not_announced_as_a_whole_one(tmp_path):
    runner, events = build_runner(tmp_path, hook(stop_at=EPOCH + 2))
    runner.train()
    assert [at for point, at in events.seen if point == "after_train_epoch"] == [EPOCH]
    assert runner.epoch == 1


def test_stop_at_an_epochs_end_leaves_a_whole_epoch(tmp_path):
    runner, events = build_runner(tmp_path, hook(stop_at=2 * EPOCH))
    runner.train()
    assert [at for point, at in events.seen if point == "after_train_epoch"] == [EPOCH, 2 * EPOCH]
    assert runner.epoch == 2


@pytest.mark.parametrize("train_cfg", [EPOCHS, ITERS], ids=["epochs", "iterations"])
@pytest.mark.parametrize(("ask", "times"), [(False, 1), (True, 2)])
def test_validation_at_the_stop_only_if_asked_for(tmp_path, train_cfg, ask, times):
    """The regular validation after the first epoch's worth runs; the one at the stop is a matter of choice."""
    runner, events = build_runner(
        tmp_path, hook(stop_at=2 * EPOCH, validate_at_stop=ask), train_cfg=dict(train_cfg), val=True
    )
    runner.train()
    assert [point for point, _ in events.seen].count("before_val") == times
    assert runner.train_loop.val_begin == 1, "the loop's own setting is put back"


def test_validation_in_mid_epoch_if_asked_for(tmp_path):
    runner, events = build_runner(tmp_path, hook(stop_at=2, validate_at_stop=True), val=True)
    runner.train()
    assert [point for point, _ in events.seen][-3:] == ["before_val", "after_train", "after_run"]


@pytest.fixture
def resumable(monkeypatch):
    """mmengine 0.10 stores objects in its checkpoints that torch >= 2.6 loads only when told so."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")


@pytest.mark.usefixtures("resumable")
def test_checkpoint_at_the_stop_resumes_where_it_stopped(tmp_path):
    runner, _ = build_runner(tmp_path / "a", hook(stop_at=6, save_at_stop=True))
    runner.train()
    path = tmp_path / "a" / "iter_6.pth"
    meta = torch.load(path, weights_only=False)["meta"]
    assert (meta["iter"], meta["epoch"]) == (6, 1)
    resumed, events = build_runner(tmp_path / "b", hook(stop_at=7), load_from=str(path), resume=True)
    resumed.train()
    assert events.iterations == [6]


def test_no_checkpoint_of_a_half_epoch(tmp_path):
    runner, _ = build_runner(tmp_path, hook(stop_at=2))
    runner.train()
    assert not list(tmp_path.glob("*.pth"))


@pytest.mark.usefixtures("resumable")
def test_resumed_past_the_stop_runs_nothing_and_says_so(tmp_path):
    runner, _ = build_runner(tmp_path / "a", hook(stop_at=6, save_at_stop=True))
    runner.train()
    resumed, events = build_runner(
        tmp_path / "b", hook(stop_at=5), load_from=str(tmp_path / "a" / "iter_6.pth"), resume=True
    )
    resumed.train()
    assert events.iterations == []
    assert [point for point, _ in events.seen][-2:] == ["after_train", "after_run"]
    assert "stop_at=5: resumed at iteration 6" in next((tmp_path / "b").rglob("*.log")).read_text()


def test_workers_are_gone_after_a_stop_in_mid_epoch(tmp_path):
    runner, _ = build_runner(tmp_path, hook(stop_at=1), workers=2)
    runner.train()
    assert multiprocessing.active_children() == []


def test_loop_is_left_as_it_was(tmp_path):
    runner, _ = build_runner(tmp_path, hook(stop_at=2))
    runner.train()
    assert "run" not in vars(runner.train_loop)


@pytest.mark.parametrize("stop_at", [None, 5])
def test_interrupted_run_takes_the_patches_back(tmp_path, stop_at):
    """The runner calls no after_run then; the next run, in a notebook, must start from stock libraries."""
    import mx_driving._core.engine as engine

    class Interrupting(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            assert engine._stacks, "in force during the run"
            raise KeyboardInterrupt

    runner, _ = build_runner(
        tmp_path, {"type": "NPUPatchHook", "only": ["numpy_type"], "stop_at": stop_at}, Interrupting()
    )
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert not engine._stacks


def test_stop_beyond_the_run_is_said_and_harmless(tmp_path):
    runner, events = build_runner(tmp_path, hook(stop_at=1000))
    runner.train()
    assert len(events.iterations) == 3 * EPOCH
    assert "stop_at=1000 is beyond the run's end at iteration 12" in next(tmp_path.rglob("*.log")).read_text()


def test_users_exception_is_not_taken_for_a_stop(tmp_path):
    class Broken(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            raise KeyError("the user's own")

    runner, events = build_runner(tmp_path, hook(stop_at=3), Broken())
    with pytest.raises(KeyError, match="the user's own"):
        runner.train()
    assert "after_train" not in [point for point, _ in events.seen]


def test_broad_except_around_the_hooks_does_not_keep_training_alive(tmp_path):
    """A runner of the user's own that guards its hooks with ``except Exception`` must not swallow the stop."""
    runner, events = build_runner(tmp_path, hook(stop_at=2))
    call = runner.call_hook

    def guarded(name, **kwargs):
        with contextlib.suppress(Exception):
            call(name, **kwargs)

    runner.call_hook = guarded
    runner.train()
    assert events.iterations == [0, 1]


def test_validation_run_is_patched_and_restored(tmp_path):
    runner, events = build_runner(tmp_path, hook(stop_at=2), val=True)
    assert runner.val() == {"seen": 4}
    assert (tmp_path / "mx_driving" / "patches.json").exists()
