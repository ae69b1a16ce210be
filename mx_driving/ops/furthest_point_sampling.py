"""Points chosen one after the other, each as far from the chosen ones as possible."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor

FAR = 1e10  # squared distance to the chosen points before there is one, as in mmcv


def furthest_point_sampling(points_xyz: Tensor, num_points: int) -> Tensor:
    """Choose points that are far from each other, beginning with the first.

    Args:
        points_xyz (Tensor[B, N, 3]): in metres; half precisions are computed in float32.
        num_points (int): points to choose.

    Returns:
        Tensor[B, num_points] of int32: indices in the order of choice; of equally far points the lowest.

    Raises:
        ValueError: if there is no point to choose from, or the shape is another.

    Source: PointNet++, arXiv 1706.02413, sec. 3.2; mmcv's ``furthest_point_sample``.
    """
    if points_xyz.dim() != 3 or points_xyz.shape[1] == 0:
        raise ValueError(f"furthest_point_sampling: points must be [B, N >= 1, 3], got {list(points_xyz.shape)}")
    # One tensor per axis: sums of three products over contiguous memory.
    axes = [axis.contiguous() for axis in points_xyz.float().unbind(2)]

    def distances(last: Tensor) -> Tensor:
        squared = (axes[0] - axes[0].gather(1, last)).square_()
        for axis in axes[1:]:
            squared += (axis - axis.gather(1, last)).square_()
        return squared

    return choose(axes[0], num_points, distances)


def choose(like: Tensor, num_points: int, distances: Callable[[Tensor], Tensor]) -> Tensor:
    """Choose by ``distances``, which takes the last choice, Tensor[B, 1], and returns Tensor[B, N] like ``like``.

    One step per point: each choice depends on all before. Nothing is read back to the host.
    """
    nearest = torch.full_like(like, FAR)
    chosen = torch.zeros((like.shape[0], num_points), dtype=torch.int64, device=like.device)
    last = chosen[:, :1] if num_points else chosen
    for step in range(1, num_points):
        # Not torch.minimum, which would keep a NaN: mmcv's kernel passes over points without a distance.
        nearest = torch.fmin(nearest, distances(last))
        last = nearest.argmax(1, keepdim=True)
        chosen[:, step : step + 1] = last
    return chosen.to(torch.int32)
