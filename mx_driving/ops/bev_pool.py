"""Features of points summed into the cells of a bird's-eye view."""

from __future__ import annotations

from typing import Union

import torch
from torch import Tensor

from mx_driving.ops._row_sums import as_map, cells_of, row_sums

Size = Union[int, Tensor]


def bev_pool(feat: Tensor, geom_feat: Tensor, B: Size, D: Size, H: Size, W: Size) -> Tensor:
    """Sum the features of the points of each cell.

    Args:
        feat (Tensor[N, C]): features of the points.
        geom_feat (Tensor[N, 4], integers): their cells, columns ``(h, w, d, b)``, all within the grid.
        B, D, H, W (int or 0-dim tensor): samples, and cells along the height, rows and columns.

    Returns:
        Tensor[B, C, D, H, W]: 0 in empty cells. Differentiable to the features.

    Raises:
        ValueError: if the row counts differ or a cell lies outside.

    Source: BEVFusion, arXiv 2205.13542, sec. 3.3.
    """
    if feat.shape[0] != geom_feat.shape[0]:
        raise ValueError(f"bev_pool: expected a cell for each of {feat.shape[0]} features, got {geom_feat.shape[0]}")
    shape = tuple(int(size) for size in (B, D, H, W))
    cells = cells_of(geom_feat, shape)
    rows = torch.arange(feat.shape[0], device=feat.device)
    return as_map(row_sums(feat, rows, cells, shape[0] * shape[1] * shape[2] * shape[3]), shape)
