"""``dc``: deformable convolution v1 runs on mx_driving's operator.

mmcv's autograd Function is changed in place, so the ``deform_conv2d`` that other modules copied (a bound ``apply``)
follows; the extension's functions are replaced too, for plugins with an autograd Function of their own.
"""

from __future__ import annotations

from typing import Any, Callable, Tuple

from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.utils import _pair

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.ops._dtypes import like_first
from mx_driving.patches._mmcv import NO_EXT, need_operators


def _forward(
    original: Callable,
    ctx: Any,
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    deform_groups: int = 1,
    bias: bool = False,
    im2col_step: int = 32,
) -> Tensor:
    if input.dim() != 4 or bias is not False:  # the original says what is wrong
        return original(ctx, input, offset, weight, stride, padding, dilation, groups, deform_groups, bias, im2col_step)
    input, weight = like_first(offset, input, weight)
    ctx.save_for_backward(input, offset, weight)
    # What the original's backward reads: it may be in force again when this graph is differentiated.
    ctx.stride, ctx.padding, ctx.dilation = _pair(stride), _pair(padding), _pair(dilation)
    ctx.groups, ctx.deform_groups, ctx.im2col_step = groups, deform_groups, im2col_step
    ctx.device, ctx.bufs_ = input.device.type, [input.new_empty(0)] * 2
    ctx.is_ours = True
    return ops.deform_conv2d(input, offset, weight, *_arguments(ctx))


def _arguments(ctx: Any) -> Tuple:
    return ctx.stride, ctx.padding, ctx.dilation, ctx.groups, ctx.deform_groups


def _backward(original: Callable, ctx: Any, grad_output: Tensor) -> Tuple:
    return _gradients(ctx, grad_output) if hasattr(ctx, "is_ours") else original(ctx, grad_output)


@once_differentiable
def _gradients(ctx: Any, grad_output: Tensor) -> Tuple:
    grads = ops.deform_conv2d_backward(grad_output, *ctx.saved_tensors, *_arguments(ctx))
    return (*grads, None, None, None, None, None, None, None)


def _geometry(
    dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int
) -> Tuple:
    return (dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group


def _ext_forward(
    input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor,
    kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
    group: int, deformable_group: int, im2col_step: int,
) -> None:  # fmt: skip
    geometry = _geometry(dW, dH, padW, padH, dilationW, dilationH, group, deformable_group)
    output.copy_(ops.deform_conv2d(input, offset, weight, *geometry))


def _ext_backward_input(
    input: Tensor, offset: Tensor, gradOutput: Tensor, gradInput: Tensor, gradOffset: Tensor, weight: Tensor,
    columns: Tensor, kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
    group: int, deformable_group: int, im2col_step: int,
) -> None:  # fmt: skip
    geometry = _geometry(dW, dH, padW, padH, dilationW, dilationH, group, deformable_group)
    grad_input, grad_offset, _ = ops.deform_conv2d_backward(gradOutput, input, offset, weight, *geometry)
    gradInput.add_(grad_input)  # as mmcv's kernels: many taps meet in one pixel, so they add
    gradOffset.copy_(grad_offset)


def _ext_backward_parameters(
    input: Tensor, offset: Tensor, gradOutput: Tensor, gradWeight: Tensor, columns: Tensor, ones: Tensor,
    kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
    group: int, deformable_group: int, scale: float, im2col_step: int,
) -> None:  # fmt: skip
    geometry = _geometry(dW, dH, padW, padH, dilationW, dilationH, group, deformable_group)
    # The weight's values do not enter its own gradient: the tensor to be filled lends its shape.
    grad_weight = ops.deform_conv2d_backward(gradOutput, input, offset, gradWeight, *geometry)[2]
    gradWeight.add_(grad_weight, alpha=scale)


_FUNCTION = "mmcv.ops.deform_conv:DeformConv2dFunction"

PATCH = PatchRecord(
    name="dc",
    what="deformable convolution v1",
    what_zh="可变形卷积 v1",
    targets=(
        Replace(f"{_FUNCTION}.forward", _forward, wrap=True),
        Replace(f"{_FUNCTION}.backward", _backward, wrap=True),
        Replace("mmcv._ext:deform_conv_forward", _ext_forward, optional=NO_EXT),
        Replace("mmcv._ext:deform_conv_backward_input", _ext_backward_input, optional=NO_EXT),
        Replace("mmcv._ext:deform_conv_backward_parameters", _ext_backward_parameters, optional=NO_EXT),
    ),
    requires=("mmcv>=1.4,<2.4",),
    reaches=("mmcv.ops.deform_conv:DeformConv2d",),
    prepare=need_operators,
    why="mmcv's CPU kernel runs on one thread; on an NPU it needs a build of mmcv for that device",
    upstream="unchanged in mmcv 2.2.0",
    remove_when="mmcv ships a parallel CPU kernel and NPU kernels in its wheels",
)
