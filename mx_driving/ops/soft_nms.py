"""Soft suppression: overlapping boxes lose score instead of being dropped."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor

from mx_driving.ops.nms import _columns, overlaps

METHODS = ("naive", "linear", "gaussian")


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = "linear",
    offset: int = 0,
) -> Tuple[Tensor, Tensor]:
    """Take the best box again and again and lower the scores of those that overlap it.

    Args:
        boxes (Tensor[N, 4]): ``(x1, y1, x2, y2)``.
        scores (Tensor[N]): non-negative.
        iou_threshold (float): overlap from which on ``naive`` drops and ``linear`` lowers.
        sigma (float): width of ``gaussian``.
        min_score (float): boxes below it are dropped.
        method (str): ``naive``, ``linear`` or ``gaussian``.
        offset (int): 1 counts the last pixel as part of the box.

    Returns:
        Tensor[K, 5]: boxes and new scores, by falling score; Tensor[K] of int64: their rows.

    Raises:
        ValueError: if the method is none of these.

    Source: Soft-NMS, arXiv 1704.04503; mmcv's ``softnms``, whose order of equal scores is kept.
    """
    if method not in METHODS:
        raise ValueError(f"soft_nms: expected a method out of {', '.join(METHODS)}, got {method!r}")
    state = torch.cat([_columns(boxes, offset), scores.unsqueeze(0)])
    rows = torch.arange(boxes.shape[0], device=boxes.device)
    done, count = 0, boxes.shape[0]
    while done < count:
        best = done + _best(state[5, done:count])
        swap = [best, done]
        state[:, [done, best]] = state[:, swap]
        rows[[done, best]] = rows[swap]
        rest = slice(done + 1, count)
        share = overlaps(state[:5, done : done + 1], state[:5, rest], offset)[0]
        state[5, rest] *= _factor(share, method, iou_threshold, sigma)
        done, count = done + 1, _drop(state, rows, done + 1, count, min_score)
    return torch.cat([state[:4, :count], state[5:, :count]]).t().contiguous(), rows[:count].clone()


def _best(scores: Tensor) -> int:
    # As in mmcv, a NaN (of a box without area) is never better, and nothing is better than a NaN that comes first.
    if bool(scores[0].isnan()):
        return 0
    return int(torch.where(scores.isnan(), scores.new_tensor(-torch.inf), scores).argmax())


def _factor(share: Tensor, method: str, iou_threshold: float, sigma: float) -> Tensor:
    if method == "gaussian":
        return torch.exp(-(share * share) / sigma)
    lowered = 1 - share if method == "linear" else torch.zeros_like(share)
    return torch.where(share >= iou_threshold, lowered, torch.ones_like(share))


def _drop(state: Tensor, rows: Tensor, start: int, count: int, min_score: float) -> int:
    """Fill the places of boxes below ``min_score`` with boxes from the end; return how many are left in all."""
    dead = state[5, start:count] < min_score
    left = count - int(dead.sum())
    if left < count:
        holes = start + torch.nonzero(dead[: left - start]).squeeze(1)
        fill = left + torch.nonzero(~dead[left - start :]).squeeze(1).flip(0)
        state[:, holes] = state[:, fill]
        rows[holes] = rows[fill]
    return left
