"""The low ends of the patches' ranges: no line here installs those versions, so their real sources are read and run."""

from __future__ import annotations

import ast
import sys
import types

import numpy as np
import pytest

from mx_driving._core import PatchSet, Replace, versions
from mx_driving._core.record import split
from mx_driving.patches import load

OLD = {"mmdet": "mmdet==2.14.0", "mmdet3d": "mmdet3d==0.17.1", "mmcv": "mmcv==1.7.2"}
NAMES = ("dc", "mdc", "msda", "ddp", "ddp_forward", "resnet_add_relu", "resnet_maxpool", "nuscenes_dataset")
TARGETS = sorted({target.path for name in NAMES for target in load(name).targets if isinstance(target, Replace)})
TARGETS = [path for path in TARGETS if not path.startswith("mmcv._ext:")]  # compiled: in no source file


@pytest.mark.parametrize("path", TARGETS)
def test_target_is_in_the_old_source(real, path):
    module, attributes = split(path)
    package, _, rest = module.partition(".")
    file = real(OLD[package]) / package / (rest.replace(".", "/") + ".py")
    body = ast.parse(file.read_text(encoding="utf-8")).body
    for name in attributes:
        (found,) = [node for node in body if getattr(node, "name", None) == name]
        body = getattr(found, "body", [])


def test_boxes_of_mmdet3d_0_17(real, monkeypatch):
    """The function's own text, cut from 0.17.1: before 1.0 boxes had another order and another zero of the angle."""
    torch = pytest.importorskip("torch", reason="this environment has no torch")
    data_classes = pytest.importorskip("nuscenes.utils.data_classes", reason="this environment has no nuscenes-devkit")
    pyquaternion = pytest.importorskip("pyquaternion", reason="this environment has no pyquaternion")
    text = (real(OLD["mmdet3d"]) / "mmdet3d" / "datasets" / "nuscenes_dataset.py").read_text(encoding="utf-8")
    (function,) = [node for node in ast.parse(text).body if getattr(node, "name", None) == "output_to_nusc_box"]
    module = types.ModuleType("mmdet3d.datasets.nuscenes_dataset")
    vars(module).update(np=np, pyquaternion=pyquaternion, NuScenesBox=data_classes.Box)
    exec(compile(ast.Module([function], []), "nuscenes_dataset.py", "exec"), vars(module))  # noqa: S102
    monkeypatch.setitem(sys.modules, "mmdet3d.datasets.nuscenes_dataset", module)
    monkeypatch.setitem(sys.modules, "mmdet3d.datasets.nuscenes_mono_dataset", types.ModuleType("mono"))
    vars(sys.modules["mmdet3d.datasets.nuscenes_mono_dataset"])["output_to_nusc_box"] = lambda detection: None
    monkeypatch.setattr(versions, "_stated_version", lambda package: "0.17.1")

    torch.manual_seed(0)
    tensor = torch.rand(20, 9) * 6 - 3
    tensor[:, 3:6] = tensor[:, 3:6].abs() + 0.1
    boxes = types.SimpleNamespace(tensor=tensor, gravity_center=tensor[:, :3], dims=tensor[:, 3:6], yaw=tensor[:, 6])
    boxes = type("Boxes", (types.SimpleNamespace,), {"__len__": lambda self: 20})(**vars(boxes))
    found = {"boxes_3d": boxes, "scores_3d": torch.rand(20), "labels_3d": torch.arange(20) % 10}
    expected = module.output_to_nusc_box(found)
    with PatchSet([load("nuscenes_dataset")], strict=True) as patches:
        assert patches.report["nuscenes_dataset"].status == "applied"
        got = module.output_to_nusc_box(found)
    assert len(got) == 20
    assert all(one == other for one, other in zip(got, expected))
