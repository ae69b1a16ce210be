"""The pooling of ResNet's stem."""

from __future__ import annotations

from typing import Tuple, Union

from torch import Tensor

from mx_driving.ops._library import operators

Pair = Union[int, Tuple[int, int]]


def max_pool2d(input: Tensor, kernel_size: Pair = 3, stride: Pair = 2, padding: Pair = 1) -> Tensor:
    """Maximum over windows, padded with minus infinity; the defaults are those of ResNet's stem.

    The same results as ``torch.nn.functional.max_pool2d``; of equal maxima the first in its window gets the gradient.

    Args:
        input (Tensor[N, C, H, W]): the image.
        kernel_size, stride, padding (int or (height, width)): the window, its step and the border, in pixels.

    Returns:
        Tensor[N, C, Ho, Wo] with ``Ho = (H + 2 * padding - kernel_size) // stride + 1``, Wo alike.

    Raises:
        RuntimeError: if the shape, dtype or an argument does not fit.

    Example:
        >>> import torch
        >>> max_pool2d(torch.arange(16.0).view(1, 1, 4, 4))
        tensor([[[[ 5.,  7.],
                  [13., 15.]]]])
    """
    return operators().max_pool2d(input, kernel_size, stride, padding)[0]
