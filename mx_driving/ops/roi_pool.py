"""RoIPool: the largest pixel of each bin of each box."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor


def roi_pool(
    input: Tensor, rois: Tensor, output_size: Tuple[int, int], spatial_scale: float = 1.0
) -> Tuple[Tensor, Tensor]:
    """Take the maximum of the pixels that each bin touches; differentiable by ``input``.

    Args:
        input (Tensor[N, C, H, W]): feature maps.
        rois (Tensor[K, 5]): ``(batch index, x1, y1, x2, y2)`` in pixels of the image, the last pixel included.
        output_size (Tuple[int, int]): bins, height and width.
        spatial_scale (float): feature pixels per image pixel.

    Returns:
        Tensor[K, C, *output_size]: the maxima, 0 in bins outside the image and in boxes without area.
        Tensor[K, C, *output_size] of int64: ``row * W + column`` of the pixel, -1 where there is none.

    Source: Fast R-CNN, arXiv 1504.08083, sec. 2.1; mmcv's ``roi_pool``.
    """
    height, width = input.shape[2:]
    start = rois[:, 1:3] * spatial_scale
    size = (rois[:, 3:5] + 1) * spatial_scale - start
    y1, y2 = _bins(start[:, 1], size[:, 1], output_size[0], height)
    x1, x2 = _bins(start[:, 0], size[:, 0], output_size[1], width)
    empty = (size <= 0).any(1).view(-1, 1)
    y2, x2 = torch.where(empty, y1, y2), torch.where(empty, x1, x2)
    values, places = [], []
    for row, batch in enumerate(rois[:, 0].long().tolist()):
        value, place = _pool(input[batch], y1[row], y2[row], x1[row], x2[row])
        values.append(value)
        places.append(place)
    if not values:
        shape = (0, input.shape[1], *output_size)
        return input.new_zeros(shape), torch.zeros(shape, dtype=torch.int64, device=input.device)
    return torch.stack(values), torch.stack(places)


def _bins(start: Tensor, size: Tensor, bins: int, limit: int) -> Tuple[Tensor, Tensor]:
    """First pixel and the one after the last of each bin: Tensor[K, bins] twice."""
    step = (size / bins).unsqueeze(1)
    number = torch.arange(bins, device=start.device, dtype=start.dtype)
    first = (number * step + start.unsqueeze(1)).floor()
    last = ((number + 1) * step + start.unsqueeze(1)).ceil()
    return first.clamp(0, limit).long(), last.clamp(0, limit).long()


def _pool(image: Tensor, y1: Tensor, y2: Tensor, x1: Tensor, x2: Tensor) -> Tuple[Tensor, Tensor]:
    """Pool one box: columns first, then rows, each in one step over all bins."""
    height, width = image.shape[1:]
    best, column = _extremes(image, x1, x2, width)  # [C, H, w]
    value, row = _extremes(best.transpose(1, 2), y1, y2, height)  # [C, w, h]
    value, row = value.transpose(1, 2), row.transpose(1, 2)
    place = row * width + column.gather(1, row.clamp(max=height - 1))
    none = (y2 <= y1).unsqueeze(1) | (x2 <= x1)
    return value.masked_fill(none, 0), place.masked_fill(none | (value == -torch.inf), -1)


def _extremes(values: Tensor, first: Tensor, last: Tensor, size: int) -> Tuple[Tensor, Tensor]:
    """Maximum, and the first place of it, of ``values[..., first[b]:last[b]]`` for each bin b."""
    span = max(1, int((last - first).max()))
    places = first.unsqueeze(1) + torch.arange(span, device=first.device)
    outside = places >= last.unsqueeze(1)
    places = places.clamp(max=size - 1)
    best, at = values[..., places].masked_fill(outside, -torch.inf).max(-1)
    return best, places.expand(*best.shape[:-1], *places.shape).gather(-1, at.unsqueeze(-1)).squeeze(-1)
