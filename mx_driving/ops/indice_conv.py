"""Sparse convolution over pairs of input and output rows."""

from __future__ import annotations

from typing import Any, Iterator, Optional, Tuple

import torch
from torch import Tensor

from mx_driving.ops._library import cpu_kernels


def indice_conv(
    features: Tensor,
    filters: Tensor,
    indice_pairs: Tensor,
    indice_pair_num: Tensor,
    num_act_out: int,
    inverse: bool = False,
    subm: bool = False,
) -> Tensor:
    """Convolve active sites: each output is the sum over its pairs of the input's features times the tap's weights.

    Args:
        features (Tensor[N, C_in]): features of the active sites.
        filters (Tensor[*kernel, C_in, C_out]): weights; cast to the features' dtype.
        indice_pairs (Tensor[K, 2, L] of int32): of :func:`get_indice_pairs`.
        indice_pair_num (Tensor[K] of int32): pairs of each tap.
        num_act_out (int): rows of the output.
        inverse (bool): go from the outputs of these pairs back to their inputs.
        subm (bool): the pairs are submanifold: an odd kernel's centre pairs every row with itself.

    Returns:
        Tensor[num_act_out, C_out]: in the features' dtype; half precisions are summed in float32.

    Raises:
        ValueError: if the shapes do not agree.

    Source: SECOND, Sensors 2018, 18(10), sec. 3.1.1; submanifold: arXiv 1711.10275.
    """
    result: Tensor = _IndiceConv.apply(
        features, filters, indice_pairs, indice_pair_num, int(num_act_out), bool(inverse), bool(subm)
    )
    return result


def conv_forward(
    features: Tensor, filters: Tensor, pairs: Tensor, numbers: Tensor, rows: int, inverse: bool, subm: bool
) -> Tensor:
    """Compute :func:`indice_conv` without its gradient."""
    weights = _weights(features, filters, pairs)
    kernels = cpu_kernels(features)
    if kernels is not None:
        return kernels.indice_conv(features, weights, pairs, numbers, rows, inverse, subm)
    centre = _centre(numbers, subm)
    if centre is not None:
        output = torch.mm(features, weights[centre]).to(_accumulator(features))
    else:
        output = features.new_zeros((rows, weights.shape[2]), dtype=_accumulator(features))
    for tap, source, target in _taps(pairs, numbers, inverse, centre):
        _add_rows(output, target, torch.mm(features.index_select(0, source), weights[tap]))
    return output.to(features.dtype)


def conv_backward(
    features: Tensor, filters: Tensor, grad: Tensor, pairs: Tensor, numbers: Tensor, inverse: bool, subm: bool
) -> Tuple[Tensor, Tensor]:
    """Gradients of :func:`indice_conv` to features and filters."""
    weights = _weights(features, filters, pairs)
    grad = grad.to(features.dtype)
    kernels = cpu_kernels(features)
    if kernels is not None:
        pair = kernels.indice_conv_backward(grad, features, weights, pairs, numbers, inverse, subm)
        return pair[0], pair[1].view(filters.shape).to(filters.dtype)
    grad_weights = torch.zeros_like(weights)
    centre = _centre(numbers, subm)
    if centre is not None:
        grad_features = torch.mm(grad, weights[centre].t()).to(_accumulator(features))
        torch.mm(features.t(), grad, out=grad_weights[centre])
    else:
        grad_features = features.new_zeros(features.shape, dtype=_accumulator(features))
    for tap, source, target in _taps(pairs, numbers, inverse, centre):
        part = grad.index_select(0, target)
        torch.mm(features.index_select(0, source).t(), part, out=grad_weights[tap])
        _add_rows(grad_features, source, torch.mm(part, weights[tap].t()))
    return grad_features.to(features.dtype), grad_weights.view(filters.shape).to(filters.dtype)


def _weights(features: Tensor, filters: Tensor, pairs: Tensor) -> Tensor:
    """Return the weights as Tensor[K, C_in, C_out] in the features' dtype."""
    weights = filters.to(features.dtype).reshape(-1, *filters.shape[-2:])
    if features.dim() != 2 or weights.shape[:2] != (pairs.shape[0], features.shape[1]):
        raise ValueError(
            f"indice_conv: expected features [N, C_in] and filters [*kernel, C_in, C_out] with {pairs.shape[0]} taps, "
            f"got {list(features.shape)} and {list(filters.shape)}"
        )
    return weights.contiguous()


def _centre(numbers: Tensor, subm: bool) -> Optional[int]:
    """Tap that pairs every row with itself; an even kernel has one too, but not in the middle of its list."""
    return numbers.shape[0] // 2 if subm and numbers.shape[0] % 2 else None


def _accumulator(features: Tensor) -> torch.dtype:
    return torch.float32 if features.dtype in (torch.float16, torch.bfloat16) else features.dtype


def _taps(pairs: Tensor, numbers: Tensor, inverse: bool, skip: Optional[int]) -> Iterator[Tuple[int, Tensor, Tensor]]:
    """Yield the number of each tap that has pairs, its rows to read and its rows to write."""
    for tap, count in enumerate(numbers.tolist()):
        if count and tap != skip:
            yield tap, pairs[tap, int(inverse), :count], pairs[tap, 1 - int(inverse), :count]


def _add_rows(output: Tensor, rows: Tensor, values: Tensor) -> None:
    """Add ``values`` to distinct rows; scatter_add is several times faster than index_add on a CPU."""
    output.scatter_add_(0, rows.long().unsqueeze(1).expand_as(values), values.to(output.dtype))


class _IndiceConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        filters: Tensor,
        pairs: Tensor,
        numbers: Tensor,
        rows: int,
        inverse: bool,
        subm: bool,
    ) -> Tensor:
        ctx.save_for_backward(features, filters, pairs, numbers)
        ctx.flags = (inverse, subm)
        return conv_forward(features, filters, pairs, numbers, rows, inverse, subm)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tuple[Any, ...]:
        features, filters, pairs, numbers = ctx.saved_tensors
        return (*conv_backward(features, filters, grad, pairs, numbers, *ctx.flags), None, None, None, None, None)
