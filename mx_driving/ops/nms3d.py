"""Suppression of boxes that overlap a better one, seen from above."""

from __future__ import annotations

from typing import Callable, Tuple

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import chunks
from mx_driving.ops.boxes_overlap_bev import EPSILON, may_touch, paired_overlap


def nms3d(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keep boxes by falling score, and drop those that overlap a kept one by more than the threshold, seen from above.

    Args:
        boxes (Tensor[N, 7]): ``(x, y, z, dx, dy, dz, heading)``, metres and radians; z and dz are not used.
        scores (Tensor[N]): equal scores keep the order of their rows.
        iou_threshold (float): common area over united area above which the lower one is dropped.

    Returns:
        Tensor[K] of int64: rows kept, by falling score.

    Raises:
        ValueError: if the shapes are others.

    Source: mmcv's ``iou3d_nms3d_forward`` (OpenPCDet's iou3d_nms).
    """
    order = falling_order("nms3d", boxes, scores)
    return order[greedy_keep(boxes[order], iou_threshold, turned_iou)]


def falling_order(name: str, boxes: Tensor, scores: Tensor) -> Tensor:
    """Return the rows by falling score.

    Raises:
        ValueError: unless boxes are [N, 7] and scores [N].
    """
    if boxes.dim() != 2 or boxes.shape[1] != 7 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"{name}: expected boxes [N, 7] and scores [N], got {list(boxes.shape)}, {list(scores.shape)}")
    return torch.sort(scores, descending=True, stable=True)[1]


def turned_iou(a: Tensor, b: Tensor) -> Tensor:
    """Share of the common area of box pairs Tensor[P, 7], Tensor[P, 7], seen from above: Tensor[P]."""
    common = paired_overlap(a, b)
    return common / (a[:, 3] * a[:, 4] + b[:, 3] * b[:, 4] - common).clamp(min=EPSILON)


def greedy_keep(boxes: Tensor, threshold: float, iou: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the rows that a greedy pass from the first box to the last keeps: Tensor[K] of int64, ascending.

    A row is kept if no kept row before it suppresses it. Instead of one step per row, all rows are decided anew until
    nothing changes: after step n the first n of every chain of suppressions are final, and chains are short.
    """
    better, worse = _suppressions(boxes, threshold, iou)
    keep = torch.ones(boxes.shape[0], dtype=torch.bool, device=boxes.device)
    while True:
        decided = torch.ones_like(keep)
        decided[worse[keep[better]]] = False
        if torch.equal(decided, keep):
            return torch.nonzero(keep).squeeze(1)
        keep = decided


def _suppressions(boxes: Tensor, threshold: float, iou: Callable) -> Tuple[Tensor, Tensor]:
    """Pairs of rows (earlier, later) that overlap by more than the threshold."""
    better, worse = [], []
    for rows in chunks(boxes.shape[0], boxes.shape[0]):
        later = boxes[rows.start :]
        first, second = torch.nonzero(may_touch(boxes[rows], later).triu(1), as_tuple=True)
        above = torch.nonzero(iou(boxes[rows][first], later[second]) > threshold).squeeze(1)
        better.append(first[above] + rows.start)
        worse.append(second[above] + rows.start)
    empty = torch.zeros(0, dtype=torch.int64, device=boxes.device)
    return torch.cat([empty, *better]), torch.cat([empty, *worse])
