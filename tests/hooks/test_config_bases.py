"""A config's custom_hooks replaces its base's: what was lost by that is said, and the ways to keep it work."""

from __future__ import annotations

import pytest

from mx_driving.runner_hooks import NPUPatchHook
from mx_driving.training.config_bases import dropped_hooks

DEFAULT = "custom_hooks = [dict(type='mmdet.NumClassCheckHook')]\n"
RTMDET = (
    "_base_ = ['./default.py']\ncustom_hooks = [dict(type='EMAHook'), {'type': 'PipelineSwitchHook', 'switch': 3}]\n"
)
KEEPS = "_base_ = './default.py'\ncustom_hooks = [*_base_.custom_hooks, dict(type='EMAHook')]\n"
OURS = "custom_hooks = [dict(type='NPUPatchHook')]\n"
LAZY_BASE = "from mmengine.hooks import EMAHook\ncustom_hooks = [dict(type=EMAHook)]\n"
LAZY = (
    "with read_base():\n    from .lazy_base import *\n"
    "from x import NPUPatchHook\ncustom_hooks = [dict(type=NPUPatchHook)]\n"
)
BASE = "custom_hooks = [dict(type='SyncBuffersHook')]\ncustom_imports = dict(imports=['json'])\n"
KEPT = (
    "_base_ = './base.py'\n"
    "custom_imports = dict(imports=[*_base_.custom_imports.imports, 'mx_driving.runner_hooks'])\n"
    "custom_hooks = [*_base_.custom_hooks, dict(type='NPUPatchHook')]\n"
)
NEW_STYLE = (
    "from mmengine.config import read_base\n"
    "with read_base():\n"
    "    from .new_base import *\n"
    "from mx_driving.runner_hooks import NPUPatchHook\n"
    "custom_hooks = [*custom_hooks, dict(type=NPUPatchHook)]\n"
)
NEW_BASE = "from mmengine.hooks import SyncBuffersHook\ncustom_hooks = [dict(type=SyncBuffersHook)]\n"


@pytest.mark.parametrize(
    ("config", "lost"),
    [
        ("_base_ = './rtmdet.py'\n" + OURS, ["EMAHook", "PipelineSwitchHook"]),
        ("_base_ = ['./keeps.py', './nothing.py', 'mmdet::x.py']\n" + OURS, ["NumClassCheckHook", "EMAHook"]),
        (LAZY, ["EMAHook"]),
        ("_base_ = './rtmdet.py'\n", []),
        ("_base_ = './default.py'\ncustom_hooks = more()\n", []),
        (OURS, []),
        ("_base_ = {{ no python }}\n" + OURS, []),
        ("_base_ = './itself.py'\n" + OURS, []),
    ],
)
def test_lost_hooks_are_found_by_reading(tmp_path, config, lost):
    files = {
        "default": DEFAULT,
        "rtmdet": RTMDET,
        "keeps": KEEPS,
        "lazy_base": LAZY_BASE,
        "itself": "_base_='itself.py'",
    }
    for name, text in {**files, "config": config}.items():
        (tmp_path / f"{name}.py").write_text(text)
    assert dropped_hooks(str(tmp_path / "config.py"), [NPUPatchHook, "NPUPatchHook"]) == lost
    assert dropped_hooks(None, []) == []


def test_the_log_says_so_and_the_ways_to_keep_them_work(tmp_path):
    config = pytest.importorskip("mmengine.config", reason="mmcv 1.x tells its runner no config's name")
    from mmengine.runner import Runner
    from torch.utils.data import DataLoader
    from toy_mmengine import Samples, Toy

    said = {}
    texts = {
        "base": BASE,
        "lost": "_base_ = './base.py'\n" + OURS,
        "kept": KEPT,
        "new_base": NEW_BASE,
        "new": NEW_STYLE,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    for name in ("lost", "kept", "new"):
        loaded = config.Config.fromfile(tmp_path / f"{name}.py")
        loaded.merge_from_dict({f"custom_hooks.{len(loaded.custom_hooks) - 1}.stop_at": 1})  # --cfg-options
        runner = Runner(
            Toy(),
            work_dir=str(tmp_path / "work" / name),
            cfg=loaded,
            train_dataloader=DataLoader(Samples(), batch_size=2),
            optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.001}},
            train_cfg={"by_epoch": True, "max_epochs": 3},
            custom_hooks=loaded.custom_hooks,
            experiment_name=f"bases_{name}",
        )
        runner.train()
        assert runner.iter == 1
        text = "".join(path.read_text() for path in (tmp_path / "work" / name).rglob("*.log"))
        said[name] = "replaces its base's: SyncBuffersHook does not run" in text
        assert any(type(hook).__name__ == "SyncBuffersHook" for hook in runner.hooks) is not said[name]
    assert said == {"lost": True, "kept": False, "new": False}
