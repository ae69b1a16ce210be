"""Boxes: ``mx_driving.detection``, an older namespace of DrivingSDK."""

from mx_driving.peer import namespace, provided

NAMES = [
    "border_align",
    "box_iou_quadri",
    "boxes_overlap_bev",
    "nms3d",
    "nms3d_normal",
    "npu_boxes_overlap_bev",
    "npu_nms3d",
    "npu_nms3d_normal",
    "npu_rotated_iou",
    "npu_rotated_overlaps",
    "pixel_group",
    "roi_align_rotated",
    "roiaware_pool3d",
]

__all__ = [*provided(NAMES)]  # noqa: PLE0604
__getattr__ = namespace("detection", NAMES)
