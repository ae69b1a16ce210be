"""A clean stop after exactly N iterations in mmcv 1.x runners, which have no flag for it."""

from __future__ import annotations

import multiprocessing

import pytest
import torch

mmcv_runner = pytest.importorskip("mmcv.runner", reason="mmcv1 line; the mmengine line has tests of its own")
from toy_mmcv1 import EPOCH, Samples, Toy1Run  # noqa: E402

import mx_driving.runner_hooks  # noqa: E402, F401  (registers the hooks)

KINDS = ["epoch", "own", "iteration"]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """mmcv sleeps for seconds between epochs."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def hook(**arguments):
    return {"type": "NPUPatchHook", "only": [], **arguments}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop_at", [1, 3, EPOCH, EPOCH + 1, 2 * EPOCH])
def test_exactly_n_iterations(tmp_path, kind, stop_at):
    toy = Toy1Run(tmp_path, hook(stop_at=stop_at), kind=kind)
    runner = toy.run()
    assert runner.iter == stop_at
    assert toy.events.iterations == list(range(stop_at))
    assert toy.events.announced == stop_at, "no hook may see the start of an iteration that is not run"
    assert toy.events.seen[-1] == ("after_run", stop_at)
    assert toy.events.count("after_run") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_runner_is_left_as_it_was(tmp_path, kind):
    toy = Toy1Run(tmp_path, hook(stop_at=2), kind=kind)
    before = (toy.runner.max_epochs, set(vars(toy.runner)))
    runner = toy.run()
    assert runner.max_epochs == before[0]
    assert not {"train", "val", "data_batch"} & vars(runner).keys()
    if kind == "iteration":
        assert runner.max_iters == 12


def test_half_an_epoch_is_not_announced_as_a_whole_one(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=EPOCH + 2))
    assert toy.run().epoch == 1
    assert toy.events.count("after_train_epoch") == 1


def test_stop_at_an_epochs_end_leaves_a_whole_epoch(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=2 * EPOCH))
    assert toy.run().epoch == 2
    assert toy.events.count("after_train_epoch") == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stop_at", [2, EPOCH + 1])
def test_workflow_with_validation(tmp_path, kind, stop_at):
    """The workflow's val follows each whole train step of it, and is left out at the stop."""
    toy = Toy1Run(tmp_path, hook(stop_at=stop_at), kind=kind)
    runner = toy.run(workflow=(("train", 1), ("val", 1)))
    assert runner.iter == stop_at
    whole = stop_at - 1 if kind == "iteration" else (stop_at - 1) // EPOCH * EPOCH
    assert toy.events.count("after_val_iter") == whole


def test_several_epochs_in_one_step_of_the_workflow(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=EPOCH + 1), maximum=4)
    toy.run(workflow=(("train", 2), ("val", 1)))
    assert toy.events.iterations == list(range(EPOCH + 1))
    assert toy.events.count("after_val_epoch") == 0


@pytest.mark.parametrize("ask", [False, True])
def test_evaluation_hook_at_an_epochs_end_only_if_asked_for(tmp_path, ask):
    toy = Toy1Run(tmp_path, hook(stop_at=2 * EPOCH, validate_at_stop=ask), evaluate={"interval": 1})
    toy.run()
    assert toy.evaluation.evaluated == ([EPOCH, 2 * EPOCH] if ask else [EPOCH])
    assert toy.evaluation.start is None, "the hook's own setting is put back"


@pytest.mark.parametrize("ask", [False, True])
def test_evaluation_hook_in_mid_epoch_only_if_asked_for(tmp_path, ask):
    toy = Toy1Run(tmp_path, hook(stop_at=2, validate_at_stop=ask), evaluate={"interval": 5})
    toy.run()
    assert toy.evaluation.evaluated == ([1] if ask else []), "after the iteration, in the hook's own place"
    assert (toy.evaluation.interval, toy.evaluation.start) == (5, None), "the hook's own settings are put back"


def test_evaluation_in_mid_epoch_is_of_the_averaged_weights(tmp_path):
    class Keeping(mmcv_runner.EvalHook):
        def _do_evaluate(self, runner):
            self.weight = runner.model.linear.weight.clone()

    keeping = Keeping(torch.utils.data.DataLoader(Samples()), interval=5)
    toy = Toy1Run(tmp_path, hook(stop_at=6, validate_at_stop=True), mmcv_runner.EMAHook(momentum=0.3, warm_up=1))
    toy.runner.register_hook(keeping, priority="LOW")
    model = toy.run().model
    assert torch.equal(keeping.weight, model.ema_linear_weight)
    assert not torch.equal(keeping.weight, model.linear.weight)
    assert "_do_evaluate" not in vars(keeping)


def test_evaluation_hook_by_iteration(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=4), kind="iteration", evaluate={"interval": 2, "by_epoch": False})
    toy.run()
    assert toy.evaluation.evaluated == [1]


def test_no_evaluation_and_no_checkpoint_of_a_half_epoch(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=2), evaluate={"interval": 1}, checkpoint={"interval": 1})
    toy.run()
    assert toy.evaluation.evaluated == []
    assert not list(tmp_path.glob("*.pth"))


def test_checkpoint_that_the_config_asks_for_is_written(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=EPOCH + 1), checkpoint={"interval": 1})
    toy.run()
    assert [path.name for path in tmp_path.glob("epoch_*.pth")] == ["epoch_1.pth"]


@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_checkpoint_at_the_stop_resumes_where_it_stopped(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    first = Toy1Run(tmp_path / "a", hook(stop_at=EPOCH + 2, save_at_stop=True), kind=kind)
    weights = first.run().model.linear.weight
    path = tmp_path / "a" / f"iter_{EPOCH + 2}.pth"
    saved = torch.load(path, weights_only=False)
    assert saved["meta"]["iter"] == EPOCH + 2
    assert torch.equal(saved["state_dict"]["linear.weight"], weights), "saved after the optimizer's step"
    second = Toy1Run(tmp_path / "b", hook(stop_at=EPOCH + 3), kind=kind)
    second.runner.resume(str(path), map_location="cpu")
    assert second.runner.epoch == 1
    second.run()
    assert second.events.iterations == [EPOCH + 2]


@pytest.mark.parametrize("kind", KINDS)
def test_resumed_past_the_stop_runs_nothing_and_says_so(tmp_path, kind):
    toy = Toy1Run(tmp_path, hook(stop_at=5), kind=kind)
    toy.runner._iter, toy.runner._epoch = 6, 1
    toy.run()
    assert toy.events.iterations == []
    assert "stop_at=5: resumed at iteration 6" in toy.log.read_text()


def test_workers_are_gone_after_a_stop_in_mid_epoch(tmp_path):
    Toy1Run(tmp_path, hook(stop_at=1), workers=2).run()
    assert multiprocessing.active_children() == []


def test_users_exception_is_not_taken_for_a_stop(tmp_path):
    class Broken(mmcv_runner.Hook):
        def after_train_iter(self, runner):
            raise KeyError("the user's own")

    toy = Toy1Run(tmp_path, hook(stop_at=3), Broken())
    with pytest.raises(KeyError, match="the user's own"):
        toy.run()
    assert not {"train", "val"} & vars(toy.runner).keys()


@pytest.mark.parametrize("stop_at", [None, 5])
def test_interrupted_run_takes_the_patches_back(tmp_path, stop_at):
    import mx_driving._core.engine as engine

    class Interrupting(mmcv_runner.Hook):
        def after_train_iter(self, runner):
            assert engine._stacks, "in force during the run"
            raise KeyboardInterrupt

    toy = Toy1Run(tmp_path, {"type": "NPUPatchHook", "only": ["numpy_type"], "stop_at": stop_at}, Interrupting())
    with pytest.raises(KeyboardInterrupt):
        toy.run()
    assert not engine._stacks


def test_stop_beyond_the_run_is_said_and_harmless(tmp_path):
    toy = Toy1Run(tmp_path, hook(stop_at=1000))
    toy.run()
    assert len(toy.events.iterations) == 3 * EPOCH
    assert "stop_at=1000 is beyond the run's end at iteration 12" in toy.log.read_text()
