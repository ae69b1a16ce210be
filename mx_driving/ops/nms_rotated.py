"""Suppression of turned boxes that overlap a better one."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops.box_iou_rotated import may_touch, paired_iou
from mx_driving.ops.nms import resolve


def nms_rotated(dets: Tensor, scores: Tensor, iou_threshold: float, multi_label: bool = False) -> Tensor:
    """Keep boxes by falling score and drop those whose overlap with a kept one reaches the threshold.

    Args:
        dets (Tensor[N, 5] or Tensor[N, 6]): ``(x, y, width, height, angle)`` in radians, and a label.
        scores (Tensor[N]): equal scores are taken in the order of ``torch.sort``.
        iou_threshold (float): overlap from which on (``>=``) the lower box is dropped.
        multi_label (bool): boxes of different labels do not drop each other, as in mmcv's CUDA kernel; its CPU kernel
            does not look at the labels.

    Returns:
        Tensor[K] of int64: rows kept, by falling score.

    Source: mmcv's ``nms_rotated``.
    """
    order = torch.sort(scores, descending=True)[1]
    boxes = dets[order]
    near = may_touch(boxes, boxes)
    pairs = near if iou_threshold > 0 else torch.ones_like(near)
    pairs = pairs.triu(1)
    if multi_label:
        pairs &= boxes[:, None, 5] == boxes[:, 5]
    first, second = torch.nonzero(pairs, as_tuple=True)
    pairs[first, second] = paired_iou(boxes[first, :5], boxes[second, :5]) >= iou_threshold
    return order[resolve(pairs)]
