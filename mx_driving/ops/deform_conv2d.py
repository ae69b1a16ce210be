"""Deformable convolution (DCNv1), in mmcv's argument order."""

from __future__ import annotations

from typing import Tuple, Union

from torch import Tensor

from mx_driving.ops._dtypes import like_first
from mx_driving.ops._library import operators

Pair = Union[int, Tuple[int, int]]


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    """Convolve with every tap of the kernel moved by an offset (DCNv1), sampling bilinearly.

    Taps outside the image read zeros. ``offset`` decides the dtype, as in mmcv: under autocast the branch that predicts
    it is in half precision.

    Args:
        input (Tensor[N, C, H, W]): the image.
        offset (Tensor[N, deform_groups * kh * kw * 2, Ho, Wo]): ``(y, x)`` in pixels for each deform group and tap.
        weight (Tensor[O, C / groups, kh, kw]): the kernel.
        stride, padding, dilation (int or (height, width)): as in ``conv2d``, in pixels.
        groups (int): convolution groups; divides C and O.
        deform_groups (int): groups of input channels that share their offsets; divides C.

    Returns:
        Tensor[N, O, Ho, Wo] with ``Ho = (H + 2 * padding - (dilation * (kh - 1) + 1)) // stride + 1``, Wo alike.

    Raises:
        RuntimeError: if a shape, dtype, device or argument does not fit.

    Source: Deformable Convolutional Networks, arXiv 1703.06211, sec. 2.1.

    Example:
        >>> import torch
        >>> image, weight = torch.arange(9.0).view(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
        >>> right = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 3, 3)  # every tap one pixel to the right
        >>> deform_conv2d(image, right, weight)[0, 0]
        tensor([[1., 2., 0.],
                [4., 5., 0.],
                [7., 8., 0.]])
    """
    input, weight = like_first(offset, input, weight)
    return operators().deform_conv2d(input, offset, weight, stride, padding, dilation, groups, deform_groups)


def deform_conv2d_backward(
    grad_output: Tensor,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of :func:`deform_conv2d`.

    Args:
        grad_output (Tensor[N, O, Ho, Wo]): gradient of its result; the other arguments are those of the forward call.

    Returns:
        Gradients of ``input``, ``offset`` and ``weight``, each of its tensor's shape.

    Raises:
        RuntimeError: as the forward call, and if ``grad_output`` does not fit.
    """
    return operators().deform_conv2d_backward(
        grad_output, input, offset, weight, stride, padding, dilation, groups, deform_groups
    )
