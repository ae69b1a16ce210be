"""Shares of the common area of turned boxes."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor

from mx_driving.ops.boxes_overlap_bev import _cross, _polygon_area

PARALLEL = 1e-14  # edges whose cross product is smaller do not meet in a point
PAIRS = 1 << 16  # pairs whose polygons (24 vertices) are held at once


def box_iou_rotated(boxes1: Tensor, boxes2: Tensor, mode: str = "iou", aligned: bool = False) -> Tensor:
    """Return the common area of turned boxes over their united area, or over the first one's.

    Args:
        boxes1 (Tensor[M, 5]): ``(x, y, width, height, angle)``, the angle in radians from x to y.
        boxes2 (Tensor[N, 5]): likewise.
        mode (str): ``iou`` or ``iof``.
        aligned (bool): compare row by row; M must be N.

    Returns:
        Tensor[M, N], or Tensor[M] if aligned; 0 for boxes without area.

    Source: mmcv's ``box_iou_rotated`` (Detectron2's).
    """
    if aligned:
        return paired_iou(boxes1[:, :5], boxes2[:, :5], mode)
    near = may_touch(boxes1, boxes2)
    first, second = torch.nonzero(near, as_tuple=True)
    out = boxes1.new_zeros(near.shape)
    out[first, second] = paired_iou(boxes1[first, :5], boxes2[second, :5], mode)
    return out


def may_touch(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Tell which circles around the boxes meet, Tensor[M, N] of bool: all other pairs share nothing."""
    reach1, reach2 = torch.hypot(boxes1[:, 2], boxes1[:, 3]), torch.hypot(boxes2[:, 2], boxes2[:, 3])
    apart = torch.hypot(boxes1[:, None, 0] - boxes2[:, 0], boxes1[:, None, 1] - boxes2[:, 1])
    return ~(apart > (reach1[:, None] + reach2) * 0.5001)


def paired_iou(boxes1: Tensor, boxes2: Tensor, mode: str = "iou") -> Tensor:
    """Return the share for box i of Tensor[P, 5] and box i of the other: Tensor[P]."""
    parts = [_iou(a, b, mode) for a, b in zip(boxes1.split(PAIRS), boxes2.split(PAIRS))]
    return torch.cat(parts) if parts else boxes1.new_zeros(0)


def _iou(a: Tensor, b: Tensor, mode: str) -> Tensor:
    # Relative to the middle between the two: far from the origin float32 has few digits left.
    middle = (a[:, :2] + b[:, :2]) / 2
    corners_a, corners_b = _corners(a, middle), _corners(b, middle)
    crossings, crosses = _crossings(corners_a, corners_b)
    points = torch.cat([crossings, corners_a, corners_b], 1)
    valid = torch.cat([crosses, _inside(corners_a, corners_b), _inside(corners_b, corners_a)], 1)
    common = torch.where(valid.sum(1) > 2, _polygon_area(points, valid), a.new_zeros(()))
    area_a, area_b = a[:, 2] * a[:, 3], b[:, 2] * b[:, 3]
    share = common / (area_a + area_b - common if mode == "iou" else area_a)
    return torch.where((area_a < PARALLEL) | (area_b < PARALLEL), torch.zeros_like(share), share)


def _corners(boxes: Tensor, origin: Tensor) -> Tensor:
    x, y = (boxes[:, :2] - origin).unsqueeze(2).unbind(1)
    cos, sin = torch.cos(boxes[:, 4:5]) / 2, torch.sin(boxes[:, 4:5]) / 2
    along = boxes[:, 2:3] * boxes.new_tensor([-1.0, -1.0, 1.0, 1.0])
    across = boxes[:, 3:4] * boxes.new_tensor([1.0, -1.0, -1.0, 1.0])
    return torch.stack([x + cos * along - sin * across, y + sin * along + cos * across], 2)


def _crossings(a: Tensor, b: Tensor) -> Tuple[Tensor, Tensor]:
    """Where the edges meet, Tensor[P, 16, 2], and whether they do, Tensor[P, 16]; touching counts."""
    edge_a, edge_b = (a.roll(-1, 1) - a).unsqueeze(2), (b.roll(-1, 1) - b).unsqueeze(1)
    start_a = a.unsqueeze(2)
    between = b.unsqueeze(1) - start_a
    determinant = _cross(edge_b, edge_a)
    parallel = determinant.abs() <= PARALLEL
    divisor = torch.where(parallel, torch.ones_like(determinant), determinant)
    t, u = _cross(edge_b, between) / divisor, _cross(edge_a, between) / divisor
    meet = ~parallel & (t >= 0) & (t <= 1) & (u >= 0) & (u <= 1)
    return (start_a + edge_a * t.unsqueeze(3)).flatten(1, 2), meet.flatten(1)


def _inside(points: Tensor, corners: Tensor) -> Tensor:
    """Tell which points lie in the rectangle, its border included: Tensor[P, 4] of bool."""
    ab, ad = corners[:, 1:2] - corners[:, :1], corners[:, 3:4] - corners[:, :1]
    ap = points - corners[:, :1]
    along, across = (ap * ab).sum(2), (ap * ad).sum(2)
    return (along >= 0) & (across >= 0) & (along <= (ab * ab).sum(2)) & (across <= (ad * ad).sum(2))
