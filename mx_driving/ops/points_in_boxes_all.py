"""All boxes that hold a point."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import boxes_of_points, check_points_and_boxes


def points_in_boxes_all(points: Tensor, boxes: Tensor) -> Tensor:
    """Tell for every point and box whether the box holds the point.

    Args:
        points (Tensor[B, N, 3]): in metres.
        boxes (Tensor[B, M, 7]): ``(x, y, z, dx, dy, dz, heading)``, z the bottom; metres and radians.

    Returns:
        Tensor[B, N, M] of int32: 1 inside, else 0. The height is closed, the sides are open.

    Raises:
        ValueError: if the shapes are others.

    Source: mmcv's ``points_in_boxes_all`` (its arguments in the same order).
    """
    check_points_and_boxes("points_in_boxes_all", points, boxes)
    result = points.new_empty((*points.shape[:2], boxes.shape[1]), dtype=torch.int32)
    for cloud, own, out in zip(points, boxes, result):
        boxes_of_points(cloud, own, out)
    return result
