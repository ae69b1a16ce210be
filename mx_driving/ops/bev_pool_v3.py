"""Image features times depth, summed into the cells of a bird's-eye view."""

from __future__ import annotations

from typing import Optional, Sequence

from torch import Tensor

from mx_driving.ops._row_sums import as_map, row_sums
from mx_driving.ops.bev_pool import bev_pool


def bev_pool_v3(
    depth: Optional[Tensor],
    feat: Tensor,
    ranks_depth: Optional[Tensor],
    ranks_feat: Optional[Tensor],
    ranks_bev: Tensor,
    bev_feat_shape: Sequence[int],
) -> Tensor:
    """Sum depth times feature over the terms of each cell, in any order.

    Args:
        depth (Tensor[B, N, D, h, w]): shares of the depths of each pixel; None: this is :func:`bev_pool`.
        feat (Tensor[B, N, h, w, C]): features of the pixels; without depth Tensor[N, C].
        ranks_depth, ranks_feat (Tensor[R], integers): element of ``depth`` and row of ``feat`` of each term; None
            without depth.
        ranks_bev (Tensor[R], integers): cell of each term, flattened; without depth Tensor[N, 4], ``(h, w, d, b)``.
        bev_feat_shape (sequence of ints or 0-dim tensors): ``(B, D, H, W, C)``.

    Returns:
        Tensor[B, C, D, H, W]: differentiable to depth and features.

    Raises:
        ValueError: if ranks are missing, or their shapes are others.

    Source: BEVPoolv2, arXiv 2211.17111, with its sums in any order.
    """
    shape = tuple(int(size) for size in bev_feat_shape[:4])
    if depth is None:
        if ranks_bev.dim() != 2:
            raise ValueError(f"bev_pool_v3: without depth ranks_bev must be [N, 4], got {list(ranks_bev.shape)}")
        return bev_pool(feat, ranks_bev, *shape)
    if ranks_depth is None or ranks_feat is None or not ranks_depth.shape == ranks_feat.shape == ranks_bev.shape:
        raise ValueError("bev_pool_v3: with depth ranks_depth, ranks_feat and ranks_bev must be [R], all three alike")
    weights = depth.flatten()[ranks_depth.long()]
    sums = row_sums(feat.flatten(0, -2), ranks_feat, ranks_bev, shape[0] * shape[1] * shape[2] * shape[3], weights)
    return as_map(sums, shape)
