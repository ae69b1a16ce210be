"""The first box that holds a point."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import check_points_and_boxes, chunks, points_in_boxes_mask


def points_in_boxes_part(points: Tensor, boxes: Tensor) -> Tensor:
    """Find for every point the first box that holds it.

    Args:
        points (Tensor[B, N, 3]): in metres.
        boxes (Tensor[B, M, 7]): ``(x, y, z, dx, dy, dz, heading)``, z the bottom; metres and radians.

    Returns:
        Tensor[B, N] of int32: index of the box, -1 for none. The height is closed, the sides are open.

    Raises:
        ValueError: if the shapes are others.

    Source: mmcv's ``points_in_boxes_part`` (its arguments in the same order).
    """
    check_points_and_boxes("points_in_boxes_part", points, boxes)
    result = points.new_full(points.shape[:2], -1, dtype=torch.int32)
    total = boxes.shape[1]
    if total == 0:
        return result
    numbers = torch.arange(total, dtype=torch.int32, device=points.device)
    for cloud, own, out in zip(points, boxes, result):
        for part in chunks(cloud.shape[0], total):
            inside = points_in_boxes_mask(cloud[part], own)[0]
            first = torch.where(inside, numbers, torch.full_like(numbers, total)).amin(1)
            out[part] = torch.where(first < total, first, torch.full_like(first, -1))
    return result
