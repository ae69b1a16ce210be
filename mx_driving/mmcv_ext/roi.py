"""Pooling of boxes under the names and arguments of mmcv's extension; results are written into the tensors given."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving import ops
from mx_driving.ops.roi_align import Geometry, roi_align_max, roi_align_max_backward
from mx_driving.ops.roi_align import roi_align_backward as _average_backward

MAX, AVERAGE = 0, 1


def roi_align_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, aligned_height: int,
    aligned_width: int, spatial_scale: float, sampling_ratio: int, pool_mode: int, aligned: bool,
) -> None:  # fmt: skip
    """Write the bins into ``output``, for maxima their places too; see :func:`mx_driving.ops.roi_align`."""
    geometry = Geometry((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
    if pool_mode == AVERAGE:
        output.copy_(ops.roi_align(input, rois, *geometry))
        return
    for target, value in zip((output, argmax_y, argmax_x), roi_align_max(input, rois, geometry)):
        target.copy_(value)


def roi_align_backward(
    grad_output: Tensor, rois: Tensor, argmax_y: Tensor, argmax_x: Tensor, grad_input: Tensor, aligned_height: int,
    aligned_width: int, spatial_scale: float, sampling_ratio: int, pool_mode: int, aligned: bool,
) -> None:  # fmt: skip
    """Add the gradient to ``grad_input``."""
    if pool_mode == AVERAGE:
        geometry = Geometry((aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)
        grad_input.add_(_average_backward(grad_output, rois, grad_input, geometry))
    else:
        grad_input.add_(roi_align_max_backward(grad_output, rois, argmax_y, argmax_x, grad_input))


def roi_pool_forward(
    input: Tensor, rois: Tensor, output: Tensor, argmax: Tensor, pooled_height: int, pooled_width: int,
    spatial_scale: float,
) -> None:  # fmt: skip
    """Write the maxima and their places; see :func:`mx_driving.ops.roi_pool`."""
    value, place = ops.roi_pool(input, rois, (pooled_height, pooled_width), spatial_scale)
    output.copy_(value)
    argmax.copy_(place)


def roi_pool_backward(
    grad_output: Tensor, rois: Tensor, argmax: Tensor, grad_input: Tensor, pooled_height: int, pooled_width: int,
    spatial_scale: float,
) -> None:  # fmt: skip
    """Add the gradient of each bin to ``grad_input`` where its maximum was."""
    channels, height, width = grad_input.shape[1:]
    plane = rois[:, 0].long().view(-1, 1, 1, 1) * channels + torch.arange(channels, device=rois.device).view(-1, 1, 1)
    place = (plane * height * width + argmax.clamp(min=0)).reshape(-1)
    values = grad_output.masked_fill(argmax < 0, 0).reshape(-1)
    flat = grad_input.new_zeros(grad_input.numel()).index_add_(0, place, values)
    grad_input.add_(flat.view_as(grad_input))
