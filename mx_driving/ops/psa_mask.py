"""PSANet's masks: attention over relative places, laid out over absolute ones."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor

COLLECT, DISTRIBUTE = 0, 1


def psa_mask(input: Tensor, psa_type: int, mask_size: Tuple[int, int]) -> Tensor:
    """Lay a window of attention around each pixel over the whole image; differentiable.

    Args:
        input (Tensor[N, mask_h * mask_w, H, W]): attention of each pixel to the places around it.
        psa_type (int): 0 collects (the attended place comes first in the result), 1 distributes (it comes last).
        mask_size (Tuple[int, int]): height and width of the window.

    Returns:
        Tensor[N, H * W, H, W]: zeros outside the windows.

    Source: PSANet, ECCV 2018; mmcv's ``psamask``.
    """
    place, valid = _places(input, mask_size)
    batch, _, height, width = input.shape
    area = height * width
    out = input.new_zeros((batch, area, area + 1))  # by pixel, then by attended place; the last holds what is outside
    values = input.flatten(2).transpose(1, 2)
    out = out.scatter(2, torch.where(valid, place, area).expand(batch, -1, -1), values)[..., :area]
    if psa_type == COLLECT:
        out = out.transpose(1, 2)
    return out.reshape(batch, area, height, width)


def psa_mask_backward(grad: Tensor, psa_type: int, mask_size: Tuple[int, int]) -> Tensor:
    """Return the gradient of :func:`psa_mask` by its input, for ``grad`` Tensor[N, H * W, H, W]."""
    batch, area, height, width = grad.shape
    probe = grad.new_zeros((1, mask_size[0] * mask_size[1], height, width))
    place, valid = _places(probe, mask_size)
    by_pixel = grad.reshape(batch, area, area)
    if psa_type == COLLECT:
        by_pixel = by_pixel.transpose(1, 2)
    values = by_pixel.gather(2, torch.where(valid, place, 0).expand(batch, -1, -1)) * valid
    return values.transpose(1, 2).reshape(batch, -1, height, width)


def _places(input: Tensor, mask_size: Tuple[int, int]) -> Tuple[Tensor, Tensor]:
    """The place that each pixel's window entries attend to, and whether it is in the image: Tensor[H * W, h * w]."""
    height, width = input.shape[2:]
    axes = [
        torch.arange(size, device=input.device).unsqueeze(1) + torch.arange(mask, device=input.device) - (mask - 1) // 2
        for size, mask in ((height, mask_size[0]), (width, mask_size[1]))
    ]
    y, x = axes[0][:, None, :, None], axes[1][None, :, None, :]
    valid = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return (y * width + x).flatten(2).flatten(0, 1), valid.flatten(2).flatten(0, 1)
