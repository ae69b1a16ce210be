"""Areas that turned boxes have in common, seen from above."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import chunks

MARGIN = 1e-2  # metres by which a box is enlarged where it is asked whether it holds a corner of the other
EPSILON = 1e-8
PAIRS = 1 << 16  # pairs whose polygons (24 vertices) are held at once


def boxes_overlap_bev(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Areas that each box of one set shares with each of the other, seen from above.

    Args:
        boxes_a (Tensor[M, 7]): ``(x, y, z, dx, dy, dz, heading)``, metres and radians; z and dz are not used.
        boxes_b (Tensor[N, 7]): likewise.

    Returns:
        Tensor[M, N]: areas in square metres.

    Raises:
        ValueError: if the boxes do not have 7 columns.

    Source: mmcv's ``iou3d_boxes_overlap_bev_forward`` (OpenPCDet's iou3d_nms), whose margin of a centimetre is kept.
    """
    for name, boxes in (("boxes_a", boxes_a), ("boxes_b", boxes_b)):
        if boxes.dim() != 2 or boxes.shape[1] != 7:
            raise ValueError(f"boxes_overlap_bev: {name} must be [N, 7], got {list(boxes.shape)}")
    result = boxes_a.new_zeros((boxes_a.shape[0], boxes_b.shape[0]))
    for rows in chunks(boxes_a.shape[0], boxes_b.shape[0]):
        first, second = torch.nonzero(may_touch(boxes_a[rows], boxes_b), as_tuple=True)
        result[rows][first, second] = paired_overlap(boxes_a[rows][first], boxes_b[second])
    return result


def may_touch(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Tell for Tensor[M, 7] and Tensor[N, 7] which circles around the boxes meet: all other pairs share nothing."""
    reach_a = torch.hypot(boxes_a[:, 3], boxes_a[:, 4]) / 2
    reach_b = torch.hypot(boxes_b[:, 3], boxes_b[:, 4]) / 2
    apart = torch.hypot(boxes_a[:, None, 0] - boxes_b[:, 0], boxes_a[:, None, 1] - boxes_b[:, 1])
    return ~(apart > (reach_a[:, None] + reach_b + 2 * MARGIN))


def paired_overlap(boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Areas shared by box i of Tensor[P, 7] and box i of the other: Tensor[P], computed in parts of bounded size."""
    parts = [_overlap(a, b) for a, b in zip(boxes_a.split(PAIRS), boxes_b.split(PAIRS))]
    return torch.cat(parts) if len(parts) != 1 else parts[0]


def _overlap(a: Tensor, b: Tensor) -> Tensor:
    # Relative to the first box's centre: far from the origin float32 has few digits left for the products.
    centre = (b[:, :2] - a[:, :2]).unsqueeze(1)
    corners_a, corners_b = _corners(a), _corners(b) + centre
    crossings, crosses = _crossings(corners_a, corners_b)
    b_in_a = _holds(a, corners_b)
    a_in_b = _holds(b, corners_a - centre)
    points = torch.cat([crossings, corners_b, corners_a], 1)
    valid = torch.cat([crosses, b_in_a, a_in_b], 1)
    return _polygon_area(points, valid)


def _corners(boxes: Tensor) -> Tensor:
    """Corners around the box's own centre, anticlockwise: Tensor[P, 4, 2]."""
    x = boxes[:, 3:4] / 2 * boxes.new_tensor([-1.0, 1.0, 1.0, -1.0])
    y = boxes[:, 4:5] / 2 * boxes.new_tensor([-1.0, -1.0, 1.0, 1.0])
    cos, sin = torch.cos(boxes[:, 6:7]), torch.sin(boxes[:, 6:7])
    return torch.stack([x * cos - y * sin, x * sin + y * cos], 2)


def _holds(boxes: Tensor, points: Tensor) -> Tensor:
    """Tell whether a box, a margin larger, holds points given relative to its centre: Tensor[P, 4] of bool."""
    cos, sin = torch.cos(boxes[:, 6:7]), torch.sin(boxes[:, 6:7])
    x = points[..., 0] * cos + points[..., 1] * sin
    y = points[..., 1] * cos - points[..., 0] * sin
    return (x.abs() < boxes[:, 3:4] / 2 + MARGIN) & (y.abs() < boxes[:, 4:5] / 2 + MARGIN)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def _crossings(corners_a: Tensor, corners_b: Tensor) -> Tuple[Tensor, Tensor]:
    """Where the edges cross: Tensor[P, 16, 2] and whether they do, Tensor[P, 16]; touching does not count."""
    p0, p1 = corners_a.unsqueeze(2), corners_a.roll(-1, 1).unsqueeze(2)
    q0, q1 = corners_b.unsqueeze(1), corners_b.roll(-1, 1).unsqueeze(1)
    s1, s5 = _cross(q0 - p0, p1 - p0), _cross(q1 - p0, p1 - p0)
    s3, s4 = _cross(p0 - q0, q1 - q0), _cross(q1 - q0, p1 - q0)
    crosses = (s1 * -s5 > 0) & (s3 * s4 > 0)
    share = torch.where(crosses, s1 / torch.where(crosses, s1 - s5, torch.ones_like(s1)), torch.zeros_like(s1))
    points = q0 + share.unsqueeze(3) * (q1 - q0)
    return points.flatten(1, 2), crosses.flatten(1)


def _polygon_area(points: Tensor, valid: Tensor) -> Tensor:
    """Area of the convex polygon of the valid points, Tensor[P, V, 2] and Tensor[P, V]: sorted by angle, a fan."""
    weight = valid.to(points.dtype)
    count = weight.sum(1, keepdim=True)
    centre = (points * weight.unsqueeze(2)).sum(1) / count.clamp(min=1)
    relative = points - centre.unsqueeze(1)
    angle = torch.atan2(relative[..., 1], relative[..., 0])
    order = torch.where(valid, angle, torch.full_like(angle, 10.0)).argsort(1)
    relative = relative.gather(1, order.unsqueeze(2).expand_as(relative))
    start = relative[:, :1]
    present = (torch.arange(points.shape[1], device=points.device) < count).unsqueeze(2)
    fan = torch.where(present, relative - start, torch.zeros_like(relative))
    return _cross(fan[:, :-1], fan[:, 1:]).sum(1).abs() / 2
