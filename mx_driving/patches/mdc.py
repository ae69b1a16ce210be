"""``mdc``: modulated deformable convolution (v2) runs on mx_driving's operator; built like ``dc``."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.modules.utils import _pair

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import NO_EXT, need_operators


def _forward(
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
    # Under autocast the offset branch is half precision and decides, as in mmcv.
    input, mask, weight = (tensor.type_as(offset) for tensor in (input, mask, weight))
    bias = None if bias is None else bias.type_as(offset)
    ctx.save_for_backward(input, offset, mask, weight)
    ctx.with_bias = bias is not None
    ctx.geometry = (_pair(stride), _pair(padding), _pair(dilation), groups, deform_groups)
    return ops.modulated_deform_conv2d(input, offset, mask, weight, bias, *ctx.geometry)


@once_differentiable
def _backward(ctx: Any, grad_output: Tensor) -> Tuple:
    grads = ops.modulated_deform_conv2d_backward(grad_output, *ctx.saved_tensors, *ctx.geometry)
    grad_bias = grad_output.sum((0, 2, 3)) if ctx.with_bias else None
    return (*grads[:4], grad_bias, None, None, None, None, None)


def _ext_forward(
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor, mask: Tensor, output: Tensor,
    columns: Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
    dilation_h: int, dilation_w: int, group: int, deformable_group: int, with_bias: bool,
) -> None:  # fmt: skip
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    output.copy_(ops.modulated_deform_conv2d(input, offset, mask, weight, bias if with_bias else None, *geometry))


def _ext_backward(
    input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor, mask: Tensor, columns: Tensor,
    grad_input: Tensor, grad_weight: Tensor, grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor,
    grad_output: Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
    dilation_h: int, dilation_w: int, group: int, deformable_group: int, with_bias: bool,
) -> None:  # fmt: skip
    geometry = ((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    grads = ops.modulated_deform_conv2d_backward(grad_output, input, offset, mask, weight, *geometry)
    for out, grad in zip((grad_input, grad_offset, grad_mask, grad_weight), grads):
        out.copy_(grad)
    if with_bias:
        grad_bias.copy_(grad_output.sum((0, 2, 3)))


_FUNCTION = "mmcv.ops.modulated_deform_conv:ModulatedDeformConv2dFunction"

PATCH = PatchRecord(
    name="mdc",
    what="modulated deformable convolution (v2)",
    what_zh="调制可变形卷积（v2）",
    targets=(
        Replace(f"{_FUNCTION}.forward", _forward),
        Replace(f"{_FUNCTION}.backward", _backward),
        Replace("mmcv._ext:modulated_deform_conv_forward", _ext_forward, optional=NO_EXT),
        Replace("mmcv._ext:modulated_deform_conv_backward", _ext_backward, optional=NO_EXT),
    ),
    requires=("mmcv>=1.4,<2.4",),
    reaches=("mmcv.ops.modulated_deform_conv:ModulatedDeformConv2d",),
    prepare=need_operators,
    why="mmcv's CPU kernel runs on one thread; on an NPU it needs a build of mmcv for that device",
    upstream="unchanged in mmcv 2.2.0",
    remove_when="mmcv ships a parallel CPU kernel and NPU kernels in its wheels",
)
