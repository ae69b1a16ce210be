"""Shares of the common area of boxes."""

from __future__ import annotations

import torch
from torch import Tensor

MODES = ("iou", "iof")


def bbox_overlaps(boxes1: Tensor, boxes2: Tensor, mode: str = "iou", aligned: bool = False, offset: int = 0) -> Tensor:
    """Return the common area of boxes over their united area, or over the first one's.

    Args:
        boxes1 (Tensor[M, 4]): ``(x1, y1, x2, y2)``.
        boxes2 (Tensor[N, 4]): likewise.
        mode (str): ``iou`` over the united area, ``iof`` over the area of ``boxes1``.
        aligned (bool): compare row by row; M must be N.
        offset (int): 1 counts the last pixel as part of the box.

    Returns:
        Tensor[M, N], or Tensor[M] if aligned.

    Raises:
        ValueError: if the mode is another, or a shape does not fit.

    Source: mmcv's ``bbox_overlaps``.
    """
    if mode not in MODES:
        raise ValueError(f"bbox_overlaps: expected a mode out of {', '.join(MODES)}, got {mode!r}")
    if aligned and boxes1.shape[0] != boxes2.shape[0]:
        raise ValueError(f"bbox_overlaps: aligned needs as many boxes, got {boxes1.shape[0]} and {boxes2.shape[0]}")
    first = boxes1 if aligned else boxes1.unsqueeze(1)
    size = torch.minimum(first[..., 2:], boxes2[..., 2:]) - torch.maximum(first[..., :2], boxes2[..., :2]) + offset
    common = size.clamp(min=0).prod(-1)
    area = _area(first, offset)
    return common / (area + _area(boxes2, offset) - common if mode == "iou" else area)


def _area(boxes: Tensor, offset: int) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0] + offset) * (boxes[..., 3] - boxes[..., 1] + offset)
