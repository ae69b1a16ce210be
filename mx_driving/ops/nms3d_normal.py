"""Suppression of boxes that overlap a better one, as if no box were turned."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops.boxes_overlap_bev import EPSILON
from mx_driving.ops.nms3d import falling_order, greedy_keep


def nms3d_normal(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep boxes by falling score, and drop those that overlap a kept one, headings ignored.

    Args:
        boxes (Tensor[N, 7]): ``(x, y, z, dx, dy, dz, heading)``, metres; z, dz and heading are not used.
        scores (Tensor[N]): equal scores keep the order of their rows.
        iou_threshold (float): common area over united area above which the lower one is dropped.

    Returns:
        Tensor[K] of int64: rows kept, by falling score.

    Raises:
        ValueError: if the shapes are others.

    Source: mmcv's ``iou3d_nms3d_normal_forward`` (OpenPCDet's iou3d_nms).
    """
    order = falling_order("nms3d_normal", boxes, scores)
    return order[greedy_keep(boxes[order], iou_threshold, straight_iou)]


def straight_iou(a: Tensor, b: Tensor) -> Tensor:
    """Share of the common area of box pairs Tensor[P, 7], Tensor[P, 7], headings ignored: Tensor[P]."""
    low = torch.maximum(a[:, :2] - a[:, 3:5] / 2, b[:, :2] - b[:, 3:5] / 2)
    high = torch.minimum(a[:, :2] + a[:, 3:5] / 2, b[:, :2] + b[:, 3:5] / 2)
    common = (high - low).clamp(min=0).prod(1)
    return common / (a[:, 3] * a[:, 4] + b[:, 3] * b[:, 4] - common).clamp(min=EPSILON)
