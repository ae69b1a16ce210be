"""Operators under the names and arguments of Ascend DrivingSDK, thin over :mod:`mx_driving.ops`.

The root hands them out (``mx_driving.scatter_max``), ``root/`` has its older namespaces (``mx_driving.fused``) and
``operators/`` its modules below ``mx_driving.ops``. Nothing is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any, Dict, List

_FILES = {
    "attention": (
        "multi_scale_deformable_attn", "npu_multi_scale_deformable_attn_function", "MultiScaleDeformableAttnFunction",
        "deformable_aggregation", "npu_deformable_aggregation",
    ),
    "images": (
        "deform_conv2d", "DeformConv2dFunction", "modulated_deform_conv2d", "ModulatedDeformConv2dFunction",
        "npu_max_pool2d", "npu_add_relu", "npu_fused_bias_leaky_relu", "npu_batch_matmul", "grid_sampler2d_v2",
        "grid_sampler3d_v1", "sigmoid_focal_loss",
    ),
    "scatter": ("scatter_max", "scatter_mean", "scatter_add", "npu_index_select", "graph_softmax", "radius", "hypot"),
    "bev": (
        "bev_pool", "bev_pool_v2", "bev_pool_v3", "npu_voxel_pooling_train", "npu_gaussian",
        "npu_draw_gaussian_to_heatmap", "npu_assign_target_of_single_head",
    ),
    "voxels": ("unique_voxel", "Voxelization", "voxelization", "dynamic_scatter", "npu_dynamic_scatter"),
    "points": (
        "furthest_point_sampling", "npu_furthest_point_sampling", "furthest_point_sample_with_dist", "group_points",
        "npu_group_points", "knn", "three_nn", "three_interpolate", "assign_score_withk", "roiaware_pool3d",
        "roipoint_pool3d", "RoIPointPool3d",
    ),
    "boxes": (
        "points_in_box", "npu_points_in_box", "points_in_boxes_all", "npu_points_in_box_all", "box_iou_rotated",
        "nms3d", "npu_nms3d", "nms3d_normal", "npu_nms3d_normal",
    ),
    "sparse": (
        "SparseConvTensor", "SparseModule", "SparseSequential", "SparseConvolution", "SubMConv3d", "SparseConv3d",
        "SparseInverseConv3d",
    ),
    "training": ("hungarian_match", "fused_adamw_custom"),
}  # fmt: skip

WHERE: Dict[str, str] = {name: file for file, names in _FILES.items() for name in names}
"""The file of this folder that holds each name."""

_UNUSED = "no published model uses it"
_MMCV = "take the function of the same purpose in mmcv.ops"
NOT_PROVIDED: Dict[str, str] = {
    "npu_rotated_iou": f"{_UNUSED}; mx_driving.box_iou_rotated takes radians",
    "npu_rotated_overlaps": f"{_UNUSED}; mx_driving.box_iou_rotated takes radians",
    "nms3d_on_sight": _UNUSED,
    "npu_fake_tensor_quant": f"{_UNUSED}; take torch.fake_quantize_per_tensor_affine",
    "npu_fake_tensor_quant_inplace": f"{_UNUSED}; take torch.fake_quantize_per_tensor_affine",
    "npu_fake_tensor_quant_with_axis": f"{_UNUSED}; take torch.fake_quantize_per_channel_affine",
    "cylinder_query": _UNUSED,
    "cal_anchors_heading": _UNUSED,
    "cartesian_to_frenet": _UNUSED,
    "geometric_kernel_attention": _UNUSED,
    "npu_unique": f"{_UNUSED}; take torch.unique",
    "nms_rotated_dist": _UNUSED,
    "NmsRotatedDistModel": _UNUSED,
    "npu_fft_conv1d": f"{_UNUSED}; take torch.nn.functional.conv1d with groups",
    "FftConv1dFunction": f"{_UNUSED}; take torch.nn.functional.conv1d with groups",
    "border_align": f"{_UNUSED}; {_MMCV}",
    "box_iou_quadri": f"{_UNUSED}; {_MMCV}",
    "boxes_overlap_bev": f"{_UNUSED}; mx_driving.ops.boxes_overlap_bev is mmcv's (7 columns)",
    "npu_boxes_overlap_bev": f"{_UNUSED}; mx_driving.ops.boxes_overlap_bev is mmcv's (7 columns)",
    "boxes_iou_bev": f"{_UNUSED}; {_MMCV}",
    "diff_iou_rotated_2d": f"{_UNUSED}; {_MMCV}",
    "pixel_group": f"{_UNUSED}; {_MMCV}",
    "roi_align_rotated": f"{_UNUSED}; {_MMCV}",
}
"""Names of the peer that are not here: who misses them, and what to take."""


def get(name: str) -> Any:
    """Return one operator by the peer's name.

    Raises:
        ImportError: for a name of the peer that is not provided: one line with what to take instead.
        KeyError: for any other name.
    """
    if name in NOT_PROVIDED:
        raise ImportError(f"mx_driving.{name} is not provided: {NOT_PROVIDED[name]}")
    return getattr(importlib.import_module(f"mx_driving.peer.{WHERE[name]}"), name)


def names() -> List[str]:
    """Return the names that are provided, sorted."""
    return sorted(WHERE)


def provided(members: List[str]) -> List[str]:
    """Return those of the names that are here: what ``from ... import *`` may take."""
    return [name for name in members if name in WHERE]


def namespace(name: str, members: List[str]) -> Any:
    """Return the ``__getattr__`` of an older namespace, which hands out some of the names."""

    def lookup(attribute: str) -> Any:
        if attribute in members:
            return get(attribute)
        raise AttributeError(f"module 'mx_driving.{name}' has no attribute {attribute!r}")

    return lookup
