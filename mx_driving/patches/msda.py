"""``msda``: multi-scale deformable attention runs on mx_driving's operator.

Three ways lead to the operator and each is replaced: mmcv's pure-torch function (what mmcv calls on a CPU), and the two
functions of the extension, which mmcv's own autograd Function calls and so do the private copies of it that plugins
such as BEVFormer carry (``MultiScaleDeformableAttnFunction_fp32`` and ``_fp16``).
"""

from __future__ import annotations

from typing import Any, Sequence, Tuple, Union

import torch
from torch import Tensor

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import NO_EXT, need_operators

Shapes = Union[Tensor, Sequence[Tuple[int, int]]]


def _attention(
    value: Tensor, value_spatial_shapes: Shapes, sampling_locations: Tensor, attention_weights: Tensor
) -> Tensor:
    shapes = torch.as_tensor(value_spatial_shapes, dtype=torch.long, device=value.device)
    areas = shapes.prod(1)
    starts = areas.cumsum(0) - areas
    return ops.ms_deform_attn(
        value, shapes, starts, sampling_locations.type_as(value), attention_weights.type_as(value)
    )


def _forward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    im2col_step: int,
) -> Tensor:
    return ops.ms_deform_attn(
        value, value_spatial_shapes, value_level_start_index, sampling_locations, attention_weights
    )


def _backward(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
    grad_value: Tensor,
    grad_sampling_loc: Tensor,
    grad_attn_weight: Tensor,
    im2col_step: int,
) -> None:
    inputs = (value, value_spatial_shapes, value_level_start_index, sampling_locations, attention_weights)
    grads: Any = ops.ms_deform_attn_backward(*inputs, grad_output)
    for out, grad in zip((grad_value, grad_sampling_loc, grad_attn_weight), grads):
        out.copy_(grad)


PATCH = PatchRecord(
    name="msda",
    what=(
        "multi-scale deformable attention: mmcv's function, and its extension's functions, which plugins "
        "such as BEVFormer call"
    ),
    what_zh="多尺度可变形注意力：mmcv 的函数，以及扩展库里的函数（BEVFormer 等插件会直接调用）",
    targets=(
        Replace("mmcv.ops.multi_scale_deform_attn:multi_scale_deformable_attn_pytorch", _attention),
        Replace("mmcv._ext:ms_deform_attn_forward", _forward, optional=NO_EXT),
        Replace("mmcv._ext:ms_deform_attn_backward", _backward, optional=NO_EXT),
    ),
    requires=("mmcv>=1.4,<2.4",),
    reaches=("mmcv.ops.multi_scale_deform_attn:MultiScaleDeformableAttention",),
    prepare=need_operators,
    why="mmcv's extension has no CPU kernel; its torch fallback is several times slower",
    upstream="mmcv 2.2.0 still has no CPU kernel; its NPU kernel needs a build of mmcv for that device",
    remove_when="mmcv ships CPU and NPU kernels in its wheels",
)
