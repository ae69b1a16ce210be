"""Features gathered into groups of points."""

from __future__ import annotations

from torch import Tensor


def group_points(features: Tensor, indices: Tensor) -> Tensor:
    """Gather features by group.

    Args:
        features (Tensor[B, C, N]): features of the points.
        indices (Tensor[B, P, S], integers): the S points of each of P groups.

    Returns:
        Tensor[B, C, P, S]: differentiable to the features.

    Raises:
        ValueError: if the batch sizes differ or a shape is another.

    Source: PointNet++, arXiv 1706.02413; mmcv's ``grouping_operation``.
    """
    if features.dim() != 3 or indices.dim() != 3 or features.shape[0] != indices.shape[0]:
        raise ValueError(
            f"group_points: expected features [B, C, N] and indices [B, P, S], got {list(features.shape)} and "
            f"{list(indices.shape)}"
        )
    flat = _columns(indices.flatten(1), features.shape[1])
    return features.gather(2, flat).view(*features.shape[:2], *indices.shape[1:])


def group_points_backward(grad: Tensor, indices: Tensor, total: int) -> Tensor:
    """Gradient of :func:`group_points` (Tensor[B, C, P, S] or Tensor[B, C, P]) to its features Tensor[B, C, total]."""
    grad = grad.flatten(2)
    result = grad.new_zeros((*grad.shape[:2], total))
    return result.scatter_add_(2, _columns(indices.flatten(1), grad.shape[1]), grad)


def _columns(indices: Tensor, channels: int) -> Tensor:
    return indices.long().unsqueeze(1).expand(-1, channels, -1)
