"""The three nearest points, for interpolation."""

from __future__ import annotations

from typing import Tuple

from torch import Tensor

from mx_driving.ops._distances import nearest


def three_nn(target: Tensor, source: Tensor) -> Tuple[Tensor, Tensor]:
    """Find the three nearest points of ``source`` for each of ``target``.

    Args:
        target (Tensor[B, N, 3]): in metres.
        source (Tensor[B, M, 3]): likewise.

    Returns:
        Tensor[B, N, 3]: distances (not squared), ascending; infinite where there are fewer than three points.
        Tensor[B, N, 3] of int32: indices into ``source``, of equal distances the lower first.

    Source: PointNet++, arXiv 1706.02413, sec. 3.4.
    """
    squared, indices = nearest(target, source, 3, far=float("inf"))
    return squared.sqrt().to(target.dtype), indices
