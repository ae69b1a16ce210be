"""Points within a ball around each centre."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops._distances import first_inside, parts


def ball_query(min_radius: float, max_radius: float, sample_num: int, xyz: Tensor, center_xyz: Tensor) -> Tensor:
    """Take the first points, by index, that lie within a ball or a shell around each centre.

    Args:
        min_radius, max_radius (float): metres; inside means ``min <= distance < max``, or a distance of exactly 0.
        sample_num (int): points of each centre, at least 1.
        xyz (Tensor[B, N, 3]): points, in metres.
        center_xyz (Tensor[B, P, 3]): centres.

    Returns:
        Tensor[B, P, sample_num] of int32: indices, ascending; missing ones repeat the first, or are 0.

    Raises:
        ValueError: if a shape is another or ``min_radius`` is not below ``max_radius``.

    Source: PointNet++, arXiv 1706.02413, sec. 3.2; mmcv's ``ball_query``.
    """
    if xyz.dim() != 3 or xyz.shape[2] != 3 or center_xyz.shape[::2] != xyz.shape[::2]:
        raise ValueError(
            f"ball_query: expected points and centres [B, *, 3], got {list(xyz.shape)} and {list(center_xyz.shape)}"
        )
    if min_radius >= max_radius:
        raise ValueError(f"ball_query: min_radius must be below max_radius, got {min_radius} and {max_radius}")
    result = torch.zeros((*center_xyz.shape[:2], sample_num), dtype=torch.int32, device=xyz.device)
    for points, centers, out in zip(xyz, center_xyz, result):
        out.copy_(within(points, centers, min_radius, max_radius, sample_num)[0])
    return result


def within(points: Tensor, centers: Tensor, low: float, high: float, count: int) -> tuple[Tensor, Tensor]:
    """First ``count`` points of Tensor[N, 3] around each of Tensor[P, 3], missing ones repeated.

    Returns:
        Tensor[P, count] of int64: indices, Tensor[P] of bool: whether there is one at all.
    """
    squares = torch.tensor([low, high], dtype=torch.float32).square().tolist()  # the radii are float32 in mmcv
    index = torch.zeros((centers.shape[0], count), dtype=torch.int64, device=points.device)
    some = torch.zeros(centers.shape[0], dtype=torch.bool, device=points.device)
    for rows, distances in parts(centers, points):
        inside = (distances == 0) | ((distances >= squares[0]) & (distances < squares[1]))
        columns, found = first_inside(inside, count)
        missing = torch.arange(count, device=points.device) >= found.unsqueeze(1)
        index[rows] = torch.where(missing, columns[:, :1], columns)
        some[rows] = found > 0
    return index, some
