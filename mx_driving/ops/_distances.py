"""Squared distances in parts of bounded size, and the nearest points; what the operators on point sets share."""

from __future__ import annotations

from typing import Iterator, Tuple

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import chunks

FAR = 1e10  # squared distance, as in the CUDA kernels: what is no nearer than this is no neighbour


def squared_distances(queries: Tensor, points: Tensor) -> Tensor:
    """Squared distances of Tensor[M, D] to Tensor[N, D]: Tensor[M, N]; equal points are at exactly 0."""
    total = (queries[:, :1] - points[:, 0]).square_()
    for axis in range(1, points.shape[1]):
        total += (queries[:, axis : axis + 1] - points[:, axis]).square_()
    return total


def widened(tensor: Tensor) -> Tensor:
    """Return half precisions as float32."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def parts(queries: Tensor, points: Tensor) -> Iterator[Tuple[slice, Tensor]]:
    """Yield rows of Tensor[M, D] and their squared distances to all of Tensor[N, D], a bounded number at a time."""
    queries, points = widened(queries), widened(points)
    for rows in chunks(queries.shape[0], points.shape[0]):
        yield rows, squared_distances(queries[rows], points)


def nearest(queries: Tensor, points: Tensor, k: int, far: float = FAR) -> Tuple[Tensor, Tensor]:
    """Find the k nearest points of each query; of equal distances the lower index comes first.

    Args:
        queries (Tensor[B, M, D]), points (Tensor[B, N, D]): in one unit; half precisions are computed in float32.
        k (int): number of neighbours, at least 1.
        far (float): what a missing neighbour's squared distance is said to be, and the limit for neighbours.

    Returns:
        Tensor[B, M, k]: squared distances, ascending.
        Tensor[B, M, k] of int32: indices; 0 where fewer than k points are nearer than ``far``.
    """
    batch, count = queries.shape[:2]
    squared = widened(queries).new_full((batch, count, k), far)
    indices = torch.zeros((batch, count, k), dtype=torch.int32, device=queries.device)
    held = min(k, points.shape[1])
    if held == 0:
        return squared, indices
    for sample in range(batch):
        for rows, distances in parts(queries[sample], points[sample]):
            near, index = _smallest(distances.masked_fill_(~(distances < far), float("inf")), held)
            found = near < float("inf")
            squared[sample, rows, :held] = torch.where(found, near, torch.full_like(near, far))
            indices[sample, rows, :held] = torch.where(found, index, torch.zeros_like(index)).to(torch.int32)
    return squared, indices


def _smallest(distances: Tensor, k: int) -> Tuple[Tensor, Tensor]:
    """The k smallest of each row of Tensor[M, N], ascending, of equal ones the lower index first.

    topk alone leaves the choice among equals open, and sorting whole rows is slow. So topk gives the largest distance
    that is taken; all that is smaller is taken, and as many as there is room for of what is equal.
    """
    last = torch.topk(distances, k, dim=1, largest=False)[0].amax(1, keepdim=True)
    smaller, equal = distances < last, distances == last
    room = k - smaller.sum(1, keepdim=True)
    index = torch.nonzero(smaller | (equal & (equal.cumsum(1) <= room)))[:, 1].view(-1, k)
    near, order = torch.sort(distances.gather(1, index), dim=1, stable=True)
    return near, index.gather(1, order)


def first_inside(inside: Tensor, count: int) -> Tuple[Tensor, Tensor]:
    """Take the first ``count`` true columns of each row of Tensor[M, N] of bool.

    Returns:
        Tensor[M, count] of int64: the columns in ascending order, 0 behind the last.
        Tensor[M] of int64: how many each row has, at most ``count``.
    """
    place = inside.cumsum(1)
    row, column = torch.nonzero(inside & (place <= count), as_tuple=True)
    columns = torch.zeros((inside.shape[0], count), dtype=torch.int64, device=inside.device)
    columns[row, place[row, column] - 1] = column
    found = place[:, -1].clamp(max=count) if inside.shape[1] else place.sum(1)
    return columns, found
