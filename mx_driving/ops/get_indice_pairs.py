"""Which input row meets which output row under which tap of a sparse convolution."""

from __future__ import annotations

import itertools
from typing import Iterator, List, Sequence, Tuple

import torch
from torch import Tensor

Triple = Tuple[Tensor, Tensor, Tensor]


def get_indice_pairs(
    indices: Tensor,
    batch_size: int,
    out_shape: Sequence[int],
    spatial_shape: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    subm: bool = False,
    transpose: bool = False,
) -> Triple:
    """Pair the active sites of a sparse convolution with its outputs, tap by tap.

    Args:
        indices (Tensor[N, 1 + D] of int32): active sites, ``(batch, d0, d1, ...)``, each once.
        batch_size (int): number of samples.
        out_shape, spatial_shape (sequence of D ints): extent of the output and of the input, in cells.
        kernel_size, stride, padding, dilation (sequence of D ints): of the convolution.
        subm (bool): submanifold: the outputs are the inputs; stride and padding are not used, the kernel is centred.
        transpose (bool): ``out = in * stride - padding + tap * dilation`` instead of its inverse.

    Returns:
        Tensor[M, 1 + D] of int32: outputs, sorted by ``(batch, d0, d1, ...)``; for ``subm`` the inputs as they are.
        Tensor[K, 2, N] of int32: per tap (row-major) the input rows and their output rows, -1 behind the last pair.
        Tensor[K] of int32: pairs of each tap.

    Raises:
        ValueError: if the numbers of dimensions do not agree.

    Source: SECOND, Sensors 2018, 18(10), sec. 3.1.2; submanifold: arXiv 1711.10275. Tensors are laid out as mmcv's.
    """
    dims = indices.shape[1] - 1
    lists = (out_shape, spatial_shape, kernel_size, stride, padding, dilation)
    if any(len(numbers) != dims for numbers in lists):
        raise ValueError(
            f"get_indice_pairs: expected {dims} numbers for indices [N, {dims + 1}], got {[len(n) for n in lists]} for "
            "out_shape, spatial_shape, kernel_size, stride, padding, dilation"
        )
    if subm:
        return (indices, *_submanifold(indices, spatial_shape, kernel_size, dilation))
    codes, valid = _output_codes(indices, out_shape, kernel_size, stride, padding, dilation, transpose)
    tap, source = torch.nonzero(valid.t(), as_tuple=True)
    distinct, target = torch.unique(codes.t()[tap, source], return_inverse=True)
    numbers = valid.sum(0)
    pairs = indices.new_full((numbers.shape[0], 2, indices.shape[0]), -1, dtype=torch.int32)
    place = torch.arange(len(tap), device=tap.device) - (numbers.cumsum(0) - numbers)[tap]
    pairs[tap, 0, place] = source.to(torch.int32)
    pairs[tap, 1, place] = target.to(torch.int32)
    return _decode(distinct, out_shape).to(indices.dtype), pairs, numbers.to(torch.int32)


def _output_codes(
    indices: Tensor,
    out_shape: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transpose: bool,
) -> Tuple[Tensor, Tensor]:
    """Number of the output cell for each input and tap, and whether there is one: two Tensor[N, K]."""
    codes = indices[:, :1].long()
    valid = torch.ones_like(codes, dtype=torch.bool)
    for axis, extent in enumerate(out_shape):
        taps = torch.arange(kernel_size[axis], device=indices.device) * dilation[axis]
        cell = indices[:, axis + 1 : axis + 2].long()
        if transpose:
            cell = cell * stride[axis] - padding[axis] + taps
            fits = (cell >= 0) & (cell < extent)
        else:
            shifted = cell + padding[axis] - taps
            cell = torch.div(shifted, stride[axis], rounding_mode="floor")
            fits = (shifted >= 0) & (cell < extent) & (cell * stride[axis] == shifted)
        codes = (codes.unsqueeze(2) * extent + cell.unsqueeze(1)).flatten(1)
        valid = (valid.unsqueeze(2) & fits.unsqueeze(1)).flatten(1)
    return codes, valid


def _decode(codes: Tensor, shape: Sequence[int]) -> Tensor:
    columns = []
    for extent in reversed(shape):
        columns.append(codes % extent)
        codes = torch.div(codes, extent, rounding_mode="floor")
    return torch.stack([codes, *reversed(columns)], 1)


def _submanifold(
    indices: Tensor, shape: Sequence[int], kernel_size: Sequence[int], dilation: Sequence[int]
) -> Tuple[Tensor, Tensor]:
    """Pairs and their numbers for outputs that are the inputs.

    The sites are sorted by a number in which a step along an axis is a constant, so all neighbours at one tap are
    found by one search of ascending numbers. A mirrored tap has the same pairs with the sides changed.
    """
    borders = [(size - 1) * step for size, step in zip(kernel_size, dilation)]
    codes = indices[:, 0].long()
    for axis, (extent, border) in enumerate(zip(shape, borders)):
        # A border as wide as the kernel keeps neighbours outside of the map from being taken for other sites.
        codes = codes * (extent + border) + indices[:, axis + 1].long()
    codes, order = torch.sort(codes)
    order = order.to(torch.int32)
    steps = list(_steps(shape, borders, kernel_size, dilation))
    pairs = indices.new_full((len(steps), 2, len(codes)), -1, dtype=torch.int32)
    numbers: List[int] = [0] * len(steps)
    mirrored = all(size % 2 for size in kernel_size)
    for tap, step in enumerate(steps[: len(steps) // 2 + 1] if mirrored else steps):
        source, target = _neighbours(codes, order, step)
        numbers[tap] = len(source)
        pairs[tap, 0, : len(source)], pairs[tap, 1, : len(source)] = source, target
        if mirrored:
            opposite = len(steps) - 1 - tap
            numbers[opposite] = len(source)
            pairs[opposite, 0, : len(source)], pairs[opposite, 1, : len(source)] = target, source
    return pairs, torch.tensor(numbers, dtype=torch.int32, device=indices.device)


def _steps(
    shape: Sequence[int], borders: Sequence[int], kernel_size: Sequence[int], dilation: Sequence[int]
) -> Iterator[int]:
    """Yield for each tap by how much the number of the input exceeds that of the output."""
    offsets = [[(tap - size // 2) * step for tap in range(size)] for size, step in zip(kernel_size, dilation)]
    for offset in itertools.product(*offsets):
        total = 0
        for cells, extent, border in zip(offset, shape, borders):
            total = total * (extent + border) + cells
        yield total


def _neighbours(codes: Tensor, order: Tensor, step: int) -> Tuple[Tensor, Tensor]:
    """Rows of inputs and of outputs whose sorted numbers differ by ``step``."""
    if step == 0 or len(codes) == 0:
        return order, order
    wanted = codes + step
    place = torch.searchsorted(codes, wanted).clamp_(max=len(codes) - 1)
    found = torch.nonzero(codes[place] == wanted).squeeze(1)
    return order[place[found]], order[found]
