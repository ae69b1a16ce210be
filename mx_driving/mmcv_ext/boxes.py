"""2D boxes under the names and arguments of mmcv's extension."""

from __future__ import annotations

from typing import List

from torch import Tensor

from mx_driving import ops
from mx_driving.ops.soft_nms import METHODS


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Return the rows kept; see :func:`mx_driving.ops.nms`."""
    return ops.nms(boxes, scores, iou_threshold, offset)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Write boxes and new scores into ``dets`` [N, 5], return the rows; see :func:`mx_driving.ops.soft_nms`."""
    kept, rows = ops.soft_nms(boxes, scores, iou_threshold, sigma, min_score, METHODS[method], offset)
    dets[: rows.shape[0]] = kept
    return rows


def nms_match(dets: Tensor, iou_threshold: float) -> List[List[int]]:
    """Return groups of rows; see :func:`mx_driving.ops.nms_match`."""
    return ops.nms_match(dets, iou_threshold)


def bbox_overlaps(bboxes1: Tensor, bboxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int) -> None:
    """Write the shares into ``ious``; see :func:`mx_driving.ops.bbox_overlaps`."""
    ious.copy_(ops.bbox_overlaps(bboxes1, bboxes2, ("iou", "iof")[mode], aligned, offset))


def box_iou_rotated(boxes1: Tensor, boxes2: Tensor, ious: Tensor, mode_flag: int, aligned: bool) -> None:
    """Write the shares into ``ious``, flat; see :func:`mx_driving.ops.box_iou_rotated`."""
    ious.copy_(ops.box_iou_rotated(boxes1, boxes2, ("iou", "iof")[mode_flag], aligned).reshape(ious.shape))


def nms_rotated(
    dets: Tensor, scores: Tensor, order: Tensor, dets_sorted: Tensor, labels: Tensor, iou_threshold: float,
    multi_label: int,
) -> Tensor:  # fmt: skip
    """Return the rows kept; see :func:`mx_driving.ops.nms_rotated`."""
    return ops.nms_rotated(dets, scores, iou_threshold, bool(multi_label) and dets.shape[1] > 5)
