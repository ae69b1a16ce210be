"""Distinct codes of voxels, and where they are."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor


def unique_voxel(voxels: Tensor) -> Tuple[int, Tensor, Tensor, Tensor, Tensor]:
    """Find the distinct valid codes of :func:`point_to_voxel`.

    Args:
        voxels (Tensor[N] of int32): codes, negative for points without a voxel.

    Returns:
        int: number U of distinct valid codes.
        Tensor[U] of int32: them, ascending.
        Tensor[U] of int32: where each begins among the sorted codes (invalid ones come first).
        Tensor[N] of int32: the permutation that sorts the codes; equal codes keep their order.
        Tensor[U] of int32: the first row of each.

    Raises:
        ValueError: if the codes are not one-dimensional or not int32.

    Source: what published NPU migrations of PanoOcc and LMDrive call.
    """
    if voxels.dim() != 1 or voxels.dtype != torch.int32:
        raise ValueError(f"unique_voxel: codes must be [N] of int32, got {list(voxels.shape)} of {voxels.dtype}")
    codes, order = torch.sort(voxels, stable=True)
    distinct, counts = torch.unique_consecutive(codes, return_counts=True)
    starts = counts.cumsum(0) - counts
    valid = distinct >= 0
    distinct, starts, order = distinct[valid], starts[valid].to(torch.int32), order.to(torch.int32)
    return distinct.shape[0], distinct, starts, order, order[starts.long()]
