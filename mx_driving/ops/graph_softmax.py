"""Softmax over the edges of each node."""

from __future__ import annotations

import torch
from torch import Tensor


def graph_softmax(src: Tensor, index: Tensor) -> Tensor:
    """Normalise each column over the rows of each group.

    Args:
        src (Tensor[E, F]): scores of the edges.
        index (Tensor[E], integers >= 0): the group (node) of each edge.

    Returns:
        Tensor[E, F]: ``exp(src - max) / (sum + 1e-16)`` of the group. Differentiable.

    Raises:
        ValueError: if the sizes differ.

    Source: PyTorch Geometric's documentation of ``softmax``.
    """
    if src.dim() != 2 or index.shape != src.shape[:1]:
        raise ValueError(
            f"graph_softmax: expected src [E, F] and index [E], got {list(src.shape)}, {list(index.shape)}"
        )
    if src.shape[0] == 0:
        return src.clone()
    group = index.long()
    groups = int(group.max()) + 1
    with torch.no_grad():
        top = src.new_full((groups, src.shape[1]), float("-inf"))
        top.scatter_reduce_(0, group.unsqueeze(1).expand_as(src), src, "amax")
    exponent = (src - top[group]).exp()
    total = src.new_zeros((groups, src.shape[1])).index_add(0, group, exponent)
    return exponent / (total[group] + 1e-16)
