"""Report and profile on mmcv 1.x: the same arguments and the same files as on mmengine."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("mmcv.runner", reason="mmcv1 line; the mmengine line has tests of its own")
from mmcv.runner import HOOKS, Hook
from mmcv.runner.hooks import ProfilerHook as StockProfilerHook
from mmcv.utils import build_from_cfg
from toy_mmcv1 import EPOCH, Toy1Run
from traces import traces

import mx_driving.runner_hooks  # registers the hooks
from mx_driving.patches import CATALOGUE


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """mmcv sleeps for seconds between epochs."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def profiler(**arguments):
    return {"type": "ProfilerHook", **arguments}


def test_report_goes_to_the_log_and_the_file(tmp_path):
    toy = Toy1Run(tmp_path, {"type": "NPUPatchHook", "disable": ["index"], "stop_at": 1})
    toy.run()
    entries = {e["name"]: e for e in json.loads((tmp_path / "mx_driving" / "patches.json").read_text())["patches"]}
    assert list(entries) == list(CATALOGUE)
    assert entries["mdc"]["status"] in ("applied", "waiting")
    assert entries["nuscenes_metric"]["reason"].startswith("needs mmdet3d>=1.1,<1.5, found mmdet3d 1.0.0rc6")
    assert entries["index"]["reason"] == "disabled by the user"
    assert "mx_driving patches on cpu" in toy.log.read_text()


def test_everything_is_as_before_after_the_run(tmp_path):
    import mmcv._ext
    import mmdet.models.backbones.resnet as resnet
    import mmdet3d.datasets.nuscenes_dataset as nuscenes
    import numpy
    from mmcv.ops import deform_conv, modulated_deform_conv, multi_scale_deform_attn
    from mmcv.parallel import MMDistributedDataParallel
    from torch.utils.data._utils import worker

    owners = [
        mmcv._ext, multi_scale_deform_attn, deform_conv.DeformConv2dFunction, nuscenes, numpy, worker,
        modulated_deform_conv.ModulatedDeformConv2dFunction, MMDistributedDataParallel, resnet.Bottleneck,
        resnet.ResNet,
    ]  # fmt: skip
    before = [dict(vars(owner)) for owner in owners]
    during = []

    class Watching(Hook):
        def after_train_iter(self, runner):
            during.extend(dict(vars(owner)) != old for owner, old in zip(owners, before))

    Toy1Run(tmp_path, {"type": "NPUPatchHook", "stop_at": 1, "enable": ["resnet_maxpool"]}, Watching()).run()
    assert all(during), "each owner was changed during the run"
    assert [dict(vars(owner)) for owner in owners] == before


@pytest.mark.parametrize("kind", ["epoch", "iteration"])
def test_window_reaches_across_epochs(tmp_path, kind):
    Toy1Run(tmp_path, profiler(iters=(EPOCH - 1, EPOCH + 2)), kind=kind).run()
    assert traces(tmp_path) == {"iters_3_6.pt.trace.json": [3, 4, 5]}
    assert "aten::addmm" in (tmp_path / "mx_driving/profile/rank0/iters_3_6.summary.txt").read_text()


@pytest.mark.parametrize("kind", ["epoch", "iteration"])
@pytest.mark.parametrize("order", [1, -1])
def test_stop_inside_a_window_closes_it(tmp_path, kind, order):
    hooks = [{"type": "NPUPatchHook", "only": [], "stop_at": 6}, profiler(iters=[(0, 1), (5, 50)])][::order]
    toy = Toy1Run(tmp_path, *hooks, kind=kind, maximum=20)
    toy.run()
    assert traces(tmp_path) == {"iters_0_1.pt.trace.json": [0], "iters_5_50.pt.trace.json": [5]}
    assert "cut short by the run's end at iteration 6" in toy.log.read_text()


def test_exception_inside_a_window_closes_it(tmp_path):
    class Broken(Hook):
        def after_train_iter(self, runner):
            if runner.iter == 2:
                raise KeyError("the user's own")

    with pytest.raises(KeyError, match="the user's own"):
        Toy1Run(tmp_path, profiler(iters=(1, 5)), Broken()).run()
    assert traces(tmp_path) == {"iters_1_5.pt.trace.json": [1, 2]}


def test_stock_arguments_keep_their_meaning(tmp_path):
    """A config written for mmcv's own ProfilerHook still does what it did."""
    stock = profiler(by_epoch=True, profile_iters=1, activities=["cpu"], json_trace_path=str(tmp_path / "stock.json"))
    Toy1Run(tmp_path, stock, maximum=1).run()
    assert json.loads((tmp_path / "stock.json").read_text())["traceEvents"]
    assert traces(tmp_path) == {}
    assert isinstance(build_from_cfg({"type": "ProfilerHook"}, HOOKS), StockProfilerHook)


@pytest.mark.parametrize(
    ("config", "error", "text"),
    [
        ({"type": "NPUPatchHook", "disable": ["indx"]}, ValueError, "did you mean 'index'"),
        ({"type": "NPUPatchHook", "stopat": 3}, TypeError, "did you mean 'stop_at'"),
        ({"type": "ProfilerHook", "iters": (5, 3)}, ValueError, "0 <= start < stop"),
        ({"type": "ProfilerHook", "iters": (3, 5), "profile_iters": 3}, TypeError, "expected only without iters"),
        ({"type": "ProfilerHook", "profil_iters": 3}, TypeError, "did you mean 'profile_iters'"),
    ],
)
def test_bad_arguments_fail_at_construction(config, error, text):
    with pytest.raises(error, match=text) as caught:
        build_from_cfg(config, HOOKS)
    assert "\n" not in str(caught.value)


def test_both_names_are_known():
    assert HOOKS.get("mx_driving.ProfilerHook") is HOOKS.get("ProfilerHook") is mx_driving.ProfilerHook
    assert HOOKS.get("mx_driving.NPUPatchHook") is HOOKS.get("NPUPatchHook") is mx_driving.NPUPatchHook
