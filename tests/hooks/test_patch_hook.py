"""NPUPatchHook in real mmengine runs: report, choice of patches, undo, and what it says to bad input."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

pytest.importorskip("mmengine", reason="mmengine line; the mmcv1 line has tests of its own")
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch.utils.data import DataLoader
from toy_mmengine import Samples, build_runner

import mx_driving
from mx_driving import device
from mx_driving._core import PatchError
from mx_driving.patches import CATALOGUE
from mx_driving.runner_hooks import NPUPatchHook

ops = pytest.importorskip("mmcv.ops", reason="mmcv is not built with operators here")


def patches_json(work_dir):
    data = json.loads((work_dir / "mx_driving" / "patches.json").read_text())
    return {entry["name"]: entry for entry in data["patches"]}


def log_of(work_dir):
    return next(work_dir.rglob("*.log")).read_text()


def owners():
    """Return every owner that a patch of ours changes in what is installed here."""
    import mmcv._ext
    import mmdet.models.backbones.resnet as resnet
    from mmcv.ops import deform_conv, modulated_deform_conv, multi_scale_deform_attn

    return [
        mmcv._ext,
        multi_scale_deform_attn,
        deform_conv.DeformConv2dFunction,
        modulated_deform_conv.ModulatedDeformConv2dFunction,
        resnet.BasicBlock,
        resnet.Bottleneck,
        resnet.ResNet,
    ]


def test_everything_is_as_before_after_the_run(tmp_path):
    before = {id(owner): dict(vars(owner)) for owner in owners()}
    hook = {"type": "NPUPatchHook", "stop_at": 1, "enable": ["resnet_maxpool"]}
    runner, events = build_runner(tmp_path, hook)
    during = []
    events.after_train_iter = lambda *args, **kwargs: during.append(
        {id(owner): dict(vars(owner)) for owner in owners()}
    )
    runner.train()
    changed = [key for key in before if during[0][key] != before[key]]
    assert len(changed) == len(before), "each owner was changed during the run"
    assert {id(owner): dict(vars(owner)) for owner in owners()} == before


def test_table_goes_to_the_log_and_the_file(tmp_path):
    runner, _ = build_runner(tmp_path, {"type": "NPUPatchHook", "stop_at": 1})
    runner.train()
    log = log_of(tmp_path)
    assert "mx_driving patches on cpu" in log
    assert "| index" in log
    assert "only on npu" in log
    entries = patches_json(tmp_path)
    assert list(entries) == list(CATALOGUE)
    assert entries["mdc"]["status"] == "applied"
    assert "mmcv._ext:modulated_deform_conv_forward" in entries["mdc"]["targets"]


def test_disabled_patch_leaves_mmcv_alone_and_says_so(tmp_path):
    forward = ops.ModulatedDeformConv2d.forward.__globals__["ModulatedDeformConv2dFunction"].forward
    runner, events = build_runner(tmp_path, {"type": "NPUPatchHook", "disable": ["mdc"], "stop_at": 1})
    seen = []
    events.after_train_iter = lambda *a, **k: seen.append(
        ops.modulated_deform_conv.ModulatedDeformConv2dFunction.forward
    )
    runner.train()
    assert seen == [forward]
    assert patches_json(tmp_path)["mdc"]["reason"] == "disabled by the user"


def test_only_leaves_all_others_out(tmp_path):
    runner, _ = build_runner(tmp_path, {"type": "NPUPatchHook", "only": ["msda"], "stop_at": 1})
    runner.train()
    entries = patches_json(tmp_path)
    assert [name for name, entry in entries.items() if entry["status"] == "applied"] == ["msda"]
    assert entries["dc"]["reason"] == "not in only"


def test_patches_may_stay_after_the_run(tmp_path):
    hook = NPUPatchHook(only=["msda"], stop_at=1, restore=False)
    stock = ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch
    runner, _ = build_runner(tmp_path, hook)
    runner.train()
    try:
        assert ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch is not stock
    finally:
        hook._patching._patches.undo()
    assert ops.multi_scale_deform_attn.multi_scale_deformable_attn_pytorch is stock


def test_exception_of_a_replacement_reaches_the_user(tmp_path, monkeypatch):
    """A kernel of ours that fails ends the run; mmcv's own is not called in its place."""
    import mmcv._ext

    called = []
    monkeypatch.setattr(mmcv._ext, "modulated_deform_conv_forward", lambda *a, **k: called.append(a))
    conv = ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1)
    runner, events = build_runner(tmp_path, {"type": "NPUPatchHook", "only": ["mdc"], "stop_at": 1})
    # 5 channels where the weight wants 4: the check of our operator says so.
    events.after_train_iter = lambda *a, **k: ops.modulated_deform_conv2d(
        torch.rand(1, 5, 6, 6), torch.zeros(1, 18, 6, 6), torch.ones(1, 9, 6, 6), conv.weight, None, 1, 1
    )
    with pytest.raises(
        RuntimeError, match=r"modulated_deform_conv2d: weight must be \[O, C / groups, kh, kw\] with C = 5"
    ):
        runner.train()
    assert called == []


def test_strict_and_a_missing_target_fail_before_the_first_iteration(tmp_path, monkeypatch):
    import mmdet.models.backbones.resnet as resnet

    monkeypatch.delattr(resnet, "Bottleneck")
    runner, events = build_runner(tmp_path, {"type": "NPUPatchHook", "strict": True})
    with pytest.raises(PatchError, match="resnet_add_relu: mmdet 3.3.0 has no .*Bottleneck.forward"):
        runner.train()
    assert events.iterations == []


def test_missing_target_without_strict_is_a_failure_in_the_report_not_a_skip(tmp_path, monkeypatch):
    import mmdet.models.backbones.resnet as resnet

    monkeypatch.delattr(resnet, "Bottleneck")
    runner, _ = build_runner(tmp_path, {"type": "NPUPatchHook", "stop_at": 1})
    runner.train()
    assert patches_json(tmp_path)["resnet_add_relu"]["status"] == "failed"
    assert "patch resnet_add_relu failed: mmdet 3.3.0 has no" in log_of(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"disable": ["indx"]}, ValueError, "disable: no patch is called 'indx'.*did you mean 'index'"),
        ({"enable": ["mdcc"]}, ValueError, "did you mean 'mdc'"),
        ({"only": ["nothing_like_it"]}, ValueError, "known are"),
        ({"disable": "index"}, TypeError, r"disable: expected a list of patch names such as \['index'\], got 'index'"),
        ({"disable": ["mdc"], "enable": ["mdc"]}, ValueError, "'mdc' is also in enable or only"),
        ({"stop_at": 0}, ValueError, "stop_at: expected at least 1 iteration, got 0"),
        ({"stop_at": -3}, ValueError, "got -3"),
        ({"stop_at": 1e3}, TypeError, "stop_at: expected a whole number of iterations such as 1000, got 1000.0"),
        ({"stop_at": True}, TypeError, "got True"),
        ({"device": "gpu"}, ValueError, "device: expected one of 'auto', 'npu', 'cpu', got 'gpu'"),
        ({"strict": "False"}, TypeError, "strict: expected True or False, got 'False'"),
        ({"stopat": 5}, TypeError, "NPUPatchHook: no argument is called 'stopat'.*did you mean 'stop_at'"),
    ],
)
def test_bad_arguments_fail_at_construction(arguments, error, text):
    with pytest.raises(error, match=text) as caught:
        HOOKS.build({"type": "NPUPatchHook", **arguments})
    assert "\n" not in str(caught.value)


def test_npu_asked_for_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    runner, events = build_runner(tmp_path, {"type": "NPUPatchHook", "device": "npu"})
    with pytest.raises(RuntimeError, match="device='npu': torch_npu is not installed"):
        runner.train()
    assert events.iterations == []


def test_torch_npu_without_cann_says_what_to_set(tmp_path, monkeypatch):
    """The wheel installs from PyPI and does not import without CANN's libraries; a package like it stands in here."""
    package = tmp_path / "torch_npu"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libhccl.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    problem = device.npu_problem()
    assert "does not import (libhccl.so: cannot open shared object file)" in problem
    assert "source CANN's set_env.sh, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0" in problem
    with pytest.raises(RuntimeError, match="device='npu': torch_npu is installed but does not import"):
        device.resolve("npu")
    assert device.resolve("auto") == "cpu"


def test_torch_npu_that_fails_without_a_word(tmp_path, monkeypatch):
    (tmp_path / "torch_npu.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "does not import (ImportError)" in device.npu_problem()


def test_work_dir_that_cannot_be_written(tmp_path):
    runner, events = build_runner(tmp_path / "work", {"type": "NPUPatchHook", "stop_at": 1})
    (tmp_path / "work" / "mx_driving").write_text("a file where our folder should be")
    with pytest.raises(OSError, match="work_dir: expected a folder that can be written to, got .*give another one"):
        runner.train()
    assert events.iterations == []


def test_what_brings_nothing_on_a_device_is_off_there_by_default(tmp_path):
    runner, _ = build_runner(tmp_path, {"type": "NPUPatchHook", "stop_at": 1, "device": "cpu"})
    runner.train()
    assert patches_json(tmp_path)["resnet_maxpool"]["reason"] == "off by default on cpu, name it in enable"


def test_unsupported_mmcv_is_skipped_with_its_version(tmp_path, monkeypatch):
    from mx_driving._core import versions

    stated = versions._stated_version
    monkeypatch.setattr(versions, "_stated_version", lambda package: "2.9.0" if package == "mmcv" else stated(package))
    runner, _ = build_runner(tmp_path, {"type": "NPUPatchHook", "stop_at": 1})
    runner.train()
    assert patches_json(tmp_path)["msda"]["reason"] == "needs mmcv>=1.4,<2.4, found mmcv 2.9.0"


def test_hook_is_known_under_both_names():
    assert HOOKS.get("NPUPatchHook") is HOOKS.get("mx_driving.NPUPatchHook") is mx_driving.NPUPatchHook


def test_importing_the_hooks_changes_nothing_else():
    code = (
        "import mmcv.ops, mmdet.models.backbones.resnet as r, mmcv._ext as e, torch\n"
        "owners = [e, mmcv.ops, r, r.Bottleneck, torch, torch.Tensor]\n"
        "before = [dict(vars(o)) for o in owners]\n"
        "import mx_driving.runner_hooks\n"
        "print(before == [dict(vars(o)) for o in owners])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "True"


def test_two_runs_in_one_process(tmp_path):
    """The second run of the same hook object patches and reports again."""
    hook = NPUPatchHook(only=["msda"], stop_at=1)
    for name in ("a", "b"):
        runner, events = build_runner(tmp_path / name, hook)
        runner.train()
        assert events.iterations == [0]
        assert patches_json(tmp_path / name)["msda"]["status"] == "applied"


def test_runner_built_from_a_config_text(tmp_path):
    """The two statements of the README, as a config file would hold them."""
    from mmengine.config import Config

    text = (
        "custom_imports = dict(imports=['mx_driving.runner_hooks'], allow_failed_imports=False)\n"
        "custom_hooks = [dict(type='NPUPatchHook', disable=['index'], stop_at=3),\n"
        "                dict(type='ProfilerHook', level=1, iters=(1, 3))]\n"
    )
    (tmp_path / "cfg.py").write_text(text)
    config = Config.fromfile(tmp_path / "cfg.py")
    runner = Runner(
        model=build_runner(tmp_path / "unused")[0].model,
        work_dir=str(tmp_path / "work"),
        train_dataloader=DataLoader(Samples(), batch_size=2),
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.001}},
        train_cfg={"by_epoch": True, "max_epochs": 3},
        custom_hooks=config.custom_hooks,
        experiment_name="from_text",
    )
    runner.train()
    assert runner.iter == 3
    assert patches_json(tmp_path / "work")["index"]["reason"] == "disabled by the user"
    assert list((tmp_path / "work").rglob("iters_1_3.pt.trace.json"))
