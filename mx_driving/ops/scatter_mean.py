"""Mean of the entries of each bin."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from mx_driving.ops.scatter_add import binned, scatter_add


def scatter_mean(
    src: Tensor, index: Tensor, out: Optional[Tensor] = None, dim: int = 0, dim_size: Optional[int] = None
) -> Tensor:
    """Average the entries of each bin: their sum, and ``out``'s, over their number; 0 in an empty bin.

    Args: as :func:`scatter_add`.

    Returns:
        Tensor: of the sizes of ``src``, but along ``dim`` the number of bins. Differentiable to ``src`` and ``out``.

    Raises:
        ValueError: as :func:`scatter_add`.

    Source: torch_scatter's documentation of ``scatter_mean``, with the order of arguments of published NPU migrations.
    """
    columns, dim, bins = binned("scatter_mean", src, index, out, dim, dim_size)
    shape = [*columns.shape[:dim], bins, *columns.shape[dim + 1 :]]
    counts = torch.zeros(shape, dtype=src.dtype, device=src.device)
    counts.scatter_add_(dim, columns, torch.ones_like(columns, dtype=src.dtype))
    return scatter_add(src, index, out, dim, bins if out is None else None) / counts.clamp(min=1)
