"""CARAFE: upsampling by kernels that the network predicts for each place."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def carafe(features: Tensor, masks: Tensor, kernel_size: int, group_size: int, scale_factor: int) -> Tensor:
    """Reassemble each pixel of the larger image from the window around its source pixel; differentiable by both.

    Args:
        features (Tensor[N, C, H, W]): the image; outside it reads zeros.
        masks (Tensor[N, group_size * kernel_size**2, H * scale_factor, W * scale_factor]): the kernels.
        kernel_size (int): odd side of the window in source pixels.
        group_size (int): groups of channels that share a kernel; divides C.
        scale_factor (int): output pixels per source pixel and axis.

    Returns:
        Tensor[N, C, H * scale_factor, W * scale_factor].

    Source: CARAFE, arXiv 1905.02188, sec. 3; mmcv's ``carafe_naive``.
    """
    batch, channels, height, width = features.shape
    taps, scale = kernel_size * kernel_size, scale_factor
    windows = functional.unfold(features, kernel_size, padding=(kernel_size - 1) // 2)
    windows = windows.view(batch, group_size, channels // group_size, taps, height * width)
    kernels = masks.view(batch, group_size, taps, height, scale, width, scale).permute(0, 1, 3, 5, 2, 4, 6)
    kernels = kernels.reshape(batch, group_size, height * width, taps, scale * scale)
    out = windows.permute(0, 1, 4, 2, 3) @ kernels  # [N, g, H * W, C / g, scale * scale]
    out = out.view(batch, group_size, height, width, channels // group_size, scale, scale)
    return out.permute(0, 1, 4, 2, 5, 3, 6).reshape(batch, channels, height * scale, width * scale)
