"""Numbers read back as voxels."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor

from mx_driving.ops.point_to_voxel import GRID, SHIFTS


def voxel_to_point(
    voxels: Tensor, voxel_sizes: Sequence[float] = (), coor_ranges: Sequence[float] = (), layout: str = "XYZ"
) -> Tensor:
    """Read the cells out of codes of :func:`point_to_voxel`.

    Args:
        voxels (Tensor[n] of int32): valid codes.
        voxel_sizes, coor_ranges: not used; the cells are returned, not coordinates.
        layout (str): as it was written.

    Returns:
        Tensor[n, 3] of int32: columns 0, 1, 2 of the cells for ``"XYZ"``, else 2, 1, 0.

    Source: what published NPU migrations of PanoOcc and LMDrive call.
    """
    codes = voxels.long()
    columns = [
        torch.div(codes, 1 << shift, rounding_mode="floor") % extent
        for shift, extent in zip(SHIFTS[layout == "XYZ"], GRID)
    ]
    return torch.stack(columns if layout == "XYZ" else columns[::-1], 1).to(torch.int32)
