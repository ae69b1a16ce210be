"""Suppression of boxes that overlap a better one."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 256
KEPT = 2048  # kept boxes that a block is compared with at once: the pairs stay in the cache


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Keep boxes by falling score and drop those that overlap a kept one by more than the threshold.

    Args:
        boxes (Tensor[N, 4]): ``(x1, y1, x2, y2)``.
        scores (Tensor[N]): equal scores are taken in the order of ``torch.sort``.
        iou_threshold (float): common area over united area above which the lower one is dropped.
        offset (int): 1 counts the last pixel as part of the box.

    Returns:
        Tensor[K] of int64: rows kept, by falling score.

    Raises:
        ValueError: if the shapes are others.

    Source: mmcv's ``nms``; pairs are compared block by block instead of one by one, with the same arithmetic.
    """
    if boxes.dim() != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(f"nms: expected boxes [N, 4] and scores [N], got {list(boxes.shape)}, {list(scores.shape)}")
    order = torch.sort(scores, descending=True)[1]  # not stable, as in mmcv: ties fall alike
    columns = _columns(boxes[order], offset)
    # Kept boxes fill the front of `kept`, so that later blocks meet them in one piece.
    kept, rows, count = torch.empty_like(columns), [], 0
    for start in range(0, boxes.shape[0], BLOCK):
        alive = torch.arange(start, min(start + BLOCK, boxes.shape[0]), device=boxes.device)
        block = columns[:, start : start + BLOCK]
        for first in range(0, count, KEPT):
            free = ~(overlaps(kept[:, first : min(first + KEPT, count)], block, offset) > iou_threshold).any(0)
            alive, block = alive[free], block[:, free]
        inside = resolve((overlaps(block, block, offset) > iou_threshold).triu(1))
        alive, block = alive[inside], block[:, inside]
        kept[:, count : count + block.shape[1]] = block
        count += block.shape[1]
        rows.append(alive)
    return order[torch.cat(rows)] if rows else order


def _columns(boxes: Tensor, offset: int) -> Tensor:
    """Return x1, y1, x2, y2 and the area as rows: Tensor[5, N]."""
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([x1, y1, x2, y2, (x2 - x1 + offset) * (y2 - y1 + offset)])


def overlaps(a: Tensor, b: Tensor, offset: int) -> Tensor:
    """Common over united area of Tensor[5, M] and Tensor[5, N], rows of :func:`_columns`: Tensor[M, N]."""
    a = a.unsqueeze(2)
    width = torch.minimum(a[2], b[2]).sub_(torch.maximum(a[0], b[0])).add_(offset).clamp_(min=0)
    common = torch.minimum(a[3], b[3]).sub_(torch.maximum(a[1], b[1])).add_(offset).clamp_(min=0).mul_(width)
    return common / (a[4] + b[4]).sub_(common)


def resolve(suppresses: Tensor) -> Tensor:
    """Return which rows a greedy pass keeps, Tensor[N] of bool, for ``suppresses[i, j]``: i drops j, for i < j.

    All rows are decided anew until nothing changes: after step n the first n of every chain of suppressions are final.
    """
    keep = ~suppresses.any(0)
    while True:
        decided = ~(suppresses & keep.unsqueeze(1)).any(0)
        if torch.equal(decided, keep):
            return keep
        keep = decided
