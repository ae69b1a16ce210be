"""Voxels written as one number each."""

from __future__ import annotations

from typing import Sequence, Tuple

import torch
from torch import Tensor

GRID = (2048, 2048, 256)  # cells that a code has room for, by column
SHIFTS = {True: (19, 8, 0), False: (0, 11, 22)}  # bits by which the columns are shifted: layout "XYZ", and others


def point_to_voxel(
    points: Tensor, voxel_sizes: Sequence[float] = (), coor_ranges: Sequence[float] = (), layout: str = "XYZ"
) -> Tensor:
    """Write the voxel of each point as one number.

    Args:
        points (Tensor[N, >= 3]): coordinates in metres if ``voxel_sizes`` is given, else cells (whole numbers).
        voxel_sizes (three floats, or none): edges of a voxel, in metres.
        coor_ranges (six floats, or none): lowest corner, then highest.
        layout (str): ``"XYZ"``: the first column counts most; anything else: the third does.

    Returns:
        Tensor[N] of int32: codes for :func:`unique_voxel` and :func:`voxel_to_point`; -1 for a point outside of the
        grid (2048 x 2048 x 256 cells without ``voxel_sizes``).

    Source: what published NPU migrations of PanoOcc and LMDrive call.
    """
    cells, limits = _cells(points[:, :3], voxel_sizes, coor_ranges)
    inside = ((cells >= 0) & (cells < torch.tensor(limits, device=points.device))).all(1)
    code = sum(cells[:, column].long() * (1 << shift) for column, shift in enumerate(SHIFTS[layout == "XYZ"]))
    return torch.where(inside, code, torch.full_like(code, -1)).to(torch.int32)


def _cells(points: Tensor, sizes: Sequence[float], ranges: Sequence[float]) -> Tuple[Tensor, Sequence[int]]:
    if not len(sizes):
        return points, GRID
    low = torch.tensor(list(ranges[:3]), dtype=points.dtype, device=points.device)
    inverse = torch.tensor([1 / size for size in sizes], dtype=points.dtype, device=points.device)
    limits = [round((high - start) / size) for start, high, size in zip(ranges[:3], ranges[3:], sizes)]
    return torch.floor((points - low) * inverse), [min(limit, room) for limit, room in zip(limits, GRID)]
