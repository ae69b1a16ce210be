"""Multi-scale deformable attention."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops._dtypes import widest
from mx_driving.ops._library import operators


def ms_deform_attn(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
) -> Tensor:
    """Sample multi-scale features at fractional locations and sum them with attention weights.

    Locations outside a level's extent read zeros. The arguments are those of mmcv's
    ``MultiScaleDeformableAttnFunction`` without ``im2col_step``; as there, ``value`` decides the dtype of the result.
    Of tensors of several dtypes none is rounded on the way: half precision would move a location by pixels.

    Args:
        value (Tensor[B, S, M, D]): features of all levels, flattened and one after the other, for M heads.
        spatial_shapes (Tensor[L, 2]): ``(height, width)`` of each level in pixels, int64 or int32.
        level_start_index (Tensor[L]): where each level starts along S, int64 or int32.
        sampling_locations (Tensor[B, Q, M, L, P, 2]): ``(x, y)`` in [0, 1] of each level's extent.
        attention_weights (Tensor[B, Q, M, L, P]): weight of each sample.

    Returns:
        Tensor[B, Q, M * D].

    Raises:
        RuntimeError: if a shape, dtype or device does not fit, or S is not the sum of height * width over the levels.

    Source: Deformable DETR, arXiv 2010.04159, sec. 4.1.

    Example:
        >>> import torch
        >>> value = torch.arange(4.0).view(1, 4, 1, 1)  # one level of 2 x 2 pixels, one head, one channel
        >>> shapes, starts = torch.tensor([[2, 2]]), torch.tensor([0])
        >>> middle, weights = torch.full((1, 1, 1, 1, 1, 2), 0.5), torch.ones(1, 1, 1, 1, 1)
        >>> ms_deform_attn(value, shapes, starts, middle, weights)
        tensor([[[1.5000]]])
    """
    if not value.is_floating_point() or value.dtype == sampling_locations.dtype == attention_weights.dtype:
        return operators().ms_deform_attn(
            value, spatial_shapes, level_start_index, sampling_locations, attention_weights
        )
    wide, locations, weights = widest(value, sampling_locations, attention_weights)
    return operators().ms_deform_attn(wide, spatial_shapes, level_start_index, locations, weights).type_as(value)


def ms_deform_attn_backward(
    value: Tensor,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    sampling_locations: Tensor,
    attention_weights: Tensor,
    grad_output: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of :func:`ms_deform_attn`.

    Args:
        value, spatial_shapes, level_start_index, sampling_locations, attention_weights: as in the forward call.
        grad_output (Tensor[B, Q, M * D]): gradient of its result.

    Returns:
        Gradients of ``value``, ``sampling_locations`` and ``attention_weights``, each of its tensor's shape.

    Raises:
        RuntimeError: as the forward call, and if ``grad_output`` does not fit.
    """
    return operators().ms_deform_attn_backward(
        value, spatial_shapes, level_start_index, sampling_locations, attention_weights, grad_output
    )
