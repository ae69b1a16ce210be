"""Attention and aggregation under the peer's names."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mx_driving.ops.deformable_aggregation import deformable_aggregation
from mx_driving.ops.ms_deform_attn import ms_deform_attn

npu_deformable_aggregation = deformable_aggregation


def multi_scale_deformable_attn(
    value: Tensor,
    value_spatial_shapes: Tensor,
    value_level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    **kwargs: Any,
) -> Tensor:
    """As :func:`mx_driving.ops.ms_deform_attn`; other keywords (``im2col_step``) have no effect."""
    return ms_deform_attn(value, value_spatial_shapes, value_level_start_index, sampling_locations, attention_weights)


def npu_multi_scale_deformable_attn_function(
    value: Tensor, shape: Tensor, offset: Tensor, locations: Tensor, weight: Tensor
) -> Tensor:
    """The older name, with its own names of arguments."""
    return ms_deform_attn(value, shape, offset, locations, weight)


class MultiScaleDeformableAttnFunction:
    """Only ``apply``, as callers use it; the gradient is the operator's own."""

    apply = staticmethod(multi_scale_deformable_attn)
