"""The private functions of DrivingSDK that published models call: ``mx_driving._C``."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor

from mx_driving.ops import bev_pool_v3, point_to_voxel, unique_voxel, voxel_to_point
from mx_driving.ops.sigmoid_focal_loss import sigmoid_focal_loss as focal_loss
from mx_driving.ops.sigmoid_focal_loss import sigmoid_focal_loss_derivative

__all__ = ["point_to_voxel", "unique_voxel", "voxel_to_point"]


def _rows(starts: Tensor, lengths: Tensor) -> Tensor:
    """Rows that lie in the intervals."""
    lengths = lengths.long()
    shift = torch.repeat_interleave(starts.long() - lengths.cumsum(0) + lengths, lengths)
    return shift + torch.arange(len(shift), device=shift.device)


def npu_bev_pool(
    feat: Tensor, geom_feat: Tensor, interval_lengths: Tensor, interval_starts: Tensor, b: int, d: int, h: int, w: int
) -> Tensor:
    """Sum sorted rows into Tensor[b, d, h, w, c]; ``geom_feat`` is ``(h, w, d, b)``."""
    rows = _rows(interval_starts, interval_lengths)
    shape = (b, d, h, w, feat.shape[1])
    return bev_pool_v3(None, feat[rows], None, None, geom_feat[rows], shape).permute(0, 2, 3, 4, 1).contiguous()


def npu_bev_pool_backward(
    grad_out: Tensor,
    geom_feat: Tensor,
    interval_lengths: Tensor,
    interval_starts: Tensor,
    b: int,
    d: int,
    h: int,
    w: int,
) -> Tensor:
    """Gradient of the features, Tensor[n, c]."""
    rows = _rows(interval_starts, interval_lengths)
    row, column, level, sample = geom_feat[rows].long().unbind(1)
    grad = grad_out.new_zeros((geom_feat.shape[0], grad_out.shape[-1]))
    grad[rows] = grad_out[sample, level, row, column]
    return grad


def npu_bev_pool_v2(
    depth: Tensor,
    feat: Tensor,
    ranks_depth: Tensor,
    ranks_feat: Tensor,
    ranks_bev: Tensor,
    interval_lengths: Tensor,
    interval_starts: Tensor,
    b: int,
    d: int,
    h: int,
    w: int,
) -> Tensor:
    """Sum depth times feature into Tensor[b, d, h, w, c]."""
    rows = _rows(interval_starts, interval_lengths)
    ranks = (ranks_depth[rows], ranks_feat[rows], ranks_bev[rows])
    pooled = bev_pool_v3(depth, feat, *ranks, (b, d, h, w, feat.shape[-1]))
    return pooled.permute(0, 2, 3, 4, 1).contiguous()


def npu_bev_pool_v2_backward(
    grad_out: Tensor,
    depth: Tensor,
    feat: Tensor,
    ranks_depth: Tensor,
    ranks_feat: Tensor,
    ranks_bev: Tensor,
    interval_lengths: Tensor,
    interval_starts: Tensor,
    b: int,
    d: int,
    h: int,
    w: int,
) -> Tuple[Tensor, Tensor]:
    """Gradients of depth and features, both right (the peer's for depth is not)."""
    with torch.enable_grad():
        inputs = (depth.detach().requires_grad_(), feat.detach().requires_grad_())
        ranks = (ranks_depth, ranks_feat, ranks_bev, interval_lengths, interval_starts)
        pooled = npu_bev_pool_v2(*inputs, *ranks, b, d, h, w)
        grads: Tuple[Tensor, Tensor] = torch.autograd.grad(pooled, inputs, grad_out.reshape(pooled.shape))
    return grads


def sigmoid_focal_loss(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each element into ``output``."""
    output.copy_(focal_loss(input, target, gamma, alpha, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each element into ``grad_input``."""
    grad_input.copy_(sigmoid_focal_loss_derivative(input, target, gamma, alpha, weight))
