"""3D boxes under the names and arguments of mmcv's extension; results are written into the tensors given."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops._boxes3d import boxes_of_points
from mx_driving.ops.boxes_overlap_bev import boxes_overlap_bev
from mx_driving.ops.nms3d import greedy_keep, turned_iou
from mx_driving.ops.nms3d_normal import straight_iou
from mx_driving.ops.points_in_boxes_all import points_in_boxes_all
from mx_driving.ops.points_in_boxes_part import points_in_boxes_part
from mx_driving.ops.roiaware_pool3d import points_of_cells, pool_backward, pool_forward
from mx_driving.ops.roipoint_pool3d import roipoint_pool3d
from mx_driving.ops.sort_vertices import sort_vertices


def points_in_boxes_cpu_forward(boxes_tensor: Tensor, pts_tensor: Tensor, pts_indices_tensor: Tensor) -> None:
    """Write 1 or 0 for every box [M, 7] and point [N, 3] into ``pts_indices_tensor`` [M, N]."""
    boxes_of_points(pts_tensor, boxes_tensor, pts_indices_tensor.t())


def points_in_boxes_part_forward(boxes_tensor: Tensor, pts_tensor: Tensor, box_idx_of_points_tensor: Tensor) -> None:
    """Write the first box of each point; see :func:`mx_driving.ops.points_in_boxes_part`."""
    box_idx_of_points_tensor.copy_(points_in_boxes_part(pts_tensor, boxes_tensor))


def points_in_boxes_all_forward(boxes_tensor: Tensor, pts_tensor: Tensor, box_idx_of_points_tensor: Tensor) -> None:
    """Write 1 or 0 for every point and box; see :func:`mx_driving.ops.points_in_boxes_all`."""
    box_idx_of_points_tensor.copy_(points_in_boxes_all(pts_tensor, boxes_tensor))


def iou3d_boxes_overlap_bev_forward(boxes_a: Tensor, boxes_b: Tensor, ans_iou: Tensor) -> None:
    """Write common areas into ``ans_iou`` [M, N]; see :func:`mx_driving.ops.boxes_overlap_bev`."""
    ans_iou.copy_(boxes_overlap_bev(boxes_a, boxes_b))


def iou3d_nms3d_forward(boxes: Tensor, keep: Tensor, num_out: Tensor, nms_overlap_thresh: float) -> None:
    """Write the rows kept of boxes that are sorted by score, and their number; see :func:`mx_driving.ops.nms3d`."""
    _write_kept(greedy_keep(boxes, nms_overlap_thresh, turned_iou), keep, num_out)


def iou3d_nms3d_normal_forward(boxes: Tensor, keep: Tensor, num_out: Tensor, nms_overlap_thresh: float) -> None:
    """As :func:`iou3d_nms3d_forward`, headings ignored."""
    _write_kept(greedy_keep(boxes, nms_overlap_thresh, straight_iou), keep, num_out)


def _write_kept(rows: Tensor, keep: Tensor, num_out: Tensor) -> None:
    keep[: rows.shape[0]] = rows
    num_out.fill_(rows.shape[0])


def roiaware_pool3d_forward(
    rois: Tensor,
    pts: Tensor,
    pts_feature: Tensor,
    argmax: Tensor,
    pts_idx_of_voxels: Tensor,
    pooled_features: Tensor,
    pool_method: int,
) -> None:
    """Write pooled features, winners and the points of each cell; see :func:`mx_driving.ops.roiaware_pool3d`."""
    size, limit = pts_idx_of_voxels.shape[1:4], pts_idx_of_voxels.shape[4]
    pts_idx_of_voxels.copy_(points_of_cells(rois, pts, size, limit))
    pooled, winner = pool_forward(pts_feature, pts_idx_of_voxels, pool_method)
    pooled_features.copy_(pooled)
    argmax.copy_(winner)


def roiaware_pool3d_backward(
    pts_idx_of_voxels: Tensor, argmax: Tensor, grad_out: Tensor, grad_in: Tensor, pool_method: int
) -> None:
    """Write the gradient to the features."""
    grad_in.copy_(pool_backward(grad_out, pts_idx_of_voxels, argmax, pool_method, grad_in.shape[0]))


def roipoint_pool3d_forward(
    xyz: Tensor, boxes3d: Tensor, pts_feature: Tensor, pooled_features: Tensor, pooled_empty_flag: Tensor
) -> None:
    """Write the points of each box and which boxes are empty; see :func:`mx_driving.ops.roipoint_pool3d`."""
    pooled, empty = roipoint_pool3d(xyz, pts_feature, boxes3d, pooled_features.shape[2])
    pooled_features.copy_(pooled)
    pooled_empty_flag.copy_(empty)


def diff_iou_rotated_sort_vertices_forward(vertices: Tensor, mask: Tensor, num_valid: Tensor) -> Tensor:
    """Return the vertices in order; see :func:`mx_driving.ops.sort_vertices`."""
    return sort_vertices(vertices, mask, num_valid)
