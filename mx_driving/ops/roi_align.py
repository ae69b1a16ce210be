"""RoIAlign: pooling of boxes without rounding them to pixels."""

from __future__ import annotations

from typing import Iterator, NamedTuple, Tuple

import torch
from torch import Tensor

from mx_driving.ops._rows import as_images, as_rows, bilinear_taps, scatter_rows, weighted_rows


class Geometry(NamedTuple):
    """How boxes are cut into bins; :func:`roi_align` describes the fields."""

    output_size: Tuple[int, int]
    spatial_scale: float = 1.0
    sampling_ratio: int = 0
    aligned: bool = True


def roi_align(
    input: Tensor,
    rois: Tensor,
    output_size: Tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Tensor:
    """Average bilinear samples in each bin of each box; differentiable by ``input``.

    Args:
        input (Tensor[N, C, H, W]): feature maps.
        rois (Tensor[K, 5]): ``(batch index, x1, y1, x2, y2)`` in pixels of the image.
        output_size (Tuple[int, int]): bins, height and width.
        spatial_scale (float): feature pixels per image pixel.
        sampling_ratio (int): samples per bin and axis; 0 takes one per feature pixel.
        aligned (bool): shift by half a pixel, so that pixel centres are at ``.5``.

    Returns:
        Tensor[K, C, *output_size].

    Raises:
        ValueError: if the rois are not [K, 5], or one has a negative size with ``aligned``.

    Source: Mask R-CNN, arXiv 1703.06870, sec. 3; mmcv's ``roi_align``.
    """
    geometry = Geometry(output_size, spatial_scale, sampling_ratio, aligned)
    out = input.new_zeros((rois.shape[0], input.shape[1], *output_size))
    table = as_rows(input)
    for chosen, index, weight in _taps(input, rois, geometry):
        pooled = weighted_rows(table, index, weight)
        out = out.index_copy(0, chosen, pooled.reshape(-1, *output_size, input.shape[1]).permute(0, 3, 1, 2))
    return out


def roi_align_backward(grad: Tensor, rois: Tensor, input: Tensor, geometry: Geometry) -> Tensor:
    """Return the gradient of :func:`roi_align` by ``input``, which lends its shape."""
    rows = input.shape[0] * input.shape[2] * input.shape[3]
    total = grad.new_zeros((rows, input.shape[1]))
    for chosen, index, weight in _taps(input, rois, geometry):
        total += scatter_rows(as_rows(grad[chosen]), index, weight, rows)
    return as_images(total, tuple(input.shape))


def roi_align_max(input: Tensor, rois: Tensor, geometry: Geometry) -> Tuple[Tensor, Tensor, Tensor]:
    """As :func:`roi_align`, the largest sample instead of the average.

    Returns:
        Tensor[K, C, h, w] three times: the samples, and their y and x in feature pixels.
    """
    height, width = geometry.output_size
    out = input.new_full((rois.shape[0], input.shape[1], height, width), -10000)  # where mmcv's search begins
    found_y, found_x = torch.full_like(out, -1), torch.full_like(out, -1)
    table = as_rows(input)
    for chosen, y, x, batch in _places(rois, geometry):
        grid = (y.shape[0], height, y.shape[2], width, x.shape[2])
        ys, xs = y[:, :, :, None, None].expand(grid), x[:, None, None].expand(grid)
        index, weight = bilinear_taps(ys, xs, *input.shape[2:])
        index = index + (batch * input.shape[2] * input.shape[3]).view(-1, 1, 1, 1, 1, 1)
        samples = weighted_rows(table, index.reshape(-1, 4), weight.to(table.dtype).reshape(-1, 4))
        samples = samples.reshape(*grid, input.shape[1]).permute(0, 5, 1, 3, 2, 4).flatten(4)
        best, at = samples.max(4)
        places = [p.permute(0, 1, 3, 2, 4).flatten(3)[:, None].expand_as(samples) for p in (ys, xs)]
        better = best > -10000
        for target, value in ((out, best), (found_y, places[0]), (found_x, places[1])):
            value = value if value is best else value.gather(4, at.unsqueeze(4)).squeeze(4)
            target[chosen] = torch.where(better, value.to(target.dtype), target[chosen])
    return out, found_y, found_x


def roi_align_max_backward(grad: Tensor, rois: Tensor, y: Tensor, x: Tensor, input: Tensor) -> Tensor:
    """Return the gradient of :func:`roi_align_max` by ``input``, which lends its shape."""
    batch, channels, height, width = input.shape
    index, weight = bilinear_taps(y, x, height, width)
    weight = torch.where((y == -1) & (x == -1), torch.zeros_like(y), torch.ones_like(y)).unsqueeze(-1) * weight
    plane = rois[:, 0].long().view(-1, 1, 1, 1) * channels + torch.arange(channels, device=rois.device).view(-1, 1, 1)
    flat = grad.new_zeros(batch * channels * height * width)
    flat.index_add_(0, (plane.unsqueeze(-1) * height * width + index).reshape(-1), (grad[..., None] * weight).flatten())
    return flat.view(input.shape)


def _taps(input: Tensor, rois: Tensor, geometry: Geometry) -> Iterator[Tuple[Tensor, Tensor, Tensor]]:
    """Yield groups of boxes: their rows, and for each of their bins [k * h * w, T] the pixels and weights."""
    height, width = input.shape[2:]
    for chosen, y, x, batch in _places(rois, geometry):
        row, wy = _axis(y, height)
        column, wx = _axis(x, width)
        index = row[:, :, None, :, None] * width + column[:, None, :, None, :]
        index = index + (batch * height * width).view(-1, 1, 1, 1, 1)
        weight = wy[:, :, None, :, None] * wx[:, None, :, None, :] / (y.shape[2] * x.shape[2])
        taps = row.shape[2] * column.shape[2]
        yield chosen, index.reshape(-1, taps), weight.to(input.dtype).reshape(-1, taps)


def _axis(place: Tensor, size: int) -> Tuple[Tensor, Tensor]:
    """Pixels and weights of one axis, Tensor[k, bins, T] both, for samples Tensor[k, bins, g]; summed over g.

    Samples of a bin lie close together and share pixels: a window of pixels is read once instead of two per sample.
    """
    inside = ((place >= -1) & (place <= size)).to(place.dtype)
    place = torch.nan_to_num(place).clamp(0, size - 1)
    low = place.floor()
    samples = place.shape[2]
    first = low.amin(2, keepdim=True)
    span = int((low.amax(2, keepdim=True) - first).max()) + 2
    if span >= 2 * samples:
        pixel = torch.cat([low, (low + 1).clamp(max=size - 1)], 2)
        return pixel.long(), torch.cat([(1 - (place - low)) * inside, (place - low) * inside], 2)
    window = first + torch.arange(span, device=place.device, dtype=place.dtype)
    weight = place.new_zeros(window.shape)
    for g in range(samples):
        weight += (1 - (window - place[:, :, g : g + 1]).abs()).clamp(min=0) * inside[:, :, g : g + 1]
    return window.clamp(max=size - 1).long(), weight


def _places(rois: Tensor, geometry: Geometry) -> Iterator[Tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Yield groups of boxes with one sampling grid: rows, y [k, h, gh], x [k, w, gw], batch indices [k]."""
    if rois.dim() != 2 or rois.shape[1] != 5:
        raise ValueError(f"roi_align: rois must be [K, 5], got {list(rois.shape)}")
    if not rois.shape[0]:
        return
    corners = rois[:, 1:] * geometry.spatial_scale - (0.5 if geometry.aligned else 0.0)
    start, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not geometry.aligned:
        size = size.clamp(min=1)
    elif bool((size < 0).any()):
        raise ValueError("roi_align: expected boxes with x2 >= x1 and y2 >= y1, got one of negative size; sort them")
    bins = (geometry.output_size[1], geometry.output_size[0])
    step = size / size.new_tensor(bins)
    grids = torch.full_like(step, geometry.sampling_ratio) if geometry.sampling_ratio > 0 else step.ceil()
    shapes, group = torch.unique(grids.long(), dim=0, return_inverse=True)
    for number, (gw, gh) in enumerate(shapes.tolist()):
        if not gh * gw:
            continue  # a box without area has no samples
        members = torch.nonzero(group == number).squeeze(1)
        for chosen in members.split(_boxes_at_once(gh, gw, geometry.output_size)):
            y = _samples(start[chosen, 1], step[chosen, 1], geometry.output_size[0], gh)
            x = _samples(start[chosen, 0], step[chosen, 0], geometry.output_size[1], gw)
            yield chosen, y, x, rois[chosen, 0].long()


def _samples(start: Tensor, step: Tensor, bins: int, grid: int) -> Tensor:
    """Places of the samples of each bin along one axis: Tensor[k, bins, grid]."""
    bin_start = start[:, None] + torch.arange(bins, device=start.device, dtype=start.dtype) * step[:, None]
    within = torch.arange(grid, device=start.device, dtype=start.dtype) + 0.5
    return bin_start[:, :, None] + within * step[:, None, None] / grid


def _boxes_at_once(gh: int, gw: int, output_size: Tuple[int, int]) -> int:
    return max(1, (1 << 21) // (4 * gh * gw * output_size[0] * output_size[1]))
