"""Points and RoIs under the peer's names."""

from __future__ import annotations

from typing import Sequence, Tuple, Union

from torch import Tensor, nn

from mx_driving import ops
from mx_driving.ops import furthest_point_sample_with_dist, group_points, knn, three_interpolate, three_nn

__all__ = [
    "RoIPointPool3d",
    "assign_score_withk",
    "furthest_point_sample_with_dist",
    "furthest_point_sampling",
    "group_points",
    "knn",
    "npu_furthest_point_sampling",
    "npu_group_points",
    "roiaware_pool3d",
    "roipoint_pool3d",
    "three_interpolate",
    "three_nn",
]

npu_group_points = group_points


def furthest_point_sampling(point_xyz: Tensor, num_points: int) -> Tensor:
    """As :func:`mx_driving.ops.furthest_point_sampling`."""
    return ops.furthest_point_sampling(point_xyz, num_points)


npu_furthest_point_sampling = furthest_point_sampling


def assign_score_withk(
    scores: Tensor, point_features: Tensor, center_features: Tensor, knn_idx: Tensor, aggregate: str
) -> Tensor:
    """As :func:`mx_driving.ops.assign_score_withk`, but ``aggregate`` has no default."""
    return ops.assign_score_withk(scores, point_features, center_features, knn_idx, aggregate)


def roiaware_pool3d(
    rois: Tensor,
    pts: Tensor,
    pts_feature: Tensor,
    out_size: Union[int, Sequence[int]],
    max_pts_per_voxel: int,
    mode: int,
) -> Tensor:
    """As :func:`mx_driving.ops.roiaware_pool3d`; mode 0 maximum, 1 average."""
    return ops.roiaware_pool3d(rois, pts, pts_feature, out_size, max_pts_per_voxel, mode)


def roipoint_pool3d(
    num_sampled_points: int, points: Tensor, point_features: Tensor, boxes3d: Tensor
) -> Tuple[Tensor, Tensor]:
    """As :func:`mx_driving.ops.roipoint_pool3d`, with the number of points first."""
    return ops.roipoint_pool3d(points, point_features, boxes3d, num_sampled_points)


class RoIPointPool3d(nn.Module):
    """:func:`roipoint_pool3d` as a module."""

    def __init__(self, num_sampled_points: int = 512) -> None:
        super().__init__()
        self.num_sampled_points = num_sampled_points

    def forward(self, points: Tensor, point_features: Tensor, boxes3d: Tensor) -> Tuple[Tensor, Tensor]:
        """Return pooled points and the flags of empty boxes."""
        return roipoint_pool3d(self.num_sampled_points, points, point_features, boxes3d)
