"""Sum of the entries of each bin."""

from __future__ import annotations

from typing import Optional, Tuple

import torch
from torch import Tensor


def scatter_add(
    src: Tensor, index: Tensor, out: Optional[Tensor] = None, dim: int = 0, dim_size: Optional[int] = None
) -> Tensor:
    """Sum the entries of each bin.

    Args:
        src (Tensor[...]): entries; half precisions are summed in float32.
        index (Tensor, integers >= 0): bins, of the leading sizes of ``src``; sizes of 1 may follow.
        out (Tensor): is added; not changed.
        dim (int): the dimension that is binned; a negative one counts from the end of ``index``.
        dim_size (int): number of bins without ``out``; None: the largest index and one.

    Returns:
        Tensor: of the sizes of ``src``, but along ``dim`` the number of bins. Differentiable to ``src`` and ``out``.

    Raises:
        ValueError: if a shape does not fit, or an index lies outside.

    Source: torch_scatter's documentation of ``scatter_add``, with the order of arguments of published NPU migrations.
    """
    wide = src.float() if src.dtype in (torch.float16, torch.bfloat16) else src
    columns, dim, bins = binned("scatter_add", src, index, out, dim, dim_size)
    shape = [*src.shape[:dim], bins, *src.shape[dim + 1 :]]
    total = wide.new_zeros(shape) if out is None else out.to(wide.dtype)
    return total.scatter_add(dim, columns.expand_as(src), wide).to(src.dtype)


def binned(
    name: str, src: Tensor, index: Tensor, out: Optional[Tensor], dim: int, dim_size: Optional[int]
) -> Tuple[Tensor, int, int]:
    """Check the arguments of :func:`scatter_add`; return the index with the dimensions of ``src``, dim and bins."""
    trimmed = index.long()
    while trimmed.dim() > 1 and trimmed.shape[-1] == 1 and trimmed.shape != src.shape[: trimmed.dim()]:
        trimmed = trimmed.squeeze(-1)
    axis = dim + index.dim() if dim < 0 else dim
    if trimmed.shape != src.shape[: trimmed.dim()] or not 0 <= axis < trimmed.dim():
        raise ValueError(
            f"{name}: index must have the leading sizes of src {list(src.shape)} and more dimensions than dim, got "
            f"{list(index.shape)}, dim {dim}"
        )
    low, high = (int(trimmed.min()), int(trimmed.max())) if trimmed.numel() else (0, -1)
    bins = out.shape[axis] if out is not None else high + 1 if dim_size is None else int(dim_size)
    if low < 0 or high >= bins:
        raise ValueError(f"{name}: indices must lie in 0..{bins - 1}, got {low}..{high}")
    return trimmed.view(*trimmed.shape, *[1] * (src.dim() - trimmed.dim())), axis, bins
