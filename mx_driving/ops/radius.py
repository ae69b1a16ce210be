"""Pairs of points within a radius, sample by sample."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops._distances import parts


def radius(x: Tensor, y: Tensor, ptr_x: Tensor, ptr_y: Tensor, r: float, max_num_neighbors: int) -> Tensor:
    """Pair each point of ``y`` with the first points of ``x``, by index, that are nearer than ``r``.

    Args:
        x (Tensor[N, F]): points, one sample behind the other.
        y (Tensor[M, F]): centres, likewise.
        ptr_x, ptr_y (Tensor[B + 1], integers): where each sample begins, and the end.
        r (float): radius; a distance of exactly ``r`` is outside.
        max_num_neighbors (int): most neighbours of a centre.

    Returns:
        Tensor[2, E] of int32: rows of ``y``, then rows of ``x``; ordered by both. A point is its own neighbour.

    Raises:
        ValueError: if the pointers' lengths differ or ``max_num_neighbors`` is negative.

    Source: torch_cluster's documentation of ``radius``.
    """
    if ptr_x.shape != ptr_y.shape or max_num_neighbors < 0:
        raise ValueError(
            f"radius: expected pointers of one length and max_num_neighbors >= 0, got {list(ptr_x.shape)}, "
            f"{list(ptr_y.shape)} and {max_num_neighbors}"
        )
    found = []
    bounds_x, bounds_y = ptr_x.tolist(), ptr_y.tolist()
    for sample in range(len(bounds_x) - 1):
        cloud, centres = x[bounds_x[sample] : bounds_x[sample + 1]], y[bounds_y[sample] : bounds_y[sample + 1]]
        for rows, squared in parts(centres, cloud):
            inside = squared < r * r
            centre, point = torch.nonzero(inside & (inside.cumsum(1) <= max_num_neighbors), as_tuple=True)
            found.append(torch.stack([centre + rows.start + bounds_y[sample], point + bounds_x[sample]]))
    empty = torch.zeros((2, 0), dtype=torch.int64, device=x.device)
    return torch.cat([empty, *found], 1).to(torch.int32)
