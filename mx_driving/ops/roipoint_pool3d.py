"""The points of each box, with their features."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import check_points_and_boxes, chunks, points_in_boxes_mask
from mx_driving.ops._distances import first_inside


def roipoint_pool3d(
    points: Tensor, point_features: Tensor, boxes3d: Tensor, num_sampled_points: int = 512
) -> Tuple[Tensor, Tensor]:
    """Take the first points, by index, that lie in each box, with their features.

    Args:
        points (Tensor[B, N, 3]): in metres.
        point_features (Tensor[B, N, C]): their features.
        boxes3d (Tensor[B, M, 7]): ``(x, y, z, dx, dy, dz, heading)``, z the bottom; metres and radians.
        num_sampled_points (int): points of each box, at least 1; fewer are repeated in turn.

    Returns:
        Tensor[B, M, num_sampled_points, 3 + C]: coordinates, then features; zeros for a box without a point.
        Tensor[B, M] of int32: 1 for a box without a point, else 0.

    Raises:
        ValueError: if a shape is another.

    Source: PointRCNN, arXiv 1812.04244, sec. 3.3; mmcv's ``RoIPointPool3d`` (arguments in the order of its Function).
    """
    check_points_and_boxes("roipoint_pool3d", points, boxes3d)
    values = torch.cat([points, point_features], 2)
    shape = (*boxes3d.shape[:2], num_sampled_points)
    pooled = values.new_zeros((*shape, values.shape[2]))
    empty = torch.zeros(shape[:2], dtype=torch.int32, device=points.device)
    turn = torch.arange(num_sampled_points, device=points.device)
    for sample in range(points.shape[0]):
        for part in chunks(boxes3d.shape[1], points.shape[1]):
            inside = points_in_boxes_mask(points[sample], boxes3d[sample, part])[0].t()
            columns, found = first_inside(inside, num_sampled_points)
            chosen = columns.gather(1, turn % found.clamp(min=1).unsqueeze(1))
            empty[sample, part] = (found == 0).to(torch.int32)
            if points.shape[1]:
                some = (found > 0).view(-1, 1, 1)
                taken = values[sample, chosen]
                pooled[sample, part] = torch.where(some, taken, torch.zeros_like(taken))
    return pooled, empty
