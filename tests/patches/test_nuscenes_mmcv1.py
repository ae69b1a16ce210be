"""``nuscenes_dataset``: the same boxes as mmdet3d 1.0 makes for lidar and camera."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("mmcv.runner", reason="mmcv1 line; the mmengine line has its own")
from mmdet3d.core.bbox import CameraInstance3DBoxes, LiDARInstance3DBoxes
from mmdet3d.datasets import nuscenes_dataset, nuscenes_mono_dataset

from mx_driving._core import PatchSet
from mx_driving.patches import load


def detection(box_class, count, attributes=False):
    torch.manual_seed(0)
    boxes = torch.rand(count, 9) * 10
    boxes[:, 6] = torch.linspace(-7, 7, count)
    found = {
        "boxes_3d": box_class(boxes, box_dim=9),
        "scores_3d": torch.rand(count),
        "labels_3d": torch.arange(count) % 10,
    }
    if attributes:
        found["attrs_3d"] = torch.arange(count) % 4
    return found


def assert_same_boxes(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert one == other
        assert (type(one.label), type(one.score)) == (type(other.label), type(other.score))
        np.testing.assert_allclose(one.velocity, other.velocity)
        for name in ("center", "wlh", "velocity"):
            assert vars(one)[name].dtype == vars(other)[name].dtype


@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("with_velocity", [True, False])
def test_lidar(count, with_velocity):
    found = detection(LiDARInstance3DBoxes, count)
    expected = nuscenes_dataset.output_to_nusc_box(found, with_velocity)
    with PatchSet([load("nuscenes_dataset")], strict=True):
        assert_same_boxes(nuscenes_dataset.output_to_nusc_box(found, with_velocity), expected)


@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("attributes", [True, False])
def test_camera(count, attributes):
    # The stock function turns the boxes' sizes in place: each call gets boxes of its own.
    expected, expected_attributes = nuscenes_mono_dataset.output_to_nusc_box(
        detection(CameraInstance3DBoxes, count, attributes)
    )
    with PatchSet([load("nuscenes_dataset")], strict=True):
        got, got_attributes = nuscenes_mono_dataset.output_to_nusc_box(
            detection(CameraInstance3DBoxes, count, attributes)
        )
    assert_same_boxes(got, expected)
    np.testing.assert_array_equal(got_attributes, expected_attributes)


def test_camera_boxes_are_turned_in_place_as_by_the_stock_function():
    stock, patched = detection(CameraInstance3DBoxes, 3), detection(CameraInstance3DBoxes, 3)
    nuscenes_mono_dataset.output_to_nusc_box(stock)
    with PatchSet([load("nuscenes_dataset")], strict=True):
        nuscenes_mono_dataset.output_to_nusc_box(patched)
    assert torch.equal(stock["boxes_3d"].tensor, patched["boxes_3d"].tensor)


@pytest.mark.parametrize("module", [nuscenes_dataset, nuscenes_mono_dataset])
@pytest.mark.parametrize("odd", ["7 columns", "float labels", "fewer scores", "infinite yaw"])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_odd_predictions_end_as_in_the_stock_functions(module, odd):
    ends = []
    for patches in ([], [load("nuscenes_dataset")]):
        box_class = LiDARInstance3DBoxes if module is nuscenes_dataset else CameraInstance3DBoxes
        found = detection(box_class, 3)
        if odd == "7 columns":
            found["boxes_3d"] = box_class(found["boxes_3d"].tensor[:, :7], box_dim=7)
        elif odd == "float labels":
            found["labels_3d"] = found["labels_3d"] + 0.5
        elif odd == "fewer scores":
            found["scores_3d"] = found["scores_3d"][:-1]
        else:
            found["boxes_3d"].tensor[:, 6] = float("inf")
        with PatchSet(patches):
            try:
                ends.append(repr(module.output_to_nusc_box(found)))
            except Exception as exc:  # noqa: BLE001 - whatever the original raises is the expectation
                ends.append((type(exc), str(exc)))
    assert ends[0] == ends[1]
