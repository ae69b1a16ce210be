"""``msda``: multi-scale deformable attention runs on mx_driving's operator.

Three ways lead to the operator and each is replaced: mmcv's pure-torch function (what mmcv calls on a CPU), and the two
functions of the extension, which mmcv's own autograd Function calls and so do the private copies of it that plugins
such as BEVFormer carry (``MultiScaleDeformableAttnFunction_fp32`` and ``_fp16``).
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import NO_EXT, need_operators
from mx_driving.patches._transforms import autocast_is_on, torch_is_needed

Shapes = Union[Tensor, Sequence[Any]]

_NARROW = 3
_MANY_SAMPLES = 1 << 14
"""With so few channels per head there is nothing to vectorise over: mmcv's function is the faster one on a CPU, from so
many samples on."""

_HALVES = (torch.float16, torch.bfloat16)


def _attention(
    original: Callable,
    value: Tensor,
    value_spatial_shapes: Shapes,
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    if (
        torch_is_needed(value, sampling_locations, attention_weights)  # first: under a trace sizes are tensors
        or value.dim() != 4
        or (value.shape[3] <= _NARROW and attention_weights.numel() >= _MANY_SAMPLES and value.device.type == "cpu")
    ):
        return original(value, value_spatial_shapes, sampling_locations, attention_weights)
    tensors = _one_dtype(value, sampling_locations, attention_weights)
    if tensors is None:
        return original(value, value_spatial_shapes, sampling_locations, attention_weights)
    value, sampling_locations, attention_weights = tensors
    shapes = _table(value_spatial_shapes, value.device)
    areas = shapes.prod(1)
    starts = areas.cumsum(0) - areas
    return ops.ms_deform_attn(value, shapes, starts, sampling_locations, attention_weights)


def _one_dtype(value: Tensor, locations: Tensor, weights: Tensor) -> Optional[Tuple[Tensor, Tensor, Tensor]]:
    """Return the tensors in the dtype in which mmcv's function samples; None where it is to answer by itself.

    Its grid_sample is one of the functions that autocast runs in float32; without autocast it refuses a mixture. The
    weights are multiplied with the samples, in the common dtype of both.
    """
    dtype = value.dtype
    if (dtype in _HALVES or locations.dtype in _HALVES) and autocast_is_on(value.device.type):
        dtype = torch.promote_types(torch.promote_types(dtype, locations.dtype), torch.float32)
        if dtype == torch.float32:
            value, locations = value.float(), locations.float()
    if value.dtype != dtype or locations.dtype != dtype or torch.promote_types(dtype, weights.dtype) != dtype:
        return None
    return value, locations, weights.to(dtype)


def _table(shapes: Shapes, device: torch.device) -> Tensor:
    """Return the levels' shapes, a tensor or rows of pairs (of numbers or tensors), as one tensor of integers."""
    if not isinstance(shapes, Tensor):
        shapes = torch.tensor([[int(extent) for extent in row] for row in shapes])
    return shapes.to(device, torch.long)


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
    of_value, of_locations, of_weights = ops.ms_deform_attn_backward(*inputs, grad_output)
    # As mmcv's kernels: many samples meet in one number of value, so they add; the others have one sample each.
    grad_value.add_(of_value)
    grad_sampling_loc.copy_(of_locations)
    grad_attn_weight.copy_(of_weights)


PATCH = PatchRecord(
    name="msda",
    what=(
        "multi-scale deformable attention: mmcv's function, and its extension's functions, which plugins "
        "such as BEVFormer call"
    ),
    what_zh="多尺度可变形注意力：mmcv 的函数，以及扩展库里的函数（BEVFormer 等插件会直接调用）",
    targets=(
        Replace("mmcv.ops.multi_scale_deform_attn:multi_scale_deformable_attn_pytorch", _attention, wrap=True),
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
