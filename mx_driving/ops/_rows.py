"""Weighted sums of a table's rows: what every bilinear operator comes down to."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

CHUNK = 1 << 22  # gathered numbers that are held at once where there is no fused kernel: 16 megabytes


def weighted_rows(table: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Return ``sum over t of weight[k, t] * table[index[k, t]]``, differentiable by table and weight.

    Args:
        table (Tensor[N, C]): rows.
        index (Tensor[K, T]): int64, in ``[0, N)``.
        weight (Tensor[K, T]): of the table's dtype.

    Returns:
        Tensor[K, C].
    """
    if not index.numel():
        return table.new_zeros((index.shape[0], table.shape[1])) + 0 * table.sum()
    if _fused(table):
        return embedding_bag(index, table, mode="sum", per_sample_weights=weight)
    step = max(1, CHUNK // (index.shape[1] * max(1, table.shape[1])))
    parts = [
        torch.bmm(w.unsqueeze(1), table[i.reshape(-1)].reshape(*i.shape, -1)).squeeze(1)
        for i, w in zip(index.split(step), weight.split(step))
    ]
    return torch.cat(parts)


def scatter_rows(grad: Tensor, index: Tensor, weight: Tensor, rows: int) -> Tensor:
    """Return the gradient of :func:`weighted_rows` by its table: Tensor[rows, C] for ``grad`` Tensor[K, C]."""
    if not index.numel():
        return grad.new_zeros((rows, grad.shape[1]))
    if _fused(grad):
        taps = index.shape[1]
        bag = torch.arange(index.shape[0], device=index.device).repeat_interleave(taps)
        size = torch.full((index.shape[0],), taps, dtype=torch.int64, device=index.device)
        return torch.ops.aten._embedding_bag_dense_backward(
            grad.contiguous(), index.reshape(-1), bag, size, size[:0], rows, False, 0, weight.reshape(-1)
        )
    out = grad.new_zeros((rows, grad.shape[1]))
    step = max(1, CHUNK // (index.shape[1] * max(1, grad.shape[1])))
    for i, w, g in zip(index.split(step), weight.split(step), grad.split(step)):
        out.index_add_(0, i.reshape(-1), (w.unsqueeze(2) * g.unsqueeze(1)).reshape(-1, grad.shape[1]))
    return out


def _fused(table: Tensor) -> bool:
    # torch's CPU kernel of embedding_bag reads each row once; elsewhere it is missing or takes float32 alone.
    return table.device.type == "cpu" and table.dtype in (torch.float32, torch.float64)


def as_rows(images: Tensor) -> Tensor:
    """Turn Tensor[N, C, H, W] into Tensor[N * H * W, C]."""
    return images.permute(0, 2, 3, 1).reshape(-1, images.shape[1])


def as_images(rows: Tensor, shape: Tuple[int, ...]) -> Tensor:
    """Turn Tensor[N * H * W, C] into Tensor[N, C, H, W] of this shape."""
    batch, channels, height, width = shape
    return rows.reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def bilinear_taps(y: Tensor, x: Tensor, height: int, width: int) -> Tuple[Tensor, Tensor]:
    """Return the four pixels around each place and their weights, as mmcv's RoIAlign samples.

    A place up to one pixel outside reads the border; farther out all weights are zero.

    Args:
        y, x (Tensor[...]): in pixels; the centre of pixel 0 is 0.
        height, width (int): of the image.

    Returns:
        Tensor[..., 4] of int64: ``row * width + column``; Tensor[..., 4]: weights of y's dtype.
    """
    inside = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    y_low, ly = _low(y, height)
    x_low, lx = _low(x, width)
    hy, hx = 1 - ly, 1 - lx
    zero = torch.zeros_like(y)
    weight = torch.stack([torch.where(inside, w, zero) for w in (hy * hx, hy * lx, ly * hx, ly * lx)], -1)
    y_high, x_high = (y_low + 1).clamp(max=height - 1), (x_low + 1).clamp(max=width - 1)
    pairs = ((y_low, x_low), (y_low, x_high), (y_high, x_low), (y_high, x_high))
    return torch.stack([row * width + column for row, column in pairs], -1), weight


def _low(place: Tensor, size: int) -> Tuple[Tensor, Tensor]:
    """Return the pixel at or below each place, as int64, and the distance from it."""
    place = torch.nan_to_num(place).clamp(0, size - 1)
    low = place.detach().floor()
    return low.long(), place - low
