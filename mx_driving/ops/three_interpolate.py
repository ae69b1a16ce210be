"""Features of three neighbours, weighted and summed."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops.group_points import group_points


def three_interpolate(features: Tensor, indices: Tensor, weight: Tensor) -> Tensor:
    """Sum the features of each point's three neighbours with weights.

    Args:
        features (Tensor[B, C, M]): features of the known points.
        indices (Tensor[B, N, 3], integers): neighbours of each new point.
        weight (Tensor[B, N, 3]): their weights.

    Returns:
        Tensor[B, C, N]. Differentiable to the features and the weights.

    Source: PointNet++, arXiv 1706.02413, sec. 3.4.
    """
    return (group_points(features, indices) * weight.unsqueeze(1)).sum(3)
