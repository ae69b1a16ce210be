"""Image features times depth, summed into the cells of a bird's-eye view, by prepared intervals."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor

from mx_driving.ops.bev_pool_v3 import bev_pool_v3


def bev_pool_v2(
    depth: Tensor,
    feat: Tensor,
    ranks_depth: Tensor,
    ranks_feat: Tensor,
    ranks_bev: Tensor,
    bev_feat_shape: Sequence[int],
    interval_starts: Tensor,
    interval_lengths: Tensor,
) -> Tensor:
    """Sum depth times feature over the terms of each interval.

    Args:
        depth (Tensor[B, N, D, h, w]): shares of the depths of each pixel.
        feat (Tensor[B, N, h, w, C]): features of the pixels.
        ranks_depth, ranks_feat, ranks_bev (Tensor[R], integers): for each term its element of ``depth``, its row of
            ``feat`` and its cell, all flattened.
        bev_feat_shape (sequence): ``(B, D, H, W, C)``.
        interval_starts, interval_lengths (Tensor[I], integers): runs of terms; terms outside of all are not used.

    Returns:
        Tensor[B, C, D, H, W]: differentiable to depth and features.

    Source: BEVPoolv2, arXiv 2211.17111.
    """
    lengths = interval_lengths.long()
    offsets = torch.repeat_interleave(interval_starts.long() - (lengths.cumsum(0) - lengths), lengths)
    terms = offsets + torch.arange(offsets.shape[0], device=offsets.device)
    return bev_pool_v3(depth, feat, ranks_depth[terms], ranks_feat[terms], ranks_bev[terms], bev_feat_shape)
