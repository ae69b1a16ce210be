"""Boxes under the peer's names, with its conventions."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving import ops
from mx_driving.ops import nms3d

__all__ = [
    "box_iou_rotated",
    "nms3d",
    "nms3d_normal",
    "npu_nms3d",
    "npu_nms3d_normal",
    "npu_points_in_box",
    "npu_points_in_box_all",
    "points_in_box",
    "points_in_boxes_all",
]

npu_nms3d = nms3d


def npu_points_in_box(boxes: Tensor, pt: Tensor) -> Tensor:
    """Find for every point the first box that holds it.

    Args:
        boxes (Tensor[B, M, 7]): ``(x, y, z, dx, dy, dz, heading)``, **z the centre**; metres and radians.
        pt (Tensor[B, N, 3]): points, in metres.

    Returns:
        Tensor[B, N] of int32: index of the box, -1 for none. All sides are closed (mmcv's are open, its z the bottom).
    """
    if boxes.shape[-1] != 7 or pt.shape[-1] != 3 or boxes.dim() != 3 or pt.dim() != 3:
        raise ValueError(
            f"points_in_box: expected boxes [B, M, 7] and points [B, N, 3], got {list(boxes.shape)} and "
            f"{list(pt.shape)}"
        )
    found = pt.new_full(pt.shape[:2], -1, dtype=torch.int32)
    # One box after the other, the last first: memory stays that of the points, and lower numbers win.
    for number in range(boxes.shape[1] - 1, -1, -1):
        box = boxes[:, number : number + 1]
        d = (pt - box[..., :3]).unbind(-1)
        cos, sin = box[..., 6].cos(), box[..., 6].sin()
        inside = (d[0] * cos + d[1] * sin).abs() <= box[..., 3] / 2
        inside &= (d[1] * cos - d[0] * sin).abs() <= box[..., 4] / 2
        inside &= d[2].abs() <= box[..., 5] / 2
        found = found.masked_fill(inside, number)
    return found


def points_in_box(boxes: Tensor, pts: Tensor) -> Tensor:
    """The newer name of :func:`npu_points_in_box`."""
    return npu_points_in_box(boxes, pts)


def points_in_boxes_all(boxes: Tensor, pts: Tensor) -> Tensor:
    """As :func:`mx_driving.ops.points_in_boxes_all` with the boxes first; also in mmcv's order, told by the columns."""
    if boxes.shape[-1] == 3 and pts.shape[-1] == 7:
        boxes, pts = pts, boxes
    return ops.points_in_boxes_all(pts, boxes)


npu_points_in_box_all = points_in_boxes_all


def box_iou_rotated(
    boxes_a: Tensor, boxes_b: Tensor, mode: str = "iou", aligned: bool = False, clockwise: bool = True
) -> Tensor:
    """As :func:`mx_driving.ops.box_iou_rotated`; not clockwise: angles are negated."""
    if not clockwise:
        turn = boxes_a.new_tensor([1.0, 1.0, 1.0, 1.0, -1.0])
        boxes_a, boxes_b = boxes_a * turn, boxes_b * turn
    return ops.box_iou_rotated(boxes_a, boxes_b, mode, aligned)


def nms3d_normal(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """As :func:`mx_driving.ops.nms3d_normal`, but an overlap of exactly the threshold is dropped as well."""
    below = torch.nextafter(torch.tensor(iou_threshold, dtype=torch.float32), torch.tensor(-1.0))
    return ops.nms3d_normal(boxes, scores, float(below))


npu_nms3d_normal = nms3d_normal
