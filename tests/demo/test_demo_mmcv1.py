"""The generated data and the demo config of the mmcv 1.x line in the real mmdet3d 1.0: data set, pipeline, targets."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from repository_scripts import ROOT

if not any(name == "mmcv-full" for name in (dist.metadata["Name"] for dist in metadata.distributions())):
    pytest.skip("mmcv 1.x line: mmcv-full is not installed here", allow_module_level=True)

from mx_driving.patcher import patch_mmcv_version

with patch_mmcv_version("1.6.0"):  # mmdet3d 1.0.0rc6 refuses mmcv 1.7.2
    import mmcv
    import torch
    from mmdet3d.datasets import build_dataset
    from mmdet3d.models import build_model

CONFIGS = ROOT / "configs" / "mmcv1"


@pytest.fixture
def config(demo_data: Path, monkeypatch: pytest.MonkeyPatch) -> mmcv.Config:
    monkeypatch.setenv("MX_DRIVING_DEMO_DATA", f"{demo_data}/")
    # mmdet3d 1.0 uses the alias that numpy 1.24 dropped; in a run the numpy_type patch sees to it.
    monkeypatch.setattr(np, "bool", bool, raising=False)
    return mmcv.Config.fromfile(str(CONFIGS / "demo_fcos3d_stock.py"))


def test_every_image_reaches_the_head_with_boxes(config):
    dataset = build_dataset(config.data.train)
    head = build_model(config.model).bbox_head
    assert len(dataset) == 12
    for index in range(len(dataset)):
        sample = {key: value.data for key, value in dataset[index].items()}
        assert len(sample["gt_bboxes_3d"].tensor) == len(dataset.get_ann_info(index)["labels"]) > 0
        height, width = sample["img"].shape[1:]
        points = head.get_points([(height // stride, width // stride) for stride in head.strides], torch.float32, "cpu")
        names = ("gt_bboxes", "gt_labels", "gt_bboxes_3d", "gt_labels_3d", "centers2d", "depths", "attr_labels")
        labels = head.get_targets(points, *([sample[name]] for name in names))[0]
        assert sum((level < head.num_classes).sum() for level in labels) > 0


def test_boxes_and_calibration_agree_in_the_loaded_sample(config):
    """mmdet3d 1.0's own box class and the calibration of the json file give the 2-D boxes of the json file."""
    config.data.train.pipeline[2].flip_ratio_bev_horizontal = 0.0
    dataset = build_dataset(config.data.train)
    whole = 0
    for index in range(len(dataset)):
        sample = {key: value.data for key, value in dataset[index].items()}
        intrinsic, boxes = np.array(sample["img_metas"]["cam2img"]), sample["gt_bboxes_3d"]
        centers = boxes.gravity_center.numpy() @ intrinsic[:3, :3].T
        np.testing.assert_allclose(centers[:, :2] / centers[:, 2:], sample["centers2d"], atol=0.02)
        for corners, bbox in zip(boxes.corners.numpy(), sample["gt_bboxes"].numpy()):
            pixels = corners @ intrinsic[:3, :3].T
            pixels = pixels[:, :2] / pixels[:, 2:]
            bounds = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
            if corners[:, 2].min() > 0.5 and bounds.min() > 0 and (bounds[2:] < (320, 180)).all():
                np.testing.assert_allclose(bbox, bounds, atol=0.02)
                whole += 1
    assert whole > 50


def test_the_demo_config_is_the_stock_one_and_two_statements(config):
    demo = mmcv.Config.fromfile(str(CONFIGS / "demo_fcos3d.py"), import_custom_modules=False)
    added = {"custom_imports", "custom_hooks"}
    assert set(demo) - set(config) == added
    assert {key: value for key, value in demo._cfg_dict.items() if key not in added} == config._cfg_dict
    for line in ("dict(type='NPUPatchHook', stop_at=16),", "dict(type='ProfilerHook', level=1, iters=(4, 7)),"):
        for path in (CONFIGS, CONFIGS.parent):
            assert line in (path / "demo_fcos3d.py").read_text()


def test_the_demo_has_deformable_convolutions_in_backbone_and_head(config):
    model = build_model(config.model)
    places = [name for name, module in model.named_modules() if type(module).__name__ == "ModulatedDeformConv2dPack"]
    assert any(name.startswith("backbone.layer4") for name in places)
    assert any(name.startswith("bbox_head.cls_convs") for name in places)
