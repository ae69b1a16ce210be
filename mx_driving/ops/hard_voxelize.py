"""Points gathered into voxels of limited size and number."""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

import torch
from torch import Tensor

from mx_driving.ops._library import cpu_kernels
from mx_driving.ops.dynamic_voxelize import dynamic_voxelize, grid_size


class VoxelSlots(NamedTuple):
    """Where each kept point goes.

    Attributes:
        points (Tensor[K] of int64): rows of the points that are kept.
        voxels (Tensor[K] of int64): the voxel of each.
        slots (Tensor[K] of int64): its place in the voxel.
        coors (Tensor[V, D] of int32): cells of the voxels, ``(z, y, x)``.
        counts (Tensor[V] of int32): points kept in each voxel.
    """

    points: Tensor
    voxels: Tensor
    slots: Tensor
    coors: Tensor
    counts: Tensor


def hard_voxelize(
    points: Tensor, voxel_size: Sequence[float], coors_range: Sequence[float], max_points: int, max_voxels: int
) -> Tuple[Tensor, Tensor, Tensor]:
    """Gather points into voxels: the first ``max_voxels`` that are hit, and the first ``max_points`` points of each.

    Args:
        points (Tensor[N, C]): the first D columns are coordinates in metres.
        voxel_size (sequence of D floats): edges of a voxel, in metres.
        coors_range (sequence of 2 * D floats): lowest corner, then highest (excluded), in metres.
        max_points (int): most points of a voxel.
        max_voxels (int): most voxels; -1 for no limit.

    Returns:
        Tensor[V, max_points, C]: the points, zeros where a voxel has fewer.
        Tensor[V, D] of int32: cells, ``(z, y, x)``; voxels are in the order in which the points first hit them.
        Tensor[V] of int32: points in each voxel.

    Raises:
        ValueError: as :func:`dynamic_voxelize`.

    Source: VoxelNet, arXiv 1711.06396, sec. 2.1.1; order and limits are mmcv's (its deterministic variant).
    """
    most = points.shape[0] if max_voxels < 0 else min(max_voxels, points.shape[0])
    voxels = points.new_zeros((most, max_points, points.shape[1]))
    coors = torch.empty((most, len(voxel_size)), dtype=torch.int32, device=points.device)
    counts = torch.empty(most, dtype=torch.int32, device=points.device)
    total = hard_voxelize_into(points, voxel_size, coors_range, max_points, most, voxels, coors, counts)
    return voxels[:total], coors[:total], counts[:total]


def hard_voxelize_into(
    points: Tensor,
    voxel_size: Sequence[float],
    coors_range: Sequence[float],
    max_points: int,
    max_voxels: int,
    voxels: Tensor,
    coors: Tensor,
    counts: Tensor,
) -> int:
    """Write the result of :func:`hard_voxelize` into tensors of ``max_voxels`` rows; return the number of voxels.

    ``voxels`` must be zeros: only what points fill is written.
    """
    kernels = cpu_kernels(points)
    if kernels is not None and voxels.is_contiguous() and coors.is_contiguous() and counts.is_contiguous():
        total = torch.zeros((), dtype=torch.int64)
        steps = (list(voxel_size), list(coors_range))
        kernels.hard_voxelize_(points, *steps, max_points, max_voxels, voxels, coors, counts, total)
        return int(total)
    kept = voxel_slots(points, voxel_size, coors_range, max_points, max_voxels)
    found = kept.coors.shape[0]
    voxels[kept.voxels, kept.slots] = points[kept.points]
    coors[:found], counts[:found] = kept.coors, kept.counts
    return found


def voxel_slots(
    points: Tensor, voxel_size: Sequence[float], coors_range: Sequence[float], max_points: int, max_voxels: int
) -> VoxelSlots:
    """Assign points to voxels by one stable sort; arguments as :func:`hard_voxelize` (``max_points`` -1: no limit)."""
    coors = dynamic_voxelize(points, voxel_size, coors_range)
    inside = torch.nonzero(coors[:, 0] >= 0).squeeze(1)
    coors = coors[inside]
    codes = torch.zeros_like(inside)
    for column, extent in enumerate(reversed(grid_size(voxel_size, coors_range))):
        codes = codes * extent + coors[:, column]
    codes, order = torch.sort(codes, stable=True)
    # Within a run of equal codes the rows ascend, so a run's first row is where its voxel was first hit.
    _, run, counts = torch.unique_consecutive(codes, return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts
    first_hit, by_appearance = torch.sort(order[starts])
    voxel_of_run = torch.empty_like(by_appearance)
    voxel_of_run[by_appearance] = torch.arange(len(counts), device=points.device)
    voxels = voxel_of_run[run]
    slots = torch.arange(len(codes), device=points.device) - starts[run]
    total = len(counts) if max_voxels < 0 else min(len(counts), max_voxels)
    keep = voxels < total
    counts = counts[by_appearance[:total]]
    if max_points >= 0:
        keep &= slots < max_points
        counts = counts.clamp(max=max_points)
    return VoxelSlots(inside[order[keep]], voxels[keep], slots[keep], coors[first_hit[:total]], counts.to(torch.int32))
