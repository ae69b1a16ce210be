"""The operators, as functions, one file each and named like it.

Two kinds. Those of images and attention are ``torch.ops.mx_driving.<name>``: kernels for the CPU (and the NPU, where
its adapter is built), shapes for ``torch.compile``, and a gradient; the compiled library behind them loads at the first
call, or by :func:`load`. On CUDA there is no kernel: the stock ones stay. The NPU kernels are loaded with the library
if torch_npu is: torch before 2.5 does not load it by itself, so a script of yours imports torch_npu first.

The others are written in torch operators: nothing is compiled, and they run on every device that torch runs on.
"""

from mx_driving.ops._library import is_built as is_built
from mx_driving.ops._library import load as load
from mx_driving.ops.add_relu import add_relu, add_relu_
from mx_driving.ops.assign_score_withk import assign_score_withk
from mx_driving.ops.assign_target_of_single_head import assign_target_of_single_head
from mx_driving.ops.ball_query import ball_query
from mx_driving.ops.bbox_overlaps import bbox_overlaps
from mx_driving.ops.bev_pool import bev_pool
from mx_driving.ops.bev_pool_v2 import bev_pool_v2
from mx_driving.ops.bev_pool_v3 import bev_pool_v3
from mx_driving.ops.box_iou_rotated import box_iou_rotated
from mx_driving.ops.boxes_overlap_bev import boxes_overlap_bev
from mx_driving.ops.carafe import carafe
from mx_driving.ops.chamfer_distance import chamfer_distance
from mx_driving.ops.deform_conv2d import deform_conv2d, deform_conv2d_backward
from mx_driving.ops.deformable_aggregation import deformable_aggregation
from mx_driving.ops.draw_gaussian_to_heatmap import draw_gaussian_to_heatmap
from mx_driving.ops.dynamic_scatter import dynamic_scatter
from mx_driving.ops.dynamic_voxelize import dynamic_voxelize
from mx_driving.ops.furthest_point_sample_with_dist import furthest_point_sample_with_dist
from mx_driving.ops.furthest_point_sampling import furthest_point_sampling
from mx_driving.ops.gather_points import gather_points
from mx_driving.ops.gaussian import gaussian
from mx_driving.ops.get_indice_pairs import get_indice_pairs
from mx_driving.ops.graph_softmax import graph_softmax
from mx_driving.ops.grid_sampler3d import grid_sampler3d
from mx_driving.ops.group_points import group_points
from mx_driving.ops.hard_voxelize import hard_voxelize
from mx_driving.ops.hypot import hypot
from mx_driving.ops.indice_conv import indice_conv
from mx_driving.ops.indice_maxpool import indice_maxpool
from mx_driving.ops.knn import knn
from mx_driving.ops.masked_im2col import masked_im2col
from mx_driving.ops.max_pool2d import max_pool2d
from mx_driving.ops.modulated_deform_conv2d import modulated_deform_conv2d, modulated_deform_conv2d_backward
from mx_driving.ops.ms_deform_attn import ms_deform_attn, ms_deform_attn_backward
from mx_driving.ops.nms import nms
from mx_driving.ops.nms3d import nms3d
from mx_driving.ops.nms3d_normal import nms3d_normal
from mx_driving.ops.nms_match import nms_match
from mx_driving.ops.nms_rotated import nms_rotated
from mx_driving.ops.point_to_voxel import point_to_voxel
from mx_driving.ops.points_in_boxes_all import points_in_boxes_all
from mx_driving.ops.points_in_boxes_part import points_in_boxes_part
from mx_driving.ops.psa_mask import psa_mask
from mx_driving.ops.radius import radius
from mx_driving.ops.roi_align import roi_align
from mx_driving.ops.roi_pool import roi_pool
from mx_driving.ops.roiaware_pool3d import roiaware_pool3d
from mx_driving.ops.roipoint_pool3d import roipoint_pool3d
from mx_driving.ops.scatter_add import scatter_add
from mx_driving.ops.scatter_max import scatter_max
from mx_driving.ops.scatter_mean import scatter_mean
from mx_driving.ops.sigmoid_focal_loss import sigmoid_focal_loss
from mx_driving.ops.soft_nms import soft_nms
from mx_driving.ops.softmax_focal_loss import softmax_focal_loss
from mx_driving.ops.sort_vertices import sort_vertices
from mx_driving.ops.stack_ball_query import stack_ball_query
from mx_driving.ops.stack_group_points import stack_group_points
from mx_driving.ops.three_interpolate import three_interpolate
from mx_driving.ops.three_nn import three_nn
from mx_driving.ops.unique_voxel import unique_voxel
from mx_driving.ops.voxel_pooling_train import voxel_pooling_train
from mx_driving.ops.voxel_to_point import voxel_to_point

# DrivingSDK's module names that are not ours, such as mx_driving.ops.multi_scale_deformable_attn.
__path__.append(f"{__path__[0]}/../peer/operators")

__all__ = [
    "add_relu",
    "add_relu_",
    "assign_score_withk",
    "assign_target_of_single_head",
    "ball_query",
    "bbox_overlaps",
    "bev_pool",
    "bev_pool_v2",
    "bev_pool_v3",
    "box_iou_rotated",
    "boxes_overlap_bev",
    "carafe",
    "chamfer_distance",
    "deform_conv2d",
    "deform_conv2d_backward",
    "deformable_aggregation",
    "draw_gaussian_to_heatmap",
    "dynamic_scatter",
    "dynamic_voxelize",
    "furthest_point_sample_with_dist",
    "furthest_point_sampling",
    "gather_points",
    "gaussian",
    "get_indice_pairs",
    "graph_softmax",
    "grid_sampler3d",
    "group_points",
    "hard_voxelize",
    "hypot",
    "indice_conv",
    "indice_maxpool",
    "knn",
    "masked_im2col",
    "max_pool2d",
    "modulated_deform_conv2d",
    "modulated_deform_conv2d_backward",
    "ms_deform_attn",
    "ms_deform_attn_backward",
    "nms",
    "nms3d",
    "nms3d_normal",
    "nms_match",
    "nms_rotated",
    "point_to_voxel",
    "points_in_boxes_all",
    "points_in_boxes_part",
    "psa_mask",
    "radius",
    "roi_align",
    "roi_pool",
    "roiaware_pool3d",
    "roipoint_pool3d",
    "scatter_add",
    "scatter_max",
    "scatter_mean",
    "sigmoid_focal_loss",
    "soft_nms",
    "softmax_focal_loss",
    "sort_vertices",
    "stack_ball_query",
    "stack_group_points",
    "three_interpolate",
    "three_nn",
    "unique_voxel",
    "voxel_pooling_train",
    "voxel_to_point",
]
