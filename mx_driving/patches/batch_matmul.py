"""``batch_matmul``: on an NPU a batch of small matrices times column vectors is a product and a sum.

As ``index``, by a registration with the dispatcher: ``torch.matmul`` and ``Tensor.__matmul__`` are never assigned, and
callers in C++ are reached.
"""

from __future__ import annotations

from typing import Any, Callable

import torch
from torch import Tensor

from mx_driving._core import Effect, PatchRecord
from mx_driving.patches._dispatch import override


def takes_over(a: Tensor, b: Tensor) -> bool:
    """Tell whether these are square matrices times one column each, in batches of two to five dimensions.

    Args:
        a (Tensor[..., N, N]): matrices.
        b (Tensor[..., N, 1]): columns; leading sizes are equal or 1.
    """
    if a.dim() != b.dim() or not 4 <= a.dim() <= 7 or a.dtype != b.dtype or not a.is_floating_point():
        return False
    if a.size(-1) != a.size(-2) or b.size(-2) != a.size(-1) or b.size(-1) != 1:
        return False
    return all(m == n or 1 in (m, n) for m, n in zip(a.shape[:-2], b.shape[:-2]))


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """``a @ b`` for what ``takes_over`` accepts; half precision is summed in float32.

    Args:
        a (Tensor[..., N, N]): matrices.
        b (Tensor[..., N, 1]): columns.

    Returns:
        Tensor[..., N, 1] of their dtype.
    """
    row = b.transpose(-1, -2)
    if a.dtype == torch.float16:
        return (a.float() * row.float()).sum(-1, keepdim=True).to(a.dtype)
    return (a * row).sum(-1, keepdim=True)


def _register() -> Callable[[], None]:
    def make(native: Callable[..., Any]) -> Callable[..., Any]:
        def matmul(keyset: Any, a: Tensor, b: Tensor) -> Tensor:
            return multiply(a, b) if takes_over(a, b) else native(keyset, a, b)

        return matmul

    # Autograd's key: product and sum record their own gradients.
    return override("aten::matmul", "AutogradPrivateUse1", make)


PATCH = PatchRecord(
    name="batch_matmul",
    what="batches of small square matrices times columns (`lidar2img @ point`) as product and sum",
    what_zh="批量小方阵乘列向量（如 `lidar2img @ point`）改为逐元素乘加",
    targets=(Effect("aten::matmul on AutogradPrivateUse1", _register),),
    devices=("npu",),
    why="a matrix unit is idle on 4x4 matrices, as in BEVFormer's and DETR3D's projections",
    upstream="DrivingSDK publishes the rewrite for the same shapes; no figure of ours: there was no NPU to measure on",
    remove_when="CANN's batched matmul is as fast for small matrices",
)
