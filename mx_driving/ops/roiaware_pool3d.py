"""Features of points pooled into the cells of a grid over each box."""

from __future__ import annotations

from typing import Any, Sequence, Tuple, Union

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import chunks, points_in_boxes_mask

MAX, AVERAGE = 0, 1


def roiaware_pool3d(
    rois: Tensor,
    pts: Tensor,
    pts_feature: Tensor,
    out_size: Union[int, Sequence[int]],
    max_pts_per_voxel: int,
    mode: int = MAX,
) -> Tensor:
    """Pool the points of each cell of a grid over each box.

    Args:
        rois (Tensor[R, 7]): ``(x, y, z, dx, dy, dz, heading)``, z the bottom; metres and radians.
        pts (Tensor[N, 3]): points, in metres.
        pts_feature (Tensor[N, C]): their features.
        out_size (int or three ints): cells along x, y and z of the box.
        max_pts_per_voxel (int): one more than the points that a cell keeps, the first ones by index.
        mode (int): 0 maximum, 1 average.

    Returns:
        Tensor[R, ox, oy, oz, C]: 0 in empty cells. Differentiable to the features; of equal maxima the first point gets
        the gradient.

    Raises:
        ValueError: if a size is not positive or ``mode`` is neither 0 nor 1.

    Source: Part-A2, arXiv 1907.03670, sec. 3.2; mmcv's ``RoIAwarePool3d``.
    """
    size = [int(out_size)] * 3 if isinstance(out_size, int) else [int(extent) for extent in out_size]
    if len(size) != 3 or min(size) < 1 or max_pts_per_voxel < 1 or mode not in (MAX, AVERAGE):
        raise ValueError(
            f"roiaware_pool3d: expected sizes from 1 on and mode 0 or 1, got out_size {size}, max_pts_per_voxel "
            f"{max_pts_per_voxel}, mode {mode}"
        )
    table = points_of_cells(rois, pts, size, max_pts_per_voxel)
    result: Tensor = _RoiawarePool3d.apply(pts_feature, table, mode)
    return result


def points_of_cells(rois: Tensor, pts: Tensor, size: Sequence[int], max_pts: int) -> Tensor:
    """List the points of each cell: Tensor[R, ox, oy, oz, max_pts] of int32, their number first."""
    cells = size[0] * size[1] * size[2]
    table = torch.zeros((rois.shape[0] * cells, max_pts), dtype=torch.int32, device=pts.device)
    for part in chunks(rois.shape[0], pts.shape[0]):
        inside, local_x, local_y = points_in_boxes_mask(pts, rois[part])
        box, point = torch.nonzero(inside.t(), as_tuple=True)
        roi = rois[part][box]
        local = torch.stack([local_x[point, box], local_y[point, box], pts[point, 2] - roi[:, 2]], 1)
        local[:, :2] += roi[:, 3:5] / 2
        extents = torch.tensor(size, device=pts.device)
        place = (local / (roi[:, 3:6] / extents.to(roi.dtype))).long()  # towards zero, as in mmcv
        place = torch.minimum(place.clamp(min=0), extents - 1)
        cell = ((part.start + box) * size[0] + place[:, 0]) * size[1] * size[2] + place[:, 1] * size[2] + place[:, 2]
        _fill(table, cell, point, max_pts - 1)
    return table.view(rois.shape[0], *size, max_pts)


def _fill(table: Tensor, cell: Tensor, point: Tensor, limit: int) -> None:
    """Write the first ``limit`` points of each cell into its row, behind their number."""
    cell, order = torch.sort(cell, stable=True)
    distinct, run, counts = torch.unique_consecutive(cell, return_inverse=True, return_counts=True)
    place = torch.arange(len(cell), device=cell.device) - (counts.cumsum(0) - counts)[run]
    keep = place < limit
    table[cell[keep], place[keep] + 1] = point[order[keep]].to(table.dtype)
    table[distinct, 0] = counts.clamp(max=limit).to(table.dtype)


def listed(table: Tensor) -> Tuple[Tensor, Tensor]:
    """Cell (of all boxes' cells) and point of every entry of a table, in the table's order: two Tensor[Q] of int64."""
    rows = table.flatten(0, 3)
    used = torch.arange(rows.shape[1] - 1, device=rows.device) < rows[:, :1]
    cell, place = torch.nonzero(used, as_tuple=True)
    return cell, rows[cell, place + 1].long()


def pool_forward(features: Tensor, table: Tensor, mode: int) -> Tuple[Tensor, Tensor]:
    """Pool by a table; returns the result and, for the maximum, the winning points (int32, -1 for none)."""
    shape = (*table.shape[:4], features.shape[1])
    cell, point = listed(table)
    values = features[point]
    columns = cell.unsqueeze(1).expand_as(values)
    pooled = features.new_zeros((table[..., 0].numel(), features.shape[1]))
    winner = torch.full_like(pooled, -1, dtype=torch.int32)
    if mode == AVERAGE:
        counts = table[..., 0].reshape(-1, 1).clamp(min=1).to(features.dtype)
        return (pooled.index_add_(0, cell, values) / counts).view(shape), winner.view(shape)
    best = torch.full_like(pooled, float("-inf"))
    # A NaN is never larger, so it wins nothing.
    best.scatter_reduce_(0, columns, values.masked_fill(values.isnan(), float("-inf")), "amax")
    last = features.shape[0]
    candidates = torch.where(values == best[cell], point.unsqueeze(1), torch.full_like(columns, last))
    first = torch.full_like(pooled, last, dtype=torch.int64).scatter_reduce_(0, columns, candidates, "amin")
    won = (first < last) & (best > float("-inf"))
    winner[won] = first[won].to(torch.int32)
    return torch.where(won, best, pooled).view(shape), winner.view(shape)


def pool_backward(grad: Tensor, table: Tensor, winner: Tensor, mode: int, total: int) -> Tensor:
    """Gradient of :func:`pool_forward` to the features Tensor[total, C]."""
    flat = grad.reshape(-1, grad.shape[4])
    result = grad.new_zeros((total, grad.shape[4]))
    if mode == AVERAGE:
        cell, point = listed(table)
        counts = table[..., 0].reshape(-1, 1).clamp(min=1).to(grad.dtype)
        return result.index_add_(0, point, (flat / counts)[cell])
    rows = winner.reshape(flat.shape).long()
    if total == 0:
        return result
    return result.scatter_add_(0, rows.clamp(min=0), torch.where(rows >= 0, flat, torch.zeros_like(flat)))


class _RoiawarePool3d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, table: Tensor, mode: int) -> Tensor:
        pooled, winner = pool_forward(features, table, mode)
        ctx.save_for_backward(table, winner)
        ctx.mode, ctx.total = mode, features.shape[0]
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tuple[Any, ...]:
        table, winner = ctx.saved_tensors
        return pool_backward(grad, table, winner, ctx.mode, ctx.total), None, None
