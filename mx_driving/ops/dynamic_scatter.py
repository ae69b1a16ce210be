"""Features of points reduced to features of voxels."""

from __future__ import annotations

from typing import Any, Tuple

import torch
from torch import Tensor

REDUCTIONS = ("sum", "mean", "max")


def dynamic_scatter(feats: Tensor, coors: Tensor, reduce_type: str = "max") -> Tuple[Tensor, Tensor]:
    """Reduce the features of all points that share a voxel.

    Args:
        feats (Tensor[N, C]): features of the points.
        coors (Tensor[N, D], integers): the voxel of each; a point with a negative number belongs to none.
        reduce_type (str): ``"max"``, ``"sum"`` or ``"mean"``.

    Returns:
        Tensor[V, C]: reduced features. Of equal maxima the first point gets the gradient.
        Tensor[V, D]: the voxels, in lexicographic order.

    Raises:
        ValueError: if ``reduce_type`` is none of the three, or the sizes do not agree.

    Source: MVF, arXiv 1910.06528; order and gradient are mmcv's ``dynamic_point_to_voxel``.
    """
    voxels, index, counts = voxel_index(coors)
    reduced: Tensor = _DynamicScatter.apply(feats, index, counts, reduce_type)
    return reduced, voxels


def voxel_index(coors: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Number the distinct voxels.

    Args:
        coors (Tensor[N, D], integers): a row with a negative number belongs to no voxel.

    Returns:
        Tensor[V, D]: the voxels in lexicographic order.
        Tensor[N] of int32: the voxel of each row, -1 for none.
        Tensor[V] of int32: rows of each voxel.
    """
    index = coors.new_full((coors.shape[0],), -1, dtype=torch.int32)
    valid = torch.nonzero((coors >= 0).all(1)).squeeze(1)
    if len(valid) == 0:
        return coors[:0], index, index[:0]
    rows = coors[valid].long()
    extents = [int(extent) + 1 for extent in rows.amax(0).tolist()]
    volume = 1
    for extent in extents:
        volume *= extent
    if volume < 2**63:
        voxels, inverse, counts = _unique_by_code(rows, extents)
    else:
        voxels, inverse, counts = torch.unique(rows, dim=0, return_inverse=True, return_counts=True)
    index[valid] = inverse.to(torch.int32)
    return voxels.to(coors.dtype), index, counts.to(torch.int32)


def _unique_by_code(rows: Tensor, extents: list) -> Tuple[Tensor, Tensor, Tensor]:
    """Distinct rows by one number per row: sorting numbers is many times faster than sorting rows."""
    codes = rows[:, 0]
    for column, extent in enumerate(extents[1:], 1):
        codes = codes * extent + rows[:, column]
    codes, inverse, counts = torch.unique(codes, return_inverse=True, return_counts=True)
    columns = []
    for extent in reversed(extents[1:]):
        columns.append(codes % extent)
        codes = torch.div(codes, extent, rounding_mode="floor")
    return torch.stack([codes, *reversed(columns)], 1), inverse, counts


def scatter_forward(feats: Tensor, index: Tensor, counts: Tensor, reduce_type: str) -> Tensor:
    """Reduce ``feats`` (Tensor[N, C]) by ``index`` (Tensor[N], -1 for none) to ``Tensor[V, C]``."""
    if reduce_type not in REDUCTIONS:
        raise ValueError(f"dynamic_scatter: reduce_type must be one of {', '.join(REDUCTIONS)}, got {reduce_type!r}")
    if feats.dim() != 2 or feats.shape[0] != index.shape[0]:
        raise ValueError(
            f"dynamic_scatter: feats must be [N, C] with a row for each of the {index.shape[0]} rows of coors, got "
            f"{list(feats.shape)}"
        )
    rows = torch.nonzero(index >= 0).squeeze(1)
    kept, target = feats[rows], index[rows].long()
    if reduce_type == "max":
        low = feats.new_full((counts.shape[0], feats.shape[1]), float("-inf"))
        return low.scatter_reduce_(0, target.unsqueeze(1).expand_as(kept), kept, "amax")
    total = feats.new_zeros((counts.shape[0], feats.shape[1])).index_add_(0, target, kept)
    return total / counts.unsqueeze(1).to(total.dtype) if reduce_type == "mean" else total


def scatter_backward(
    grad: Tensor, feats: Tensor, reduced: Tensor, index: Tensor, counts: Tensor, reduce_type: str
) -> Tensor:
    """Gradient of :func:`scatter_forward` to ``feats``; a maximum's goes to the first point that attains it."""
    grad_feats = torch.zeros_like(feats)
    rows = torch.nonzero(index >= 0).squeeze(1)
    target = index[rows].long()
    if reduce_type != "max":
        per_voxel = grad / counts.unsqueeze(1).to(grad.dtype) if reduce_type == "mean" else grad
        grad_feats[rows] = per_voxel[target]
        return grad_feats
    total = feats.shape[0]
    attains = feats[rows] == reduced[target]
    candidates = torch.where(attains, rows.unsqueeze(1), torch.full_like(rows, total).unsqueeze(1))
    winner = rows.new_full(reduced.shape, total)
    winner.scatter_reduce_(0, target.unsqueeze(1).expand_as(candidates), candidates, "amin")
    found = winner < total  # a NaN attains nothing
    voxel, channel = torch.nonzero(found, as_tuple=True)
    grad_feats[winner[found], channel] = grad[voxel, channel]
    return grad_feats


class _DynamicScatter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feats: Tensor, index: Tensor, counts: Tensor, reduce_type: str) -> Tensor:
        reduced = scatter_forward(feats, index, counts, reduce_type)
        ctx.save_for_backward(feats, reduced, index, counts)
        ctx.reduce_type = reduce_type
        return reduced

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tuple[Any, ...]:
        feats, reduced, index, counts = ctx.saved_tensors
        return scatter_backward(grad, feats, reduced, index, counts, ctx.reduce_type), None, None, None
