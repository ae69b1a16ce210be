"""Furthest points by a matrix of distances."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops.furthest_point_sampling import choose


def furthest_point_sample_with_dist(points_dist: Tensor, num_points: int) -> Tensor:
    """Choose points that are far from each other, beginning with the first, by given distances.

    Args:
        points_dist (Tensor[B, N, N]): squared distances, or any other measure below 1e10.
        num_points (int): points to choose.

    Returns:
        Tensor[B, num_points] of int32: indices in the order of choice; of equally far points the lowest.

    Raises:
        ValueError: if there is no point to choose from, or the shape is another.

    Source: 3DSSD, arXiv 2002.10187, sec. 3.2; mmcv's ``furthest_point_sample_with_dist``.
    """
    if points_dist.dim() != 3 or points_dist.shape[1] != points_dist.shape[2] or points_dist.shape[1] == 0:
        raise ValueError(
            f"furthest_point_sample_with_dist: distances must be [B, N, N], N >= 1, got {list(points_dist.shape)}"
        )
    matrix = points_dist.float()

    def distances(last: Tensor) -> Tensor:
        return matrix.gather(1, last.unsqueeze(2).expand(-1, -1, matrix.shape[2])).squeeze(1)

    return choose(matrix[:, 0], num_points, distances)
