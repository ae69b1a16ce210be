"""The functions that mmcv's Python files ask of ``mmcv._ext``, and who uses them; data only."""

from __future__ import annotations

from typing import Dict, Tuple

USERS: Dict[str, Tuple[str, ...]] = {
    "active_rotated_filter, of S2ANet": ("active_rotated_filter_forward", "active_rotated_filter_backward"),
    "assign_score_withk, of PAConv": ("assign_score_withk_forward", "assign_score_withk_backward"),
    "ball_query, of PointNet++, VoteNet and PV-RCNN": ("ball_query_forward", "stack_ball_query_forward"),
    "bbox_overlaps": ("bbox_overlaps",),
    "bezier_align, of ABCNet": ("bezier_align_forward", "bezier_align_backward"),
    "bias_act, of StyleGAN3": ("bias_act",),
    "border_align, of BorderDet": ("border_align_forward", "border_align_backward"),
    "box_iou_quadri, of mmrotate": ("box_iou_quadri",),
    "box_iou_rotated, of mmrotate and mmdet3d": ("box_iou_rotated",),
    "carafe, of FPN_CARAFE": (
        "carafe_naive_forward",
        "carafe_naive_backward",
        "carafe_forward",
        "carafe_backward",
    ),
    "chamfer_distance, of Oriented RepPoints": ("chamfer_distance_forward", "chamfer_distance_backward"),
    "contour_expand, of PSENet": ("contour_expand",),
    "convex_iou and convex_giou, of Oriented RepPoints": ("convex_iou", "convex_giou"),
    "correlation, of FlowNet and PWC-Net": ("correlation_forward", "correlation_backward"),
    "deform_conv, of DCN": (
        "deform_conv_forward",
        "deform_conv_backward_input",
        "deform_conv_backward_parameters",
    ),
    "deform_roi_pool, of DCN": ("deform_roi_pool_forward", "deform_roi_pool_backward"),
    "diff_iou_rotated, of rotated IoU losses": ("diff_iou_rotated_sort_vertices_forward",),
    "filtered_lrelu, of StyleGAN3": ("filtered_lrelu", "filtered_lrelu_act_"),
    "focal_loss, of RetinaNet and most one-stage heads": (
        "sigmoid_focal_loss_forward",
        "sigmoid_focal_loss_backward",
        "softmax_focal_loss_forward",
        "softmax_focal_loss_backward",
    ),
    "furthest_point_sample, of PointNet++, VoteNet and 3DSSD": (
        "furthest_point_sampling_forward",
        "furthest_point_sampling_with_dist_forward",
    ),
    "fused_bias_leakyrelu, of StyleGAN2": ("fused_bias_leakyrelu",),
    "gather_points, of PointNet++ and VoteNet": ("gather_points_forward", "gather_points_backward"),
    "group_points, of PointNet++, VoteNet and PV-RCNN": (
        "group_points_forward",
        "group_points_backward",
        "stack_group_points_forward",
        "stack_group_points_backward",
    ),
    "get_compiler_version, of environment reports": ("get_compiler_version", "get_compiling_cuda_version"),
    "iou3d, of the 3D detectors' non-maximum suppression": (
        "iou3d_boxes_overlap_bev_forward",
        "iou3d_nms3d_forward",
        "iou3d_nms3d_normal_forward",
    ),
    "knn, of PAConv and DGCNN": ("knn_forward",),
    "line_nms, of onedl-mmcv's line detectors": ("line_nms_forward",),
    "masked_conv, of Guided Anchoring": ("masked_im2col_forward", "masked_col2im_forward"),
    "min_area_polygons, of Oriented RepPoints": ("min_area_polygons",),
    "modulated_deform_conv, of DCNv2": ("modulated_deform_conv_forward", "modulated_deform_conv_backward"),
    "multi_scale_deform_attn, of Deformable DETR, DINO and BEVFormer": (
        "ms_deform_attn_forward",
        "ms_deform_attn_backward",
    ),
    "nms, of nearly every detector": ("nms", "softnms", "nms_match"),
    "nms_rotated and nms_quadri, of mmrotate": ("nms_rotated", "nms_quadri"),
    "pixel_group, of PANet": ("pixel_group",),
    "points_in_boxes, of 3D data augmentation and 3D heads": (
        "points_in_boxes_part_forward",
        "points_in_boxes_cpu_forward",
        "points_in_boxes_all_forward",
    ),
    "points_in_polygons, of Oriented RepPoints": ("points_in_polygons_forward",),
    "prroi_pool, of PrRoIPool": ("prroi_pool_forward", "prroi_pool_backward", "prroi_pool_coor_backward"),
    "psa_mask, of PSANet": ("psamask_forward", "psamask_backward"),
    "riroi_align_rotated, of ReDet": ("riroi_align_rotated_forward", "riroi_align_rotated_backward"),
    "roi_align, of Faster R-CNN and Mask R-CNN": ("roi_align_forward", "roi_align_backward"),
    "roi_align_rotated, of Oriented R-CNN": ("roi_align_rotated_forward", "roi_align_rotated_backward"),
    "roi_pool, of Fast R-CNN": ("roi_pool_forward", "roi_pool_backward"),
    "roiaware_pool3d, of Part-A2": ("roiaware_pool3d_forward", "roiaware_pool3d_backward"),
    "roipoint_pool3d, of PointRCNN": ("roipoint_pool3d_forward",),
    "rotated_feature_align, of R3Det": ("rotated_feature_align_forward", "rotated_feature_align_backward"),
    "scatter_points, of dynamic voxel encoders": (
        "dynamic_point_to_voxel_forward",
        "dynamic_point_to_voxel_backward",
    ),
    "sparse_ops, of SECOND, CenterPoint and other sparse encoders": (
        "get_indice_pairs_2d_forward",
        "get_indice_pairs_3d_forward",
        "get_indice_pairs_4d_forward",
        "get_indice_pairs_2d_backward",
        "get_indice_pairs_3d_backward",
        "indice_conv_forward",
        "indice_conv_backward",
        "fused_indice_conv_forward",
        "indice_maxpool_forward",
        "indice_maxpool_backward",
    ),
    "sync_bn, of norm_cfg=dict(type='MMSyncBN')": (
        "sync_bn_forward_mean",
        "sync_bn_forward_var",
        "sync_bn_forward_output",
        "sync_bn_backward_param",
        "sync_bn_backward_data",
    ),
    "three_interpolate, of PointNet++ and VoteNet": ("three_interpolate_forward", "three_interpolate_backward"),
    "three_nn, of PointNet++ and VoteNet": ("three_nn_forward",),
    "tin_shift, of TIN": ("tin_shift_forward", "tin_shift_backward"),
    "upfirdn2d, of StyleGAN2 and StyleGAN3": ("upfirdn2d",),
    "voxelize, of every voxel and pillar detector": ("dynamic_voxelize_forward", "hard_voxelize_forward"),
}
"""The function of ``mmcv.ops``, and models that use it, to its names in the extension (mmcv 1.4 to 2.2, onedl 2.3)."""

NAMES: Dict[str, str] = {name: user for user, names in USERS.items() for name in names}
"""The same by name."""
