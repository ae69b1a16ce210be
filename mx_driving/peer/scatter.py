"""Scatters, indices and graphs under the peer's names."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops import graph_softmax, hypot, radius, scatter_add, scatter_max, scatter_mean

__all__ = ["graph_softmax", "hypot", "npu_index_select", "radius", "scatter_add", "scatter_max", "scatter_mean"]


def npu_index_select(feature: Tensor, dim: int, index: Tensor) -> Tensor:
    """``torch.index_select``, along any dimension."""
    return torch.index_select(feature, dim, index)
