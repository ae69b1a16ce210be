"""The compiled operators in torch operators, under the same names and arguments: for a package built without them."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.utils import _pair

Pair = Union[int, Tuple[int, int]]


def add_relu(x: Tensor, y: Tensor) -> Tensor:
    """``relu(x + y)``."""
    return functional.relu(x + y)


def add_relu_(x: Tensor, y: Tensor) -> None:
    """``relu(x + y)``, written into x."""
    functional.relu(x.add_(y), inplace=True)


def max_pool2d(input: Tensor, kernel_size: Pair, stride: Pair, padding: Pair) -> Tuple[Tensor]:
    """Pool by maxima; one value, in a tuple as the compiled operator returns."""
    return (functional.max_pool2d(input, kernel_size, stride, padding),)


def ms_deform_attn(value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """As :func:`mx_driving.ops.ms_deform_attn`."""
    batch, _, heads, channels = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    out = value.new_zeros((batch * heads, channels, queries))
    for level, ((height, width), start) in enumerate(zip(shapes.tolist(), starts.tolist())):
        part = value[:, start : start + height * width].permute(0, 2, 3, 1)
        image = part.reshape(batch * heads, channels, height, width)
        grid = (2 * locations[:, :, :, level] - 1).transpose(1, 2).reshape(batch * heads, queries, points, 2)
        sampled = functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        share = weights[:, :, :, level].transpose(1, 2).reshape(batch * heads, 1, queries, points)
        out = out + (sampled * share).sum(-1)
    return out.view(batch, heads * channels, queries).transpose(1, 2)


def ms_deform_attn_backward(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor, grad: Tensor
) -> List[Tensor]:
    """Gradients by value, locations and weights."""
    return _gradients(lambda v, p, w: ms_deform_attn(v, shapes, starts, p, w), (value, locations, weights), grad)


def deform_conv2d(input: Tensor, offset: Tensor, weight: Tensor, *geometry: Any) -> Tensor:
    """As :func:`mx_driving.ops.deform_conv2d`."""
    return _convolve(input, offset, None, weight, *geometry)


def deform_conv2d_backward(grad: Tensor, input: Tensor, offset: Tensor, weight: Tensor, *geometry: Any) -> List[Tensor]:
    """Gradients by input, offset and weight."""
    return _gradients(lambda x, o, w: deform_conv2d(x, o, w, *geometry), (input, offset, weight), grad)


def modulated_deform_conv2d(
    input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, bias: Optional[Tensor], *geometry: Any
) -> Tensor:
    """As :func:`mx_driving.ops.modulated_deform_conv2d`."""
    out = _convolve(input, offset, mask, weight, *geometry)
    return out if bias is None else out + bias.view(-1, 1, 1)


def modulated_deform_conv2d_backward(
    grad: Tensor, input: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *geometry: Any
) -> List[Tensor]:
    """Gradients by input, offset, mask and weight."""

    def forward(x: Tensor, o: Tensor, m: Tensor, w: Tensor) -> Tensor:
        return modulated_deform_conv2d(x, o, m, w, None, *geometry)

    return _gradients(forward, (input, offset, mask, weight), grad)


def _convolve(
    input: Tensor, offset: Tensor, mask: Optional[Tensor], weight: Tensor, stride: Pair, padding: Pair, dilation: Pair,
    groups: int, deform_groups: int,
) -> Tensor:  # fmt: skip
    batch, channels, height, width = input.shape
    taps, (rows, columns) = weight.shape[2] * weight.shape[3], offset.shape[2:]
    moved = offset.reshape(batch * deform_groups, taps, 2, rows, columns)
    base = _tap_places(offset, weight, _pair(stride), _pair(padding), _pair(dilation))
    y, x = moved[:, :, 0] + base[0], moved[:, :, 1] + base[1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1).flatten(1, 2)
    image = input.reshape(batch * deform_groups, channels // deform_groups, height, width)
    sampled = functional.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    sampled = sampled.reshape(*image.shape[:2], taps, rows, columns)
    if mask is not None:
        sampled = sampled * mask.reshape(batch * deform_groups, 1, taps, rows, columns)
    patches = sampled.reshape(batch, groups, channels // groups * taps, rows * columns)
    out = weight.reshape(groups, weight.shape[0] // groups, -1) @ patches
    return out.reshape(batch, weight.shape[0], rows, columns)


def _tap_places(offset: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> Tuple[Tensor, Tensor]:
    """Rows Tensor[taps, Ho, 1] and columns Tensor[taps, 1, Wo] that the taps read without an offset."""
    kernel_y, kernel_x = weight.shape[2:]

    def along(axis: int, taps: Tensor) -> Tensor:
        out = torch.arange(offset.shape[2 + axis], device=offset.device, dtype=offset.dtype)
        return out * stride[axis] - padding[axis] + (taps * dilation[axis]).to(offset).unsqueeze(1)

    y = along(0, torch.arange(kernel_y).repeat_interleave(kernel_x))
    x = along(1, torch.arange(kernel_x).repeat(kernel_y))
    return y.unsqueeze(2), x.unsqueeze(1)


def _gradients(forward: Callable, inputs: Sequence[Tensor], grad: Tensor) -> List[Tensor]:
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        return list(torch.autograd.grad(forward(*leaves), leaves, grad))
