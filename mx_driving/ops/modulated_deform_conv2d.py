"""Modulated deformable convolution (DCNv2), in mmcv's argument order."""

from __future__ import annotations

from typing import Optional, Tuple, Union

from torch import Tensor

from mx_driving.ops._dtypes import like_first
from mx_driving.ops._library import operators

Pair = Union[int, Tuple[int, int]]


def modulated_deform_conv2d(
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Convolve with every tap of the kernel moved by an offset and scaled by a mask (DCNv2).

    As :func:`deform_conv2d`, with two more tensors.

    Args:
        mask (Tensor[N, deform_groups * kh * kw, Ho, Wo]): factor of each tap; the caller applies the sigmoid.
        bias (Tensor[O], optional): added to each output channel.

    Returns:
        Tensor[N, O, Ho, Wo].

    Raises:
        RuntimeError: if a shape, dtype, device or argument does not fit.

    Source: Deformable ConvNets v2, arXiv 1811.11168, sec. 3.2.

    Example:
        >>> import torch
        >>> image, weight = torch.arange(4.0).view(1, 1, 2, 2), torch.ones(1, 1, 1, 1)
        >>> offset, mask = torch.zeros(1, 2, 2, 2), torch.full((1, 1, 2, 2), 0.5)
        >>> modulated_deform_conv2d(image, offset, mask, weight)[0, 0]
        tensor([[0.0000, 0.5000],
                [1.0000, 1.5000]])
    """
    input, mask, weight, bias = like_first(offset, input, mask, weight, bias)
    return operators().modulated_deform_conv2d(
        input, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups
    )


def modulated_deform_conv2d_backward(
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of :func:`modulated_deform_conv2d`; the bias's is ``grad_output.sum((0, 2, 3))``.

    Args:
        grad_output (Tensor[N, O, Ho, Wo]): gradient of its result; the other arguments are those of the forward call.

    Returns:
        Gradients of ``input``, ``offset``, ``mask`` and ``weight``, each of its tensor's shape.

    Raises:
        RuntimeError: as the forward call, and if ``grad_output`` does not fit.
    """
    return operators().modulated_deform_conv2d_backward(
        grad_output, input, offset, mask, weight, stride, padding, dilation, groups, deform_groups
    )
