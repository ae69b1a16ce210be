"""Weighted sums of rows, by cell, without holding a row per term: what the poolings into a bird's-eye view share."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.nn import functional

TERMS = 1 << 16  # rows that are held at once where torch has no operator that sums rows as it reads them


def row_sums(features: Tensor, rows: Tensor, cells: Tensor, total: int, weights: Optional[Tensor] = None) -> Tensor:
    """``out[cells[i]] += weights[i] * features[rows[i]]``.

    Args:
        features (Tensor[M, C]): rows to sum.
        rows, cells (Tensor[R], integers): the row that each term reads, the cell that it is added to.
        total (int): cells.
        weights (Tensor[R]): 1 if None.

    Returns:
        Tensor[total, C]: differentiable to features and weights.
    """
    result: Tensor = _RowSums.apply(features, weights, rows.long(), cells.long(), int(total))
    return result


def _sum(features: Tensor, weights: Optional[Tensor], rows: Tensor, cells: Tensor, total: int) -> Tensor:
    if features.device.type == "cpu" and features.dtype in (torch.float32, torch.float64):
        order = torch.argsort(cells, stable=True)
        counts = torch.bincount(cells, minlength=total)
        share = None if weights is None else weights[order].to(features.dtype)
        offsets = counts.cumsum(0) - counts
        return functional.embedding_bag(rows[order], features, offsets, mode="sum", per_sample_weights=share)
    out = features.new_zeros((total, features.shape[1]))
    for start in range(0, rows.shape[0], TERMS):
        part = slice(start, start + TERMS)
        terms = features[rows[part]]
        out.index_add_(0, cells[part], terms if weights is None else terms * weights[part].unsqueeze(1))
    return out


class _RowSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weights: Optional[Tensor], rows: Tensor, cells: Tensor, total: int
    ) -> Tensor:
        ctx.save_for_backward(features, weights, rows, cells)
        return _sum(features, weights, rows, cells, total)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tuple[Any, ...]:
        features, weights, rows, cells = ctx.saved_tensors
        grad_features = grad_weights = None
        if ctx.needs_input_grad[0]:
            grad_features = _sum(grad.contiguous(), weights, cells, rows, features.shape[0])
        if weights is not None and ctx.needs_input_grad[1]:
            grad_weights = torch.empty_like(weights)
            for start in range(0, rows.shape[0], TERMS):
                part = slice(start, start + TERMS)
                grad_weights[part] = (grad[cells[part]] * features[rows[part]]).sum(1)
        return grad_features, grad_weights, None, None, None


def cells_of(coordinates: Tensor, shape: Sequence[int]) -> Tensor:
    """Number of the cell ``(b, d, h, w)`` of rows that say ``(h, w, d, b)``: Tensor[N] of int64.

    Raises:
        ValueError: if a row lies outside of ``shape``, ``(B, D, H, W)``.
    """
    batch, depth, height, width = shape
    limits = torch.tensor([height, width, depth, batch], device=coordinates.device)
    if coordinates.dim() != 2 or coordinates.shape[1] != 4:
        raise ValueError(f"expected coordinates [N, 4], columns (h, w, d, b), got {list(coordinates.shape)}")
    if bool(((coordinates < 0) | (coordinates >= limits)).any()):
        raise ValueError(f"expected coordinates (h, w, d, b) within {(height, width, depth, batch)}, one lies outside")
    h, w, d, b = coordinates.long().unbind(1)
    return ((b * depth + d) * height + h) * width + w


def as_map(sums: Tensor, shape: Sequence[int]) -> Tensor:
    """Turn sums Tensor[B * D * H * W, C] into Tensor[B, C, D, H, W]."""
    return sums.view(*shape, sums.shape[1]).permute(0, 4, 1, 2, 3).contiguous()
