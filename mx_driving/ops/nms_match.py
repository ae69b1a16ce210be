"""Groups of boxes: one that suppression keeps, and those that it drops for it."""

from __future__ import annotations

from typing import List

import torch
from torch import Tensor

from mx_driving.ops.nms import _columns, overlaps, resolve


def nms_match(dets: Tensor, iou_threshold: float) -> List[List[int]]:
    """Return for each kept box its row and the rows of the boxes that it drops, by falling score.

    Args:
        dets (Tensor[N, 5]): ``(x1, y1, x2, y2, score)``.
        iou_threshold (float): common over united area from which on (``>=``) the lower box is dropped.

    Returns:
        One list a kept box, by falling score; its own row is the first.

    Source: mmcv's ``nms_match``.
    """
    if not dets.shape[0]:
        return []
    order = torch.sort(dets[:, 4], descending=True)[1]  # not stable, as in mmcv: ties fall alike
    columns = _columns(dets[order, :4], 0)
    suppresses = (overlaps(columns, columns, 0) >= iou_threshold).triu(1)
    keep = resolve(suppresses)
    by = (suppresses & keep.unsqueeze(1)).to(torch.uint8).argmax(0)  # the first kept box that drops it
    leader = torch.where(keep, torch.arange(order.shape[0], device=order.device), by)
    groups = {row: [rank] for row, rank in zip(torch.nonzero(keep).squeeze(1).tolist(), order[keep].tolist())}
    for row, rank, kept in zip(leader.tolist(), order.tolist(), keep.tolist()):
        if not kept:
            groups[row].append(rank)
    return list(groups.values())
