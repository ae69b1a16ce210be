"""The stop, as a table: epoch and iteration loops, mid-epoch and an epoch's end, after resume, validating, saving.

Both runner families are held to the same rows.
"""

from __future__ import annotations

import contextlib
import gc
import weakref

import pytest
import torch
from trials import END, EPOCH, MMCV1, Hook, latest, loader_of, meta_of, toy, trial

import mx_driving.runner_hooks
from mx_driving._core import PatchError, PatchRecord, Replace, engine


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Both families sleep between epochs; their checkpoints hold objects that torch >= 2.6 must be told of."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")


def hook(**arguments):
    return {"type": "NPUPatchHook", "only": [], **arguments}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the uninterrupted runs, by kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)
        return {kind: trial(tmp_path_factory.mktemp(kind), kind) for kind in ("epoch", "iteration")}


@pytest.mark.parametrize("interval", [2, 5], ids=["on-interval", "off-interval"])
@pytest.mark.parametrize("validate", [False, True], ids=["", "validate"])
@pytest.mark.parametrize("stops", [(6,), (8,), (3, 6), (3, 8), (8, 10)], ids=str)
@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_stopped_and_resumed_is_the_uninterrupted_run(tmp_path, whole, kind, stops, validate, interval):
    losses, rates, full = {}, {}, whole[kind]
    for number, stop in enumerate((*stops, None)):
        arguments = {} if stop is None else {"stop_at": stop, "save_at_stop": True, "validate_at_stop": validate}
        seen = trial(tmp_path, kind, hook(**arguments), interval=interval, resume=number > 0)
        assert not losses.keys() & seen.losses.keys(), "nothing is trained twice"
        losses.update(seen.losses)
        rates.update(seen.rates)
        if stop is None:
            continue
        assert seen.iteration == stop
        assert seen.epoch == stop // EPOCH or kind == "iteration"
        assert seen.points[-1:] == ["after_run"]
        # A validation that is due at the very stop is held too, or is the one that was asked for.
        begun = stops[number - 1] if number else 0
        regular = [at for at in (interval * EPOCH,) if begun < at < stop]
        assert seen.validations == regular + [stop] * validate
        meta = meta_of(tmp_path / f"iter_{stop}.pth")
        assert meta["iter"] == stop
        assert meta["epoch"] == stop // EPOCH or kind == "iteration"
        assert latest(tmp_path) == f"iter_{stop}.pth"
        assert "loss: " in seen.log, "the runner's own logger, whose interval was not reached"
        assert "seen: " in seen.log or not (regular or validate)
    assert seen.iteration == END
    assert losses == full.losses
    assert rates == full.rates
    weights = [run.runner.model.linear.weight for run in (seen, full)]
    assert torch.equal(*weights)


@pytest.mark.parametrize("stop", [2, 4], ids=["mid-epoch", "epoch-end"])
@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_neither_is_done_unasked(tmp_path, kind, stop):
    seen = trial(tmp_path, kind, hook(stop_at=stop), interval=1)
    assert (seen.validations, seen.iteration) == ([], stop)
    assert not list(tmp_path.glob("iter_*.pth"))


@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_runner_is_whole_after_the_stop(tmp_path, kind):
    """What the stop changed is put back: a run that follows in the process starts from the user's settings."""
    before = {}

    def settings(runner):
        names = ("interval", "start", "by_epoch")
        hooks = {
            (type(each).__name__, name): getattr(each, name)
            for each in runner.hooks
            for name in names
            if hasattr(each, name)
        }
        owner = runner if MMCV1 else runner.train_loop
        names = (
            "_max_epochs",
            "train",
            "val",
            "call_hook",
            "run_iter",
            "run",
            "val_begin",
            "val_interval",
            "stop_training",
        )
        return {**hooks, **{name: vars(owner).get(name) for name in names if name != "_max_iters"}}

    seen = trial(tmp_path, kind, hook(stop_at=3, validate_at_stop=True), prepare=lambda r: before.update(settings(r)))
    assert settings(seen.runner) == before


@pytest.mark.parametrize("twins", ["two", "the same"])
def test_hook_given_twice(tmp_path, twins):
    first = mx_driving.runner_hooks.NPUPatchHook(only=[], stop_at=8)
    second = first if twins == "the same" else mx_driving.runner_hooks.NPUPatchHook(only=[], stop_at=5)
    if MMCV1 and twins == "the same":
        pytest.skip("mmcv 1.x refuses to register a hook a second time")
    seen = trial(tmp_path, "epoch", first, second)
    assert seen.iteration == (8 if twins == "the same" else 5)
    assert "NPUPatchHook is given 2 times" in seen.log
    if not MMCV1:
        assert seen.runner.train_loop.val_begin == 1


def test_later_training_is_not_stopped_before_it_begins(tmp_path):
    if MMCV1:
        pytest.skip("an mmcv 1.x runner has no flag that would stay set")
    stop = mx_driving.runner_hooks.NPUPatchHook(only=[], stop_at=4)
    seen = trial(tmp_path, "epoch", stop)
    stop.stop_at = None
    seen.runner.train()
    assert seen.runner.iter == END


@pytest.mark.parametrize("kind", ["epoch"])
def test_batch_after_the_stop_that_cannot_be_loaded_is_of_no_account(tmp_path, kind):
    class Broken:
        def __init__(self, samples):
            self.samples = samples

        def __len__(self):
            return len(self.samples)

        def __getitem__(self, index):
            if index >= 4:
                raise OSError("a corrupt file")
            return self.samples[index]

    twist = {"dataset": Broken(toy.Samples())}
    seen = trial(tmp_path, kind, hook(stop_at=2, save_at_stop=True), shuffled=False, twist=twist)
    assert (seen.iteration, latest(tmp_path)) == (2, "iter_2.pth")
    assert "could not be loaded, which is of no account here: OSError: a corrupt file" in seen.log
    with pytest.raises(OSError, match="a corrupt file"):
        trial(tmp_path / "b", kind, hook(stop_at=3), shuffled=False, twist=twist)


def test_changed_data_set_begins_the_epoch_anew_and_says_so(tmp_path):
    trial(tmp_path, "epoch", hook(stop_at=2, save_at_stop=True))
    fewer = torch.utils.data.Subset(toy.Samples(), range(6))
    seen = trial(tmp_path, "epoch", hook(), resume=True, twist={"dataset": fewer})
    assert "after 2 of 4 batches; an epoch has 3 now: it is trained from its start" in seen.log
    assert seen.iteration == 2 + 9


def averaging(folder, resume):
    """Return the hook of a family that averages weights; mmcv's resumes its runner by itself."""
    if not MMCV1:
        return {"type": "EMAHook", "momentum": 0.3}
    from mmcv.runner import EMAHook

    return EMAHook(momentum=0.3, interval=1, warm_up=1, resume_from=str(folder / "latest.pth") if resume else None)


@pytest.mark.parametrize("stop", [6, 8], ids=["mid-epoch", "epoch-end"])
def test_averaged_weights_go_on_as_well(tmp_path, stop):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    full = trial(whole, "epoch", averaging(whole, False))
    first = trial(parts, "epoch", hook(stop_at=stop, save_at_stop=True), averaging(parts, False))
    # mmcv's hook adds its buffers to the model before it resumes: the runner cannot do that.
    second = trial(parts, "epoch", hook(), averaging(parts, True), resume=not MMCV1)
    assert {**first.losses, **second.losses} == full.losses
    files = [torch.load(folder / "epoch_3.pth", weights_only=False)["state_dict"] for folder in (whole, parts)]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


@pytest.mark.parametrize("when", ["before the run", "in before_run"])
def test_undone_after_everybody_else(tmp_path, when):
    """Whoever looks in his ``after_run`` sees the patches, registered first, last, or in the run."""
    seen = []

    def watching():
        return type("Watching", (Hook,), {"after_run": lambda self, runner: seen.append(len(engine._stacks))})()

    class Registering(Hook):
        def before_run(self, runner):
            if when == "in before_run":
                runner.register_hook(watching(), priority="LOWEST")

    last = watching()
    if not MMCV1:
        last.priority = "LOWEST"
    trial(tmp_path, "epoch", watching(), {"type": "NPUPatchHook", "stop_at": 2}, Registering(), last)
    assert len(seen) == 2 + (when == "in before_run")
    assert min(seen) > 0
    assert not engine._stacks


def test_strict_failure_then_repair_then_a_patched_run(tmp_path, monkeypatch):
    """The run that follows the user's repair, of the same runner, is patched again."""
    import torch.utils.data._utils.worker as worker

    target = Replace("torch.utils.data._utils.worker:not_there_yet", lambda: "patched")
    record = PatchRecord("mine", (target,), why="", upstream="", remove_when="")
    strict = mx_driving.runner_hooks.NPUPatchHook(only=["mine"], patches=[record], strict=True, stop_at=1)
    answers = []

    class Asking(Hook):
        def after_train_iter(self, runner, *args, **kwargs):
            answers.append(worker.not_there_yet())

    runs = []
    with pytest.raises(PatchError, match="mine"):
        trial(tmp_path, "epoch", strict, Asking(), prepare=runs.append)
    monkeypatch.setattr(worker, "not_there_yet", lambda: "stock", raising=False)
    if MMCV1:
        runs[0].run([loader_of(toy.Samples(), False)], [("train", 1)])
    else:
        runs[0].train()
    assert answers == ["patched"]
    assert worker.not_there_yet() == "stock"


def test_patches_that_stay_do_not_keep_the_model(tmp_path):
    stay = mx_driving.runner_hooks.NPUPatchHook(only=["numpy_type"], stop_at=1, restore=False)
    model = weakref.ref(trial(tmp_path, "epoch", stay).runner.model)
    gc.collect()
    try:
        assert engine._stacks
        assert model() is None
    finally:
        stay._patching._patches.undo()


def test_flexible_runner_goes_on_in_mid_epoch(tmp_path, whole):
    runner = pytest.importorskip("mmengine.runner", reason="mmcv 1.x has no such runner").FlexibleRunner
    losses = {}
    for stop in (3, 6, 8, None):
        seen = trial(
            tmp_path, "epoch", hook(stop_at=stop, save_at_stop=True), resume=bool(losses), twist={"runner": runner}
        )
        losses.update(seen.losses)
        if stop is not None:
            assert {"iter": stop, "epoch": stop // EPOCH}.items() <= meta_of(tmp_path / f"iter_{stop}.pth").items()
    assert losses == whole["epoch"].losses


@pytest.mark.parametrize("error", [None, KeyError("in a hook")])
def test_class_of_runners_that_nobody_watches(tmp_path, error):
    """One that was defined after the hook was built, with an entry of its own: its loop and after_run are held."""
    ours = mx_driving.runner_hooks.NPUPatchHook(only=["numpy_type"], stop_at=2)
    seen = []

    class Failing(Hook):
        def after_train_iter(self, runner, *args, **kwargs):
            seen.append(len(engine._stacks))
            if error is not None:
                raise error

    if MMCV1:
        from mmcv.runner import EpochBasedRunner

        original = EpochBasedRunner.run.__wrapped__
        own = type("Own", (EpochBasedRunner,), {"run": lambda self, *args: original(self, *args)})
    else:
        from mmengine.runner import Runner

        original = Runner.train.__wrapped__
        own = type("Own", (Runner,), {"train": lambda self: original(self)})
    with contextlib.nullcontext() if error is None else pytest.raises(KeyError, match="in a hook"):
        trial(tmp_path, "epoch", ours, Failing(), twist={"runner": own})
    assert min(seen) > 0
    assert not engine._stacks


def windows(**arguments):
    return {"type": "ProfilerHook", "path": "unused", "ranks": (7,), "stop_after": True, **arguments}


@pytest.mark.parametrize("patches", ["alone", "first", "last"])
@pytest.mark.parametrize("stop", [3, 4], ids=["mid-epoch", "epoch-end"])
@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_stop_after_the_last_window(tmp_path, whole, kind, stop, patches):
    """On a rank that records nothing as well, with what the patch hook is asked to do at a stop."""
    profiler, ours = windows(iters=[(2, stop), (0, 1)]), hook(save_at_stop=True, validate_at_stop=True)
    given = {"alone": [profiler], "first": [ours, profiler], "last": [profiler, ours]}[patches]
    hooks = []
    seen = trial(tmp_path, kind, *given, prepare=lambda runner: hooks.extend(runner.hooks))
    assert (seen.iteration, seen.points[-1:]) == (stop, ["after_run"])
    assert f"training stopped after iteration {stop} (stop_after)" in seen.log
    assert {id(each) for each in seen.runner.hooks} == {id(each) for each in hooks}, "nothing of ours stays"
    if patches == "alone":
        assert (seen.validations, list(tmp_path.glob("iter_*"))) == ([], [])
        return
    assert (seen.validations, latest(tmp_path)) == ([stop], f"iter_{stop}.pth")
    rest = trial(tmp_path, kind, hook(), resume=True)
    assert {**seen.losses, **rest.losses} == whole[kind].losses


@pytest.mark.parametrize(
    ("stop_at", "others", "expected"),
    [(2, [], (2, "stop_at")), (5, [], (3, "stop_after")), (None, [{"skip_first": 3, "active": 1}], (3, "error"))],
)
def test_earlier_of_two_stops_counts(tmp_path, stop_at, others, expected):
    given = [hook(stop_at=stop_at), windows(iters=(1, 3)), *(windows(**other) for other in others)]
    if expected[1] == "error":
        with pytest.raises(ValueError, match=r"expected windows before the run's end at iteration 3, got \(3, 4\)"):
            trial(tmp_path, "epoch", *given)
        return
    seen = trial(tmp_path, "epoch", *given)
    assert seen.iteration == expected[0]
    assert f"training stopped after iteration {expected[0]} ({expected[1]})" in seen.log


@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_stop_after_of_a_schedule_that_records(tmp_path, kind):
    """A second hook whose window comes earlier does not stop the run."""
    later = windows(skip_first=1, wait=1, warmup=1, active=2, repeat=1, ranks=(0,), path=str(tmp_path / "p"))
    seen = trial(tmp_path, kind, windows(iters=(0, 1), stop_after=False), later)
    assert seen.iteration == 5
    assert [path.name for path in (tmp_path / "p").rglob("*.json")] == ["iters_3_5.pt.trace.json"]


@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_stop_after_in_a_run_that_is_resumed_past_it(tmp_path, kind):
    trial(tmp_path, kind, hook(stop_at=6, save_at_stop=True))
    seen = trial(tmp_path, kind, windows(iters=(1, 3)), resume=True)
    assert (seen.iteration, seen.losses) == (6, {})
    assert "stop_after=3: resumed at iteration 6, nothing is left to run" in seen.log


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({}, TypeError, "stop_after: expected together with iters"),
        ({"active": 2, "repeat": 0}, ValueError, "stop_after: expected .*got repeat=0, which goes on to the run's end"),
        ({"iters": (1, 3), "stop_after": 1}, TypeError, "stop_after: expected"),
    ],
)
def test_stop_after_without_a_last_window_is_an_error(arguments, error, text):
    with pytest.raises(error, match=text):
        mx_driving.runner_hooks.ProfilerHook(**{"stop_after": True, **arguments})
