"""Maximum pooling of active sites."""

from __future__ import annotations

from typing import Any, Tuple

import torch
from torch import Tensor


def indice_maxpool(features: Tensor, indice_pairs: Tensor, indice_pair_num: Tensor, num_act_out: int) -> Tensor:
    """Maximum over the inputs of each output, and 0: an empty site counts as zeros, as in mmcv.

    Args:
        features (Tensor[N, C]): features of the active sites.
        indice_pairs (Tensor[K, 2, L] of int32): of :func:`get_indice_pairs`.
        indice_pair_num (Tensor[K] of int32): pairs of each tap.
        num_act_out (int): rows of the output.

    Returns:
        Tensor[num_act_out, C]. Every input that equals the maximum gets the gradient.

    Source: mmcv's ``indice_maxpool`` (spconv 1.x).
    """
    result: Tensor = _IndiceMaxpool.apply(features, indice_pairs, indice_pair_num, int(num_act_out))
    return result


def maxpool_forward(features: Tensor, pairs: Tensor, numbers: Tensor, rows: int) -> Tensor:
    """Compute :func:`indice_maxpool` without its gradient."""
    output = features.new_zeros((rows, features.shape[1]))
    for tap, count in enumerate(numbers.tolist()):
        source, target = pairs[tap, 0, :count].long(), pairs[tap, 1, :count].long()
        old, new = output[target], features[source]
        output[target] = torch.where(old < new, new, old)  # a NaN is not larger
    return output


def maxpool_backward(features: Tensor, output: Tensor, grad: Tensor, pairs: Tensor, numbers: Tensor) -> Tensor:
    """Gradient of :func:`indice_maxpool` to the features."""
    grad_features = torch.zeros_like(features)
    for tap, count in enumerate(numbers.tolist()):
        source, target = pairs[tap, 0, :count].long(), pairs[tap, 1, :count].long()
        # Within a tap no row occurs twice, so reading, adding and writing back loses nothing.
        grad_features[source] += torch.where(output[target] == features[source], grad[target], 0)
    return grad_features


class _IndiceMaxpool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, pairs: Tensor, numbers: Tensor, rows: int) -> Tensor:
        output = maxpool_forward(features, pairs, numbers, rows)
        ctx.save_for_backward(features, output, pairs, numbers)
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tuple[Any, ...]:
        features, output, pairs, numbers = ctx.saved_tensors
        return maxpool_backward(features, output, grad, pairs, numbers), None, None, None
