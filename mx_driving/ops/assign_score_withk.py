"""Features of neighbours, mixed by scores over a bank of weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

SIZE = 1 << 22  # numbers that are gathered at once


def assign_score_withk(
    scores: Tensor, point_features: Tensor, center_features: Tensor, knn_idx: Tensor, aggregate: str = "sum"
) -> Tensor:
    """Sum, over the bank's matrices, the score times the neighbour's feature less the centre's.

    Args:
        scores (Tensor[B, P, K, M]): scores of the M matrices, for each of K neighbours of P centres.
        point_features (Tensor[B, N, M, O]): features of the points under each matrix.
        center_features (Tensor[B, N, M, O]): likewise, for points as centres.
        knn_idx (Tensor[B, P, K], integers): neighbours, the first one the centre; outside of 0..N-1: none, gives 0.
        aggregate (str): ``"sum"``, ``"avg"`` or ``"max"``: accepted as in mmcv, where all three sum.

    Returns:
        Tensor[B, O, P, K]: differentiable to all three.

    Raises:
        ValueError: if ``aggregate`` is none of the three.

    Source: PAConv, arXiv 2103.14635, appendix D; mmcv's ``assign_score_withk``.
    """
    if aggregate not in ("sum", "avg", "max"):
        raise ValueError(f"assign_score_withk: aggregate must be sum, avg or max, got {aggregate!r}")
    batch, centres, neighbours, _ = scores.shape
    total, bank, width = point_features.shape[1:]
    valid = ((knn_idx >= 0) & (knn_idx < total)).unsqueeze(3)
    index = knn_idx.long().clamp(0, max(total - 1, 0))
    step = max(1, SIZE // max(1, batch * neighbours * bank * width))
    result = [
        # What was gathered is gathered anew in the backward pass: all of it at once would be gigabytes.
        checkpoint(_mix, part * mask, point_features, center_features, rows, use_reentrant=False)
        for part, mask, rows in zip(scores.split(step, 1), valid.split(step, 1), index.split(step, 1))
    ]
    return torch.cat(result, 2) if result and centres else scores.new_zeros((batch, width, centres, neighbours))


def _mix(scores: Tensor, point_features: Tensor, center_features: Tensor, index: Tensor) -> Tensor:
    sample = torch.arange(scores.shape[0], device=scores.device).view(-1, 1, 1)
    relative = point_features[sample, index] - center_features[sample, index[:, :, :1]]
    return torch.einsum("bpkm,bpkmo->bopk", scores, relative)
