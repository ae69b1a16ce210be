"""Points to voxels under the names and arguments of mmcv's extension; results are written into the tensors given."""

from __future__ import annotations

from typing import List

from torch import Tensor

from mx_driving.ops.dynamic_scatter import scatter_backward, scatter_forward, voxel_index
from mx_driving.ops.dynamic_voxelize import dynamic_voxelize
from mx_driving.ops.hard_voxelize import hard_voxelize_into


def dynamic_voxelize_forward(points: Tensor, voxel_size: Tensor, coors_range: Tensor, coors: Tensor, NDim: int) -> None:
    """Write the voxel of each point into ``coors``; see :func:`mx_driving.ops.dynamic_voxelize`."""
    coors.copy_(dynamic_voxelize(points, voxel_size.tolist()[:NDim], coors_range.tolist()))


def hard_voxelize_forward(
    points: Tensor,
    voxel_size: Tensor,
    coors_range: Tensor,
    voxels: Tensor,
    coors: Tensor,
    num_points_per_voxel: Tensor,
    voxel_num: Tensor,
    max_points: int,
    max_voxels: int,
    NDim: int,
    deterministic: bool = True,
) -> None:
    """Fill voxels in the order of their first points; see :func:`mx_driving.ops.hard_voxelize`.

    ``deterministic`` changes nothing: the result always is.
    """
    steps = (voxel_size.tolist()[:NDim], coors_range.tolist())
    found = hard_voxelize_into(points, *steps, max_points, max_voxels, voxels, coors, num_points_per_voxel)
    voxel_num.fill_(found)


def dynamic_point_to_voxel_forward(feats: Tensor, coors: Tensor, reduce_type: str) -> List[Tensor]:
    """Return reduced features, voxels, the voxel of each point and the points of each voxel.

    See :func:`mx_driving.ops.dynamic_scatter`.
    """
    voxels, index, counts = voxel_index(coors)
    return [scatter_forward(feats, index, counts, reduce_type), voxels, index, counts]


def dynamic_point_to_voxel_backward(
    grad_feats: Tensor,
    grad_reduced_feats: Tensor,
    feats: Tensor,
    reduced_feats: Tensor,
    coors_idx: Tensor,
    reduce_count: Tensor,
    reduce_type: str,
) -> None:
    """Write the gradient of :func:`dynamic_point_to_voxel_forward` into ``grad_feats``."""
    grad_feats.copy_(scatter_backward(grad_reduced_feats, feats, reduced_feats, coors_idx, reduce_count, reduce_type))
