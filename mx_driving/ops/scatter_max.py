"""Maximum of the rows of each bin."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import torch
from torch import Tensor


def scatter_max(updates: Tensor, indices: Tensor, out: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
    """Take the maximum of the rows of each bin.

    Args:
        updates (Tensor[N, ...]): rows.
        indices (Tensor[N] or Tensor[N, 1, ...], integers >= 0): the bin of each row.
        out (Tensor[K, ...]): takes part in the maximum and is overwritten; None: as many bins as the largest index asks
            for.

    Returns:
        Tensor[K, ...]: maxima; 0 in a bin without rows (without ``out``). Differentiable to ``updates``.
        Tensor[K, ...] of int32: the row of each maximum, of equal ones the last; N where none is.

    Raises:
        ValueError: if a shape does not fit, or an index lies outside.

    Source: torch_scatter's documentation of ``scatter_max``, with the empty bins of published NPU migrations.
    """
    total = updates.shape[0]
    if indices.numel() != total or indices.shape[:1] != updates.shape[:1]:
        raise ValueError(
            f"scatter_max: indices must be [{total}] or [{total}, 1, ...] for updates {list(updates.shape)}, got "
            f"{list(indices.shape)}"
        )
    index = indices.reshape(-1).long()
    bins = int(index.max()) + 1 if out is None and total else 0 if out is None else out.shape[0]
    if out is not None and out.shape[1:] != updates.shape[1:]:
        raise ValueError(f"scatter_max: out must be [K, {list(updates.shape[1:])}], got {list(out.shape)}")
    if total and (int(index.min()) < 0 or int(index.max()) >= bins):
        raise ValueError(f"scatter_max: indices must lie in 0..{bins - 1}, got {int(index.min())}..{int(index.max())}")
    result: Tuple[Tensor, Tensor] = ScatterMaxFunction.apply(updates, index, bins, out)
    return result


class ScatterMaxFunction(torch.autograd.Function):
    """Carries the gradient; its ``forward`` may be re-assigned."""

    @staticmethod
    def forward(ctx: Any, updates: Tensor, index: Tensor, bins: int, out: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
        """Return maxima and their rows."""
        total = updates.shape[0]
        shape = (bins, *updates.shape[1:])
        columns = index.view(-1, *[1] * (updates.dim() - 1)).expand_as(updates)
        best = updates.new_full(shape, float("-inf")) if out is None else out.clone()
        best.scatter_reduce_(0, columns, updates, "amax")
        rows = torch.arange(total, device=index.device).view(-1, *[1] * (updates.dim() - 1))
        # Rows that attain the maximum, unless the given value does already.
        attains = updates == best[index]
        if out is not None:
            attains &= updates > out[index]
        argmax = torch.full(shape, -1, dtype=torch.int64, device=index.device)
        argmax.scatter_reduce_(0, columns, torch.where(attains, rows, -torch.ones_like(rows)), "amax")
        none = (argmax < 0) | (best == float("-inf"))
        argmax = argmax.masked_fill(none, total)
        best = best.masked_fill(none, 0) if out is None else best
        ctx.save_for_backward(argmax)
        ctx.shape = updates.shape
        argmax = argmax.to(torch.int32)
        ctx.mark_non_differentiable(argmax)
        if out is not None:
            ctx.mark_dirty(out)
            best = out.copy_(best)
        return best, argmax

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Any) -> Tuple[Any, ...]:
        """Give each maximum's gradient to its row."""
        (argmax,) = ctx.saved_tensors
        padded = grad.new_zeros((ctx.shape[0] + 1, *ctx.shape[1:]))  # the last row takes what no row won
        return padded.scatter_add_(0, argmax, grad)[:-1], None, None, None
