"""The voxel of every point of a sweep."""

from __future__ import annotations

from typing import List, Sequence

import torch
from torch import Tensor

from mx_driving.ops._library import cpu_kernels


def dynamic_voxelize(points: Tensor, voxel_size: Sequence[float], coors_range: Sequence[float]) -> Tensor:
    """Find the voxel in which each point lies.

    Args:
        points (Tensor[N, C]): the first D columns are coordinates in metres, C >= D.
        voxel_size (sequence of D floats): edges of a voxel, in metres.
        coors_range (sequence of 2 * D floats): lowest corner, then highest (excluded), in metres.

    Returns:
        Tensor[N, D] of int32: cells in reversed order, ``(z, y, x)``; all -1 for a point outside the range (or NaN).

    Raises:
        ValueError: if the sizes do not agree.

    Source: MVF, arXiv 1910.06528, sec. 3.1; the arithmetic is mmcv's ``dynamic_voxelize_forward``.
    """
    dims = len(voxel_size)
    if points.dim() != 2 or points.shape[1] < dims or len(coors_range) != 2 * dims:
        raise ValueError(
            f"dynamic_voxelize: expected points [N, >= {dims}] and {2 * dims} numbers in coors_range for {dims} voxel "
            f"sizes, got {list(points.shape)} and {len(coors_range)}"
        )
    kernels = cpu_kernels(points)
    if kernels is not None:
        return kernels.dynamic_voxelize(points, list(voxel_size), list(coors_range))
    # Half precision is computed in float, as mmcv's kernel does.
    coordinates = points[:, :dims] if points.dtype == torch.float64 else points[:, :dims].float()
    # The bounds are float32 in mmcv, whatever the points are.
    low = torch.tensor(list(coors_range[:dims]), dtype=torch.float32).to(coordinates)
    size = torch.tensor(list(voxel_size), dtype=torch.float32).to(coordinates)
    cells = torch.floor((coordinates - low) / size)
    limit = torch.tensor(grid_size(voxel_size, coors_range)).to(coordinates)
    inside = ((cells >= 0) & (cells < limit)).all(1, keepdim=True)  # false for NaN
    return torch.where(inside, cells, torch.full_like(cells, -1)).to(torch.int32).flip(1)


def grid_size(voxel_size: Sequence[float], coors_range: Sequence[float]) -> List[int]:
    """Return the number of voxels along x, y, z: the range over the size, in float32, rounded half away from zero."""
    dims = len(voxel_size)
    bounds = torch.tensor(list(coors_range), dtype=torch.float32)
    extent = (bounds[dims:] - bounds[:dims]) / torch.tensor(list(voxel_size), dtype=torch.float32)
    return [int(number) for number in torch.floor(extent.double() + 0.5).tolist()]
