"""Features gathered into groups, samples of different sizes one behind the other."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops.stack_ball_query import sample_of_rows


def stack_group_points(
    features: Tensor, features_batch_cnt: Tensor, indices: Tensor, indices_batch_cnt: Tensor
) -> Tensor:
    """Gather features by group.

    Args:
        features (Tensor[N, C]): features of all samples' points, one sample behind the other.
        features_batch_cnt (Tensor[B], integers): points of each sample.
        indices (Tensor[M, S], integers): points of each group, counted within its sample; -1 (of an empty ball) and
            what lies behind the last point give zeros.
        indices_batch_cnt (Tensor[B], integers): groups of each sample.

    Returns:
        Tensor[M, C, S]: differentiable to the features.

    Source: PV-RCNN, arXiv 1912.13192; mmcv's ``grouping_operation`` with batch counts.
    """
    rows, valid = stacked_rows(features.shape[0], features_batch_cnt, indices, indices_batch_cnt)
    if features.shape[0] == 0:
        return features.new_zeros((indices.shape[0], features.shape[1], indices.shape[1]))
    grouped = features[rows.flatten()].view(*rows.shape, -1)
    return torch.where(valid.unsqueeze(2), grouped, torch.zeros_like(grouped)).transpose(1, 2)


def stack_group_points_backward(grad: Tensor, rows: Tensor, valid: Tensor, total: int) -> Tensor:
    """Gradient Tensor[M, C, S] to the features Tensor[total, C], for the result of :func:`stacked_rows`."""
    flat = grad.transpose(1, 2).reshape(-1, grad.shape[1])
    keep = valid.flatten()
    return grad.new_zeros((total, grad.shape[1])).index_add_(0, rows.flatten()[keep], flat[keep])


def stacked_rows(
    total: int, features_batch_cnt: Tensor, indices: Tensor, indices_batch_cnt: Tensor
) -> tuple[Tensor, Tensor]:
    """Row of the features for each index, Tensor[M, S] of int64, and whether it names one, Tensor[M, S] of bool."""
    counts = features_batch_cnt.long()
    sample = sample_of_rows(indices_batch_cnt, indices.shape[0])
    starts = (counts.cumsum(0) - counts)[sample].unsqueeze(1)
    valid = (indices >= 0) & (indices < counts[sample].unsqueeze(1))
    return (indices.long() + starts).clamp(0, max(total - 1, 0)), valid
