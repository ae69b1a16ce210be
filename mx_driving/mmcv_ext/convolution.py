"""Deformable operators under the names and arguments of mmcv's extension.

Results are written into the tensors given; gradients that many taps share are added, as in mmcv. Buffers that mmcv's
kernels need (``columns``, ``ones``, ``im2col_step``) are left as they are.
"""

from __future__ import annotations

from typing import Tuple

from torch import Tensor

from mx_driving import ops


def ms_deform_attn_forward(
    value: Tensor, value_spatial_shapes: Tensor, value_level_start_index: Tensor, sampling_locations: Tensor,
    attention_weights: Tensor, im2col_step: int,
) -> Tensor:  # fmt: skip
    """Return the attention; see :func:`mx_driving.ops.ms_deform_attn`."""
    return ops.ms_deform_attn(
        value, value_spatial_shapes, value_level_start_index, sampling_locations, attention_weights
    )


def ms_deform_attn_backward(
    value: Tensor, value_spatial_shapes: Tensor, value_level_start_index: Tensor, sampling_locations: Tensor,
    attention_weights: Tensor, grad_output: Tensor, grad_value: Tensor, grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor, im2col_step: int,
) -> None:  # fmt: skip
    """Add the gradients."""
    inputs = (value, value_spatial_shapes, value_level_start_index, sampling_locations, attention_weights)
    grads = ops.ms_deform_attn_backward(*inputs, grad_output)
    for out, grad in zip((grad_value, grad_sampling_loc, grad_attn_weight), grads):
        out.add_(grad)


def _geometry(
    dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int
) -> Tuple:
    return (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group


def deform_conv_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor,
    kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
    group: int, deformable_group: int, im2col_step: int,
) -> None:  # fmt: skip
    """Write the convolution; see :func:`mx_driving.ops.deform_conv2d`."""
    geometry = _geometry(dW, dH, padW, padH, dilationW, dilationH, group, deformable_group)
    output.copy_(ops.deform_conv2d(input, offset, weight, *geometry))


def deform_conv_backward_input(
    input: Tensor, offset: Tensor, gradOutput: Tensor, gradInput: Tensor, gradOffset: Tensor, weight: Tensor,
    columns: Tensor, kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
    group: int, deformable_group: int, im2col_step: int,
) -> None:  # fmt: skip
    """Add the gradient by the image, write the one by the offsets."""
    geometry = _geometry(dW, dH, padW, padH, dilationW, dilationH, group, deformable_group)
    grad_input, grad_offset, _ = ops.deform_conv2d_backward(gradOutput, input, offset, weight, *geometry)
    gradInput.add_(grad_input)
    gradOffset.copy_(grad_offset)


def deform_conv_backward_parameters(
    input: Tensor, offset: Tensor, gradOutput: Tensor, gradWeight: Tensor, columns: Tensor, ones: Tensor,
    kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
    group: int, deformable_group: int, scale: float, im2col_step: int,
) -> None:  # fmt: skip
    """Add the gradient by the weight, times ``scale``."""
    geometry = _geometry(dW, dH, padW, padH, dilationW, dilationH, group, deformable_group)
    # The weight's values do not enter its own gradient: the tensor to be filled lends its shape.
    grad_weight = ops.deform_conv2d_backward(gradOutput, input, offset, gradWeight, *geometry)[2]
    gradWeight.add_(grad_weight, alpha=scale)


def modulated_deform_conv_forward(
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor, mask: Tensor, output: Tensor,
    columns: Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
    dilation_h: int, dilation_w: int, group: int, deformable_group: int, with_bias: bool,
) -> None:  # fmt: skip
    """Write the convolution; see :func:`mx_driving.ops.modulated_deform_conv2d`."""
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    output.copy_(ops.modulated_deform_conv2d(input, offset, mask, weight, bias if with_bias else None, *geometry))


def modulated_deform_conv_backward(
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor, mask: Tensor, columns: Tensor,
    grad_input: Tensor, grad_weight: Tensor, grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor,
    grad_output: Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
    dilation_h: int, dilation_w: int, group: int, deformable_group: int, with_bias: bool,
) -> None:  # fmt: skip
    """Add the gradients by image, weight and bias, write those by offsets and mask."""
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    grads = ops.modulated_deform_conv2d_backward(grad_output, input, offset, mask, weight, *geometry)
    grad_input.add_(grads[0])
    grad_offset.copy_(grads[1])
    grad_mask.copy_(grads[2])
    grad_weight.add_(grads[3])
    if with_bias:
        grad_bias.add_(grad_output.sum((0, 2, 3)))
