"""Distances of two point sets in the plane to each other."""

from __future__ import annotations

from typing import Any, Tuple

import torch
from torch import Tensor

from mx_driving.ops._distances import nearest

Four = Tuple[Tensor, Tensor, Tensor, Tensor]


def chamfer_distance(xyz1: Tensor, xyz2: Tensor) -> Four:
    """Squared distance of each point to the nearest one of the other set.

    Args:
        xyz1 (Tensor[B, N, D]): one set; mmcv has D = 2.
        xyz2 (Tensor[B, M, D]): the other.

    Returns:
        Tensor[B, N], Tensor[B, M]: squared distances, differentiable to both sets.
        Tensor[B, N], Tensor[B, M] of int32: the nearest points, of equal ones the lowest.

    Source: mmcv's ``chamfer_distance`` (Oriented RepPoints, arXiv 2105.11111).
    """
    result: Four = _ChamferDistance.apply(xyz1, xyz2)
    return result


def chamfer_forward(xyz1: Tensor, xyz2: Tensor) -> Four:
    """Compute :func:`chamfer_distance` without its gradient."""
    dist1, idx1 = nearest(xyz1, xyz2, 1)
    dist2, idx2 = nearest(xyz2, xyz1, 1)
    return dist1[..., 0], dist2[..., 0], idx1[..., 0], idx2[..., 0]


def chamfer_backward(
    xyz1: Tensor, xyz2: Tensor, idx1: Tensor, idx2: Tensor, grad1: Tensor, grad2: Tensor
) -> Tuple[Tensor, Tensor]:
    """Gradients of :func:`chamfer_distance` to both sets."""
    grad_xyz1, grad_xyz2 = torch.zeros_like(xyz1), torch.zeros_like(xyz2)
    _pull(xyz1, xyz2, idx1, grad1, grad_xyz1, grad_xyz2)
    _pull(xyz2, xyz1, idx2, grad2, grad_xyz2, grad_xyz1)
    return grad_xyz1, grad_xyz2


def _pull(a: Tensor, b: Tensor, index: Tensor, grad: Tensor, grad_a: Tensor, grad_b: Tensor) -> None:
    """Add the gradient of ``|a - b[index]|^2`` to both sides."""
    if b.shape[1] == 0:
        return
    columns = index.long().unsqueeze(2).expand(-1, -1, a.shape[2])
    part = 2 * grad.unsqueeze(2) * (a - b.gather(1, columns))
    grad_a += part
    grad_b.scatter_add_(1, columns, -part)


class _ChamferDistance(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, xyz1: Tensor, xyz2: Tensor) -> Four:
        dist1, dist2, idx1, idx2 = chamfer_forward(xyz1, xyz2)
        ctx.save_for_backward(xyz1, xyz2, idx1, idx2)
        ctx.mark_non_differentiable(idx1, idx2)
        return dist1, dist2, idx1, idx2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad1: Tensor, grad2: Tensor, *_: Any) -> Tuple[Tensor, Tensor]:
        xyz1, xyz2, idx1, idx2 = ctx.saved_tensors
        return chamfer_backward(xyz1, xyz2, idx1, idx2, grad1, grad2)
