"""The two operators that a ResNet spends memory traffic on."""

from __future__ import annotations

from typing import Tuple, Union

import torch
from torch import Tensor

Pair = Union[int, Tuple[int, int]]


def add_relu(x: Tensor, y: Tensor) -> Tensor:
    """``relu(x + y)`` in one pass: the end of a residual block.

    Args:
        x (Tensor[...]): the block's output.
        y (Tensor[...]): its shortcut, of a shape and dtype that may be added to ``x``.

    Returns:
        Tensor[...]: of the shape and dtype of ``x + y``.

    Raises:
        RuntimeError: if the shapes do not broadcast, or a tensor is not floating or not on the other's device.
    """
    return torch.ops.mx_driving.add_relu(x, y)


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
    """
    return torch.ops.mx_driving.max_pool2d(input, kernel_size, stride, padding)[0]
