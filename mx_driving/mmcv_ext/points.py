"""Point sets under the names and arguments of mmcv's extension; results are written into the tensors given."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops._distances import nearest
from mx_driving.ops.assign_score_withk import assign_score_withk
from mx_driving.ops.ball_query import ball_query
from mx_driving.ops.chamfer_distance import chamfer_backward, chamfer_forward
from mx_driving.ops.furthest_point_sample_with_dist import furthest_point_sample_with_dist
from mx_driving.ops.furthest_point_sampling import furthest_point_sampling
from mx_driving.ops.gather_points import gather_points
from mx_driving.ops.group_points import group_points
from mx_driving.ops.group_points import group_points_backward as _group_points_backward
from mx_driving.ops.stack_ball_query import stack_ball_query
from mx_driving.ops.stack_group_points import stack_group_points, stacked_rows
from mx_driving.ops.stack_group_points import stack_group_points_backward as _stack_group_points_backward
from mx_driving.ops.three_interpolate import three_interpolate


def furthest_point_sampling_forward(
    points_tensor: Tensor, temp_tensor: Tensor, idx_tensor: Tensor, b: int, n: int, m: int
) -> None:
    """Write the chosen points; ``temp_tensor`` is not used. See :func:`mx_driving.ops.furthest_point_sampling`."""
    idx_tensor.copy_(furthest_point_sampling(points_tensor, m))


def furthest_point_sampling_with_dist_forward(
    points_tensor: Tensor, temp_tensor: Tensor, idx_tensor: Tensor, b: int, n: int, m: int
) -> None:
    """Write the chosen points; see :func:`mx_driving.ops.furthest_point_sample_with_dist`."""
    idx_tensor.copy_(furthest_point_sample_with_dist(points_tensor, m))


def ball_query_forward(
    new_xyz_tensor: Tensor,
    xyz_tensor: Tensor,
    idx_tensor: Tensor,
    b: int,
    n: int,
    m: int,
    min_radius: float,
    max_radius: float,
    nsample: int,
) -> None:
    """Write the points of each ball; see :func:`mx_driving.ops.ball_query`."""
    idx_tensor.copy_(ball_query(min_radius, max_radius, nsample, xyz_tensor, new_xyz_tensor))


def stack_ball_query_forward(
    new_xyz_tensor: Tensor,
    new_xyz_batch_cnt: Tensor,
    xyz_tensor: Tensor,
    xyz_batch_cnt: Tensor,
    idx_tensor: Tensor,
    max_radius: float,
    nsample: int,
) -> None:
    """Write the points of each ball; see :func:`mx_driving.ops.stack_ball_query`."""
    idx_tensor.copy_(
        stack_ball_query(max_radius, nsample, xyz_tensor, xyz_batch_cnt, new_xyz_tensor, new_xyz_batch_cnt)
    )


def knn_forward(
    xyz_tensor: Tensor,
    new_xyz_tensor: Tensor,
    idx_tensor: Tensor,
    dist2_tensor: Tensor,
    b: int,
    n: int,
    m: int,
    nsample: int,
) -> None:
    """Write neighbours and squared distances, both [B, M, k]; see :func:`mx_driving.ops.knn`."""
    squared, index = nearest(new_xyz_tensor, xyz_tensor, nsample)
    idx_tensor.copy_(index)
    dist2_tensor.copy_(squared)


def three_nn_forward(
    unknown_tensor: Tensor, known_tensor: Tensor, dist2_tensor: Tensor, idx_tensor: Tensor, b: int, n: int, m: int
) -> None:
    """Write three neighbours and their squared distances; see :func:`mx_driving.ops.three_nn`."""
    squared, index = nearest(unknown_tensor, known_tensor, 3, far=float("inf"))
    dist2_tensor.copy_(squared)
    idx_tensor.copy_(index)


def three_interpolate_forward(
    points_tensor: Tensor, idx_tensor: Tensor, weight_tensor: Tensor, out_tensor: Tensor, b: int, c: int, m: int, n: int
) -> None:
    """Write the sums; see :func:`mx_driving.ops.three_interpolate`."""
    out_tensor.copy_(three_interpolate(points_tensor, idx_tensor, weight_tensor))


def three_interpolate_backward(
    grad_out_tensor: Tensor,
    idx_tensor: Tensor,
    weight_tensor: Tensor,
    grad_points_tensor: Tensor,
    b: int,
    c: int,
    n: int,
    m: int,
) -> None:
    """Write the gradient to the features."""
    spread = grad_out_tensor.unsqueeze(3) * weight_tensor.unsqueeze(1)
    grad_points_tensor.copy_(_group_points_backward(spread, idx_tensor, m))


def group_points_forward(
    points_tensor: Tensor, idx_tensor: Tensor, out_tensor: Tensor, b: int, c: int, n: int, npoints: int, nsample: int
) -> None:
    """Write the groups; see :func:`mx_driving.ops.group_points`."""
    out_tensor.copy_(group_points(points_tensor, idx_tensor))


def group_points_backward(
    grad_out_tensor: Tensor,
    idx_tensor: Tensor,
    grad_points_tensor: Tensor,
    b: int,
    c: int,
    n: int,
    npoints: int,
    nsample: int,
) -> None:
    """Write the gradient to the features."""
    grad_points_tensor.copy_(_group_points_backward(grad_out_tensor, idx_tensor, n))


def gather_points_forward(
    points_tensor: Tensor, idx_tensor: Tensor, out_tensor: Tensor, b: int, c: int, n: int, npoints: int
) -> None:
    """Write the chosen features; see :func:`mx_driving.ops.gather_points`."""
    out_tensor.copy_(gather_points(points_tensor, idx_tensor))


def gather_points_backward(
    grad_out_tensor: Tensor, idx_tensor: Tensor, grad_points_tensor: Tensor, b: int, c: int, n: int, npoints: int
) -> None:
    """Write the gradient to the features."""
    grad_points_tensor.copy_(_group_points_backward(grad_out_tensor, idx_tensor.unsqueeze(2), n))


def stack_group_points_forward(
    features_tensor: Tensor,
    features_batch_cnt_tensor: Tensor,
    idx_tensor: Tensor,
    idx_batch_cnt_tensor: Tensor,
    out_tensor: Tensor,
    b: int,
    c: int,
    m: int,
    nsample: int,
) -> None:
    """Write the groups; see :func:`mx_driving.ops.stack_group_points`."""
    out_tensor.copy_(stack_group_points(features_tensor, features_batch_cnt_tensor, idx_tensor, idx_batch_cnt_tensor))


def stack_group_points_backward(
    grad_out_tensor: Tensor,
    idx_tensor: Tensor,
    idx_batch_cnt_tensor: Tensor,
    features_batch_cnt_tensor: Tensor,
    grad_features_tensor: Tensor,
    b: int,
    c: int,
    m: int,
    n: int,
    nsample: int,
) -> None:
    """Write the gradient to the features."""
    rows, valid = stacked_rows(n, features_batch_cnt_tensor, idx_tensor, idx_batch_cnt_tensor)
    grad_features_tensor.copy_(_stack_group_points_backward(grad_out_tensor, rows, valid, n))


def assign_score_withk_forward(
    points: Tensor,
    centers: Tensor,
    scores: Tensor,
    knn_idx: Tensor,
    output: Tensor,
    B: int,
    N0: int,
    N1: int,
    M: int,
    K: int,
    O: int,  # noqa: E741  (mmcv's name)
    aggregate: int,
) -> None:
    """Write the mixed features; see :func:`mx_driving.ops.assign_score_withk`."""
    with torch.no_grad():
        output.copy_(assign_score_withk(scores, points, centers, knn_idx))


def assign_score_withk_backward(
    grad_out: Tensor,
    points: Tensor,
    centers: Tensor,
    scores: Tensor,
    knn_idx: Tensor,
    grad_points: Tensor,
    grad_centers: Tensor,
    grad_scores: Tensor,
    B: int,
    N0: int,
    N1: int,
    M: int,
    K: int,
    O: int,  # noqa: E741  (mmcv's name)
    aggregate: int,
) -> None:
    """Write the three gradients."""
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in (scores, points, centers)]
        mixed = assign_score_withk(leaves[0], leaves[1], leaves[2], knn_idx)
    for written, grad in zip((grad_scores, grad_points, grad_centers), torch.autograd.grad(mixed, leaves, grad_out)):
        written.copy_(grad)


def chamfer_distance_forward(
    xyz1: Tensor, xyz2: Tensor, dist1: Tensor, dist2: Tensor, idx1: Tensor, idx2: Tensor
) -> None:
    """Write squared distances and nearest points; see :func:`mx_driving.ops.chamfer_distance`."""
    for written, value in zip((dist1, dist2, idx1, idx2), chamfer_forward(xyz1, xyz2)):
        written.copy_(value)


def chamfer_distance_backward(
    xyz1: Tensor,
    xyz2: Tensor,
    idx1: Tensor,
    idx2: Tensor,
    graddist1: Tensor,
    graddist2: Tensor,
    gradxyz1: Tensor,
    gradxyz2: Tensor,
) -> None:
    """Write the gradients to both sets."""
    for written, value in zip((gradxyz1, gradxyz2), chamfer_backward(xyz1, xyz2, idx1, idx2, graddist1, graddist2)):
        written.copy_(value)
