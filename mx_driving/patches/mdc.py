"""``mdc``: modulated deformable convolution (v2) runs on mx_driving's operator; built like ``dc``.

mmcv checks the sizes of neither the offsets nor the masks: of each image it reads as many numbers as the output needs,
in the order in which they lie in memory, and gives the others no gradient. DyHead and GLIP train on that: they hand
maps of one level to a convolution of the next, smaller one. Maps that are too small, where mmcv reads foreign memory,
are an error here.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.utils import _pair

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.ops._dtypes import like_first
from mx_driving.patches._mmcv import NO_EXT, need_operators


def _is_ours(*tensors: Tensor) -> bool:
    """Tell whether a call is ours: no trace of it is taken, and the numbers of every image lie one after the other.

    mmcv's CPU kernel reads them so whatever the strides are: what that gives for other strides, it has to give.
    """
    return torch._C._get_tracing_state() is None and all(
        t.is_contiguous() or t.device.type != "cpu" or (t.dim() > 1 and len(t) > 0 and t[0].is_contiguous())
        for t in tensors
    )


def _first_maps(tensor: Tensor, size: Sequence[int]) -> Tensor:
    """Return the first numbers of each image as maps of ``size``; the tensor itself where it has too few of them."""
    if tensor.shape == size or tensor.dim() < 2 or len(tensor) < size[0]:
        return tensor
    count = size[1] * size[2] * size[3]
    images = tensor.flatten(1)
    return images[: size[0], :count].reshape(size) if images.shape[1] >= count else tensor


def _maps(
    offset: Tensor, mask: Tensor, weight: Tensor, size: Sequence[int], deform_groups: int
) -> Tuple[Tensor, Tensor]:
    """Return the offsets and masks of an output of ``size`` (N, height, width)."""
    taps = deform_groups * weight.shape[2] * weight.shape[3]
    batch, height, width = size
    return _first_maps(offset, (batch, 2 * taps, height, width)), _first_maps(mask, (batch, taps, height, width))


def _fill_maps(whole: Tensor, grad: Tensor) -> Tensor:
    """Write the gradient of the first maps into ``whole``, which is in memory order; the rest of it stays."""
    maps = grad.flatten(1)
    whole.flatten(1)[: len(maps), : maps.shape[1]] = maps
    return whole


def _forward(
    original: Callable,
    ctx: Any,
    input: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
) -> Tensor:
    given = (input, mask, weight, bias)
    input, mask, weight, bias = like_first(offset, input, mask, weight, bias)
    if input.dim() != 4 or weight.dim() != 4 or not _is_ours(input, offset, mask):
        input, mask, weight, bias = given
        return original(ctx, input, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups)
    # What the original's backward reads: it may be in force again when this graph is differentiated.
    unused = input.new_empty(0)
    ctx.save_for_backward(input, offset, mask, weight, unused if bias is None else bias)
    ctx.stride, ctx.padding, ctx.dilation = _pair(stride), _pair(padding), _pair(dilation)
    ctx.groups, ctx.deform_groups, ctx.with_bias = groups, deform_groups, bias is not None
    ctx.device, ctx._bufs = input.device.type, [unused, unused]
    ctx.is_ours = True
    offset, mask = _maps(offset, mask, weight, _output_size(ctx, input, weight), deform_groups)
    return ops.modulated_deform_conv2d(input, offset, mask, weight, bias, *_arguments(ctx))


def _output_size(ctx: Any, input: Tensor, weight: Tensor) -> Tuple[int, int, int]:
    height, width = (
        (input.shape[2 + i] + 2 * ctx.padding[i] - ctx.dilation[i] * (weight.shape[2 + i] - 1) - 1) // ctx.stride[i] + 1
        for i in range(2)
    )
    return input.shape[0], height, width


def _arguments(ctx: Any) -> Tuple:
    return ctx.stride, ctx.padding, ctx.dilation, ctx.groups, ctx.deform_groups


def _backward(original: Callable, ctx: Any, grad_output: Tensor) -> Tuple:
    return _gradients(ctx, grad_output) if hasattr(ctx, "is_ours") else original(ctx, grad_output)


@once_differentiable
def _gradients(ctx: Any, grad_output: Tensor) -> Tuple:
    input, offset, mask, weight, _ = ctx.saved_tensors
    maps = _maps(offset, mask, weight, _output_size(ctx, input, weight), ctx.deform_groups)
    of_input, of_offset, of_mask, of_weight = ops.modulated_deform_conv2d_backward(
        grad_output, input, *maps, weight, *_arguments(ctx)
    )
    if of_offset.shape != offset.shape:
        of_offset = _fill_maps(of_offset.new_zeros(offset.shape), of_offset)
    if of_mask.shape != mask.shape:
        of_mask = _fill_maps(of_mask.new_zeros(mask.shape), of_mask)
    of_bias = grad_output.sum((0, 2, 3)) if ctx.with_bias else None
    return of_input, of_offset, of_mask, of_weight, of_bias, None, None, None, None, None


def _ext_forward(
    original: Callable,
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor, mask: Tensor, output: Tensor,
    columns: Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
    dilation_h: int, dilation_w: int, group: int, deformable_group: int, with_bias: bool,
) -> None:  # fmt: skip
    if not _is_ours(input, offset, mask):
        return original(
            input, weight, bias, ones, offset, mask, output, columns, kernel_h, kernel_w, stride_h, stride_w, pad_h,
            pad_w, dilation_h, dilation_w, group, deformable_group, with_bias,
        )  # fmt: skip
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    maps = _maps(offset, mask, weight, (output.shape[0], *output.shape[2:]), deformable_group)
    inputs = (input, *maps, weight, bias if with_bias else None)
    output.copy_(ops.modulated_deform_conv2d(*inputs, *geometry))
    return None


def _ext_backward(
    original: Callable,
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor, mask: Tensor, columns: Tensor,
    grad_input: Tensor, grad_weight: Tensor, grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor,
    grad_output: Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
    dilation_h: int, dilation_w: int, group: int, deformable_group: int, with_bias: bool,
) -> None:  # fmt: skip
    if not _is_ours(input, offset, mask, grad_input, grad_offset, grad_mask):
        return original(
            input, weight, bias, ones, offset, mask, columns, grad_input, grad_weight, grad_bias, grad_offset,
            grad_mask, grad_output, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w,
            group, deformable_group, with_bias,
        )  # fmt: skip
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    maps = _maps(offset, mask, weight, (grad_output.shape[0], *grad_output.shape[2:]), deformable_group)
    inputs = (grad_output, input, *maps, weight)
    of_input, of_offset, of_mask, of_weight = ops.modulated_deform_conv2d_backward(*inputs, *geometry)
    # As mmcv's kernels: many taps meet in one pixel and many positions in one weight, so they add.
    grad_input.add_(of_input)
    grad_weight.add_(of_weight)
    _fill_maps(grad_offset, of_offset)
    _fill_maps(grad_mask, of_mask)
    if with_bias:
        grad_bias.add_(grad_output.sum((0, 2, 3)))
    return None


_FUNCTION = "mmcv.ops.modulated_deform_conv:ModulatedDeformConv2dFunction"

PATCH = PatchRecord(
    name="mdc",
    what="modulated deformable convolution (v2)",
    what_zh="调制可变形卷积（v2）",
    targets=(
        Replace(f"{_FUNCTION}.forward", _forward, wrap=True),
        Replace(f"{_FUNCTION}.backward", _backward, wrap=True),
        Replace("mmcv._ext:modulated_deform_conv_forward", _ext_forward, wrap=True, optional=NO_EXT),
        Replace("mmcv._ext:modulated_deform_conv_backward", _ext_backward, wrap=True, optional=NO_EXT),
    ),
    requires=("mmcv>=1.4,<2.4",),
    reaches=("mmcv.ops.modulated_deform_conv:ModulatedDeformConv2d",),
    prepare=need_operators,
    why="mmcv's CPU kernel runs on one thread; on an NPU it needs a build of mmcv for that device",
    upstream="unchanged in mmcv 2.2.0",
    remove_when="mmcv ships a parallel CPU kernel and NPU kernels in its wheels",
)
