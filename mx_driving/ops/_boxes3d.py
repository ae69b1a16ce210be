"""What the operators on points and 3D boxes share. A box is ``(x, y, z, dx, dy, dz, heading)``."""

from __future__ import annotations

from typing import Iterator, Tuple

import torch
from torch import Tensor

from mx_driving.ops._library import cpu_kernels

CHUNK = 1 << 20  # pairs of point and box that are held at once: some ten megabytes


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Cut ``rows`` so that rows times columns of a part stay near :data:`CHUNK`."""
    step = max(1, CHUNK // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, start + step)


def points_in_boxes_mask(points: Tensor, boxes: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Tell which points lie in which boxes; ``z`` of a box is its bottom.

    Args:
        points (Tensor[N, 3]): in metres.
        boxes (Tensor[M, 7]): in metres and radians.

    Returns:
        Tensor[N, M] of bool: the height is closed, the two sides are open, as in mmcv.
        Tensor[N, M], Tensor[N, M]: the point in the box's own frame, x and y, in metres from the centre.
    """
    x, y, z = points[:, :1] - boxes[:, 0], points[:, 1:2] - boxes[:, 1], points[:, 2:3]
    cos, sin = torch.cos(-boxes[:, 6]), torch.sin(-boxes[:, 6])
    local_x = x * cos - y * sin
    local_y = x * sin + y * cos
    half = boxes[:, 3:6] / 2
    above = (z - (boxes[:, 2] + half[:, 2])).abs() > half[:, 2]
    inside = (local_x > -half[:, 0]) & (local_x < half[:, 0]) & (local_y > -half[:, 1]) & (local_y < half[:, 1])
    return inside & ~above, local_x, local_y


def boxes_of_points(points: Tensor, boxes: Tensor, out: Tensor) -> None:
    """Write into Tensor[N, M] whether boxes Tensor[M, 7] hold points Tensor[N, 3]."""
    kernels = cpu_kernels(points)
    if kernels is not None:
        out.copy_(kernels.points_in_boxes(points, boxes.to(points.dtype)).t())
        return
    for part in chunks(points.shape[0], boxes.shape[0]):
        out[part] = points_in_boxes_mask(points[part], boxes)[0]


def check_points_and_boxes(name: str, points: Tensor, boxes: Tensor) -> None:
    """Raise ``ValueError`` unless points are [B, N, 3] and boxes [B, M, 7]."""
    if points.dim() != 3 or points.shape[2] != 3 or boxes.dim() != 3 or boxes.shape[2] != 7:
        raise ValueError(
            f"{name}: expected points [B, N, 3] and boxes [B, M, 7], got {list(points.shape)} and {list(boxes.shape)}"
        )
    if points.shape[0] != boxes.shape[0]:
        raise ValueError(
            f"{name}: expected points and boxes of one batch size, got {points.shape[0]} and {boxes.shape[0]}"
        )
