"""Convolutions, pooling, activations and losses of images under the peer's names."""

from __future__ import annotations

from typing import Optional, Tuple, Union

import torch
from torch import Tensor
from torch.nn import functional

from mx_driving import ops

Pair = Union[int, Tuple[int, int]]


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    deformable_groups: int = 1,
    bias: bool = False,
    im2col_step: int = 32,
) -> Tensor:
    """As :func:`mx_driving.ops.deform_conv2d`; ``bias`` and ``im2col_step`` have no effect, as in mmcv."""
    return ops.deform_conv2d(x, offset, weight, stride, padding, dilation, groups, deformable_groups)


def modulated_deform_conv2d(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    deformable_groups: int = 1,
) -> Tensor:
    """As :func:`mx_driving.ops.modulated_deform_conv2d`: the bias is added, which the peer drops."""
    return ops.modulated_deform_conv2d(
        x, offset, mask, weight, bias, stride, padding, dilation, groups, deformable_groups
    )


class DeformConv2dFunction:
    """Only ``apply``; the gradient is the operator's own."""

    apply = staticmethod(deform_conv2d)


class ModulatedDeformConv2dFunction:
    """Only ``apply``; the gradient is the operator's own."""

    apply = staticmethod(modulated_deform_conv2d)


def npu_max_pool2d(x: Tensor, kernel_size: Pair, stride: Pair, padding: Pair) -> Tensor:
    """Maximum of windows, with a gradient (the peer has none) and for any window."""
    return functional.max_pool2d(x, kernel_size, stride, padding)


def npu_add_relu(x: Tensor, y: Tensor) -> Tensor:
    """``relu(x + y)``; x is never overwritten."""
    return ops.add_relu(x, y)


def npu_fused_bias_leaky_relu(x: Tensor, bias: Tensor, negative_slope: float = 0.2, scale: float = 2**0.5) -> Tensor:
    """Bias over dimension 1, leaky ReLU, scale: with the gradients that the peer lacks."""
    shape = [1, -1, *[1] * (x.dim() - 2)]
    return functional.leaky_relu(x + bias.to(x.dtype).view(shape), negative_slope) * scale


def npu_batch_matmul(projection_mat: Tensor, pts_extend: Tensor) -> Tensor:
    """Product of [..., n, n] and [..., n, 1], leading sizes broadcast; half precision is summed in float32."""
    dtype = pts_extend.dtype
    if dtype in (torch.float16, torch.bfloat16):
        projection_mat, pts_extend = projection_mat.float(), pts_extend.float()
    return (projection_mat * pts_extend.transpose(-1, -2)).sum(-1, keepdim=True).to(dtype)


def grid_sampler2d_v2(
    input_tensor: Tensor,
    grid_tensor: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """``torch.nn.functional.grid_sample`` of maps."""
    return functional.grid_sample(input_tensor, grid_tensor, mode, padding_mode, align_corners)


def grid_sampler3d_v1(
    features: Tensor, grid: Tensor, interpolation: str = "bilinear", padding: str = "zeros", align: bool = True
) -> Tensor:
    """``torch.nn.functional.grid_sample`` of volumes; corners are aligned unless told otherwise."""
    return ops.grid_sampler3d(features, grid, interpolation, padding, align)


def sigmoid_focal_loss(
    input: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float = 0.25,
    weight: Optional[Tensor] = None,
    reduction: str = "mean",
) -> Tensor:
    """As :func:`mx_driving.ops.sigmoid_focal_loss`, reduced; ``mean`` divides by the number of rows."""
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"sigmoid_focal_loss: reduction must be none, mean or sum, got {reduction!r}")
    loss = ops.sigmoid_focal_loss(input, target, gamma, alpha, weight)
    if reduction == "none":
        return loss
    return loss.sum() / input.shape[0] if reduction == "mean" else loss.sum()
