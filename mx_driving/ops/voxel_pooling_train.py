"""Features of a frustum summed into the columns of a bird's-eye view."""

from __future__ import annotations

from typing import Sequence, Union

import torch
from torch import Tensor

from mx_driving.ops._row_sums import row_sums


def voxel_pooling_train(geom_xyz: Tensor, input_features: Tensor, voxel_num: Union[Sequence[int], Tensor]) -> Tensor:
    """Sum the features of each column; what lies outside of the grid, in height as well, is left out.

    Args:
        geom_xyz (Tensor[B, ..., 3], integers): cell ``(x, y, z)`` of each feature.
        input_features (Tensor[B, ..., C]): features.
        voxel_num (three ints, or Tensor[3]): cells along x, y and z.

    Returns:
        Tensor[B, C, Y, X]: differentiable to the features.

    Raises:
        ValueError: if there is no feature, or the leading sizes differ.

    Source: BEVDepth, arXiv 2206.10092, sec. 3.4.
    """
    if geom_xyz.shape[:-1] != input_features.shape[:-1] or geom_xyz.shape[-1] != 3 or geom_xyz.numel() == 0:
        raise ValueError(
            f"voxel_pooling_train: expected cells [B, ..., 3] and features [B, ..., C] with at least one, got "
            f"{list(geom_xyz.shape)} and {list(input_features.shape)}"
        )
    extent_x, extent_y, extent_z = (int(extent) for extent in voxel_num)
    cells = geom_xyz.flatten(1, -2).long()
    batch = torch.arange(cells.shape[0], device=cells.device).unsqueeze(1)
    x, y, z = cells.unbind(2)
    inside = (x >= 0) & (x < extent_x) & (y >= 0) & (y < extent_y) & (z >= 0) & (z < extent_z)
    target = ((batch * extent_y + y) * extent_x + x)[inside]
    rows = torch.nonzero(inside.flatten()).squeeze(1)
    sums = row_sums(input_features.flatten(0, -2), rows, target, cells.shape[0] * extent_y * extent_x)
    return sums.view(cells.shape[0], extent_y, extent_x, -1).permute(0, 3, 1, 2).contiguous()
