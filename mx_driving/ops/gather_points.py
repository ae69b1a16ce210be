"""Features of chosen points."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops.group_points import group_points


def gather_points(features: Tensor, indices: Tensor) -> Tensor:
    """Gather the features of chosen points.

    Args:
        features (Tensor[B, C, N]): features of all points.
        indices (Tensor[B, M], integers): the points.

    Returns:
        Tensor[B, C, M]: differentiable to the features.

    Raises:
        ValueError: as :func:`group_points`.

    Source: PointNet++, arXiv 1706.02413; mmcv's ``gather_points``.
    """
    return group_points(features, indices.unsqueeze(2)).squeeze(3)
