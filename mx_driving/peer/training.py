"""Matching and optimizer under the peer's names."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor


def hungarian_match(cost_matrix: Tensor) -> Tuple[Tensor, Tensor]:
    """Return rows and columns, int32, of the assignment of least total cost, by scipy on the host."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(cost_matrix.detach().cpu().numpy())
    device = cost_matrix.device
    return (
        torch.as_tensor(rows, dtype=torch.int32, device=device),
        torch.as_tensor(columns, dtype=torch.int32, device=device),
    )


@torch.no_grad()
def fused_adamw_custom(
    combined_param: Tensor,
    combined_grad: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    max_exp_avg_sq: Tensor,
    lr: float,
    beta1: float,
    beta2: float,
    weight_decay: float,
    eps: float,
    step: int,
    amsgrad: bool,
) -> None:
    """One step of AdamW, in place; halves compute in float32. Without ``amsgrad`` the fifth tensor is not used."""
    if isinstance(step, Tensor):
        raise TypeError("fused_adamw_custom: step must be a Python number, got a tensor; pass step.item()")
    grad = combined_grad.float()
    average = exp_avg.float() * beta1 + (1 - beta1) * grad
    square = exp_avg_sq.float() * beta2 + (1 - beta2) * grad * grad
    exp_avg.copy_(average)
    exp_avg_sq.copy_(square)
    if amsgrad:
        square = torch.maximum(max_exp_avg_sq.float(), square)
        max_exp_avg_sq.copy_(square)
    size = lr / (1 - beta1**step)
    denominator = square.sqrt() / (1 - beta2**step) ** 0.5 + eps
    combined_param.copy_(combined_param.float() * (1 - lr * weight_decay) - size * average / denominator)
