"""The generated data and the demo config in the real mmdet3d 1.4: the data set, the pipeline, the targets, train.py."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mmengine", reason="mmengine line: mmdet3d 1.4 is not installed here")
import mmdet3d
import run_demo
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

if int(mmdet3d.__version__.split(".")[1]) < 1:
    pytest.skip("mmengine line: this is mmdet3d 1.0", allow_module_level=True)

from mmdet3d.registry import DATASETS, MODELS

CONFIGS = run_demo.CONFIG.parent
BOX_LOSSES = ("offset", "depth", "size", "rotsin", "centerness", "velo", "dir", "attr")


def load_config(demo_data: Path, monkeypatch: pytest.MonkeyPatch, name: str = "demo_fcos3d_stock.py") -> Config:
    monkeypatch.setenv("MX_DRIVING_DEMO_DATA", f"{demo_data}/")
    return Config.fromfile(CONFIGS / name)


@pytest.fixture
def config(demo_data: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    config = load_config(demo_data, monkeypatch)
    init_default_scope("mmdet3d")
    return config


def positives(config: Config, sample) -> int:
    """Number of locations to which the real head assigns a box."""
    head = MODELS.build(config.model).bbox_head
    height, width = sample.metainfo["img_shape"]
    sizes = [(-(-height // stride), -(-width // stride)) for stride in head.strides]
    points = head.get_points(sizes, torch.float32, "cpu")
    labels = head.get_targets(points, [sample.gt_instances_3d], [sample.gt_instances])[0]
    return int(sum((level < head.num_classes).sum() for level in labels))


def test_every_image_reaches_the_head_with_boxes(config):
    dataset = DATASETS.build(config.train_dataloader.dataset)
    assert len(dataset) == 12
    for index in range(len(dataset)):
        found = dataset[index]["data_samples"]
        expected = len(dataset.get_data_info(index)["ann_info"]["gt_labels_3d"])
        assert len(found.gt_instances_3d) == expected > 0
        assert positives(config, found) > 0


def test_boxes_and_calibration_stay_together_through_the_pipeline(config):
    """mmdet3d's own box class, its corners and the resized calibration give the resized 2-D boxes."""
    config.train_pipeline[3].flip_ratio_bev_horizontal = 0.0
    config.train_dataloader.dataset.pipeline = config.train_pipeline
    config.train_pipeline[2].scale = (160, 90)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    whole = 0
    for index in range(len(dataset)):
        sample = dataset[index]["data_samples"]
        boxes, cam2img = sample.gt_instances_3d.bboxes_3d, np.array(sample.metainfo["cam2img"])
        centers = boxes.gravity_center.numpy() @ cam2img[:3, :3].T
        np.testing.assert_allclose(centers[:, :2] / centers[:, 2:], sample.gt_instances_3d.centers_2d, atol=0.02)
        np.testing.assert_allclose(centers[:, 2], sample.gt_instances_3d.depths, rtol=1e-5)
        for corners, bbox in zip(boxes.corners.numpy(), sample.gt_instances.bboxes.numpy()):
            pixels = corners @ cam2img[:3, :3].T
            pixels = pixels[:, :2] / pixels[:, 2:]
            bounds = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
            if corners[:, 2].min() > 0.5 and bounds.min() > 0 and (bounds[2:] < (160, 90)).all():
                np.testing.assert_allclose(bbox, bounds, atol=0.02)
                whole += 1
    assert whole > 50


def test_mmdet_resize_would_lose_the_targets(config):
    """Why the config says Resize3D: with the other one the centres stay where they were in the large image."""
    wrong = copy.deepcopy(config)
    wrong.train_pipeline[2] = {"type": "mmdet.Resize", "scale": (80, 45), "keep_ratio": True}
    config.train_pipeline[2].scale = (80, 45)
    counts = []
    for each in (config, wrong):
        each.train_pipeline[3].flip_ratio_bev_horizontal = 0.0
        each.train_dataloader.dataset.pipeline = each.train_pipeline
        dataset = DATASETS.build(each.train_dataloader.dataset)
        counts.append([positives(each, dataset[index]["data_samples"]) for index in range(len(dataset))])
    assert sum(counts[0]) > 4 * sum(counts[1])


def test_the_demo_config_is_the_stock_one_and_two_statements(demo_data, monkeypatch):
    stock, demo = (
        load_config(demo_data, monkeypatch, name).to_dict() for name in ("demo_fcos3d_stock.py", "demo_fcos3d.py")
    )
    added = {"custom_imports", "custom_hooks"}
    assert set(demo) - set(stock) == added
    assert {key: value for key, value in demo.items() if key not in added} == stock
    text = (CONFIGS / "demo_fcos3d.py").read_text()
    statements = [line for line in text.splitlines() if line and line[0] not in "# ])"]
    assert [line.split(" =")[0] for line in statements] == ["_base_", *sorted(added, reverse=True)]
    assert "mx_driving" not in (CONFIGS / "demo_fcos3d_stock.py").read_text().split('"""')[0].split("_base_")[1]


def test_the_demo_has_deformable_convolutions_in_backbone_and_head(config):
    model = MODELS.build(config.model)
    places = [name for name, module in model.named_modules() if type(module).__name__ == "ModulatedDeformConv2dPack"]
    assert any(name.startswith("backbone.layer4") for name in places)
    assert any(name.startswith("bbox_head.cls_convs") for name in places)
    assert any(name.startswith("bbox_head.reg_convs") for name in places)
    assert model.bbox_head.norm_on_bbox


def test_the_stock_script_is_the_one_that_was_shipped():
    script = run_demo.stock_script()
    (entry,) = [file for file in metadata.files("mmdet3d") if file.locate() == script]
    digest = hashlib.new(entry.hash.mode, script.read_bytes()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == entry.hash.value


def test_the_stock_script_trains_on_it_and_every_box_loss_counts(demo_data, tmp_path):
    """Nothing of mx_driving: this is the run that all patched ones are compared with."""
    command = [sys.executable, str(run_demo.stock_script()), str(CONFIGS / "demo_fcos3d_stock.py")]
    options = ["train_cfg.max_epochs=1", "train_dataloader.dataset.indices=4", "default_hooks.checkpoint.interval=-1"]
    env = dict(os.environ, MX_DRIVING_DEMO_DATA=f"{demo_data}/", OMP_NUM_THREADS="1")
    done = subprocess.run(
        [*command, "--work-dir", str(tmp_path), "--cfg-options", *options],
        env=env, cwd=tmp_path, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    losses = run_demo.box_losses(tmp_path)
    assert len(losses) == 2
    for step in losses:
        assert all(np.isfinite(value) for value in step.values())
        assert all(step[f"loss_{name}"] > 1e-4 for name in BOX_LOSSES), json.dumps(step)
    assert "mx_driving" not in done.stdout + done.stderr.replace(str(CONFIGS), "")


def test_where_to_look_names_what_is_there_and_what_is_not(tmp_path):
    (tmp_path / "mx_driving").mkdir()
    (tmp_path / "mx_driving" / "patches.json").write_text("{}")
    text = run_demo.where_to_look(tmp_path)
    assert "patch report: " in text
    assert "patches.json" in text
    assert "checkpoints: none" in text
