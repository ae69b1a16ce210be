"""The nearest points of a set."""

from __future__ import annotations

from typing import Optional

from torch import Tensor

from mx_driving.ops._distances import nearest


def knn(k: int, xyz: Tensor, center_xyz: Optional[Tensor] = None, transposed: bool = False) -> Tensor:
    """Find the k nearest points of each centre.

    Args:
        k (int): number of neighbours, 1 to 99.
        xyz (Tensor[B, N, 3]): points, in metres.
        center_xyz (Tensor[B, P, 3]): centres; the points themselves if None.
        transposed (bool): both are given as [B, 3, *].

    Returns:
        Tensor[B, k, P] of int32: by growing distance, of equal distances the lower index first; 0 where there are too
        few points.

    Raises:
        ValueError: if k is out of range or a shape is another.

    Source: mmcv's ``knn`` (PAConv, arXiv 2103.14635).
    """
    center_xyz = xyz if center_xyz is None else center_xyz
    if transposed:
        xyz, center_xyz = xyz.transpose(1, 2), center_xyz.transpose(1, 2)
    if not 0 < k < 100:
        raise ValueError(f"knn: k must be 1 to 99, got {k}")
    if xyz.dim() != 3 or xyz.shape[2] != 3 or center_xyz.shape[::2] != xyz.shape[::2]:
        raise ValueError(
            f"knn: expected points and centres [B, *, 3], got {list(xyz.shape)} and {list(center_xyz.shape)}"
        )
    return nearest(center_xyz, xyz, k)[1].transpose(1, 2).contiguous()
