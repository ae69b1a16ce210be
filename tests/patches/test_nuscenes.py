"""``nuscenes_metric``: the same boxes as mmdet3d makes, down to their types."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mx_driving._core import PatchSet
from mx_driving.patches import load

metric = pytest.importorskip(
    "mmdet3d.evaluation.metrics.nuscenes_metric", reason="mmdet3d 1.x is not installed here; the other line runs it"
)
from mmdet3d.structures import CameraInstance3DBoxes, DepthInstance3DBoxes, LiDARInstance3DBoxes  # noqa: E402


def detection(box_class, count, attributes=False):
    torch.manual_seed(0)
    boxes = torch.rand(count, 9) * 10
    boxes[:, 6] = torch.linspace(-7, 7, count)
    if count:
        boxes[0, 6] = 0.0
    found = {
        "bboxes_3d": box_class(boxes, box_dim=9),
        "scores_3d": torch.rand(count),
        "labels_3d": torch.arange(count) % 10,
    }
    if attributes:
        found["attr_labels"] = torch.arange(count) % 4
    return found


@pytest.mark.parametrize("box_class", [LiDARInstance3DBoxes, CameraInstance3DBoxes])
@pytest.mark.parametrize("count", [0, 1, 40])
@pytest.mark.parametrize("attributes", [False, True])
def test_same_boxes(box_class, count, attributes):
    found = detection(box_class, count, attributes)
    expected, expected_attributes = metric.output_to_nusc_box(found)
    with PatchSet([load("nuscenes_metric")]):
        got, got_attributes = metric.output_to_nusc_box(found)
    np.testing.assert_array_equal(got_attributes, expected_attributes)
    assert len(got) == len(expected) == count
    for one, other in zip(got, expected):
        assert one == other
        assert (type(one.label), type(one.score)) == (type(other.label), type(other.score))
        np.testing.assert_allclose(one.orientation.q, other.orientation.q, atol=1e-6)
        np.testing.assert_allclose(one.velocity, other.velocity)
        assert vars(one).keys() == vars(other).keys()
        for name in ("center", "wlh", "velocity"):
            assert vars(one)[name].dtype == vars(other)[name].dtype


def test_boxes_do_not_share_memory_with_the_detection():
    """The caller turns and moves the boxes in place; the prediction must not move with them."""
    found = detection(LiDARInstance3DBoxes, 3)
    before = found["bboxes_3d"].tensor.clone()
    with PatchSet([load("nuscenes_metric")]):
        boxes, _ = metric.output_to_nusc_box(found)
    for box in boxes:
        box.translate(np.ones(3))
        box.wlh += 1
        box.velocity += 1
    assert torch.equal(found["bboxes_3d"].tensor, before)


def test_other_boxes_meet_the_stock_error():
    with PatchSet([load("nuscenes_metric")]), pytest.raises(NotImplementedError, match="DepthInstance3DBoxes"):
        metric.output_to_nusc_box(detection(DepthInstance3DBoxes, 2))


def test_nan_is_refused_as_in_the_stock_function():
    found = detection(LiDARInstance3DBoxes, 2)
    found["bboxes_3d"].tensor[0, 0] = float("nan")
    with pytest.raises(AssertionError):
        metric.output_to_nusc_box(found)
    with PatchSet([load("nuscenes_metric")]), pytest.raises(AssertionError):
        metric.output_to_nusc_box(found)


def seven_columns(found, count):
    boxes = found["bboxes_3d"]
    found["bboxes_3d"] = type(boxes)(boxes.tensor[:, :7], box_dim=7)


def float_labels(found, count):
    found["labels_3d"] = found["labels_3d"] + 0.5


def fewer_scores(found, count):
    found["scores_3d"] = found["scores_3d"][:-1]


def more_scores(found, count):
    found["scores_3d"] = torch.rand(count + 2)


def nan_scores_and_labels(found, count):
    found["scores_3d"] = found["scores_3d"] * float("nan")
    found["labels_3d"] = found["labels_3d"] * float("nan")


def flags_as_labels(found, count):
    found["labels_3d"] = found["labels_3d"] > 0


def infinite_yaw(found, count):
    found["bboxes_3d"].tensor[:, 6] = float("inf")


def nan_velocity(found, count):
    found["bboxes_3d"].tensor[:, 7] = float("nan")


ODD = (
    seven_columns,
    float_labels,
    fewer_scores,
    more_scores,
    nan_scores_and_labels,
    flags_as_labels,
    infinite_yaw,
    nan_velocity,
)


def made_or_raised(found):
    try:
        return [
            {name: repr((value, type(value), getattr(value, "dtype", None))) for name, value in vars(box).items()}
            for box in metric.output_to_nusc_box(found)[0]
        ]
    except Exception as exc:  # noqa: BLE001 - whatever the original raises is the expectation
        return type(exc), str(exc)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("box_class", [LiDARInstance3DBoxes, CameraInstance3DBoxes])
@pytest.mark.parametrize("count", [0, 3])
def test_odd_predictions_end_as_in_the_stock_function(odd, box_class, count):
    made = []
    for patches in ([], [load("nuscenes_metric")]):
        found = detection(box_class, count)
        odd(found, count)
        with PatchSet(patches):
            made.append(made_or_raised(found))
    assert made[0] == made[1]
