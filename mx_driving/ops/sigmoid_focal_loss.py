"""Focal loss over independent classes."""

from __future__ import annotations

from typing import Optional, Tuple

import torch
from torch import Tensor

TINY = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss(
    input: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25, weight: Optional[Tensor] = None
) -> Tensor:
    """Loss of each element.

    Args:
        input (Tensor[N, C]): logits.
        target (Tensor[N], long): classes, C for background.
        gamma, alpha (float): focus, and weight of the positives.
        weight (Tensor[C] or Tensor[0]): factor of each target class.

    Returns:
        Tensor[N, C]: with ``p = sigmoid(input)``, ``-alpha (1 - p)^gamma log p`` at the target and
        ``-(1 - alpha) p^gamma log(1 - p)`` elsewhere; float32 for half-precision input.

    Source: Focal Loss for Dense Object Detection, arXiv 1708.02002, eq. 5.
    """
    p, hit, scale = _terms(input, target, weight)
    positive = alpha * (1 - p).pow(gamma) * p.clamp(min=TINY).log()
    negative = (1 - alpha) * p.pow(gamma) * (1 - p).clamp(min=TINY).log()
    return -torch.where(hit, positive, negative) * scale


def sigmoid_focal_loss_derivative(
    input: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25, weight: Optional[Tensor] = None
) -> Tensor:
    """Derivative of each element's loss by its logit; arguments and shape as for :func:`sigmoid_focal_loss`."""
    p, hit, scale = _terms(input, target, weight)
    positive = alpha * (1 - p).pow(gamma) * (1 - p - gamma * p * p.clamp(min=TINY).log())
    negative = (1 - alpha) * p.pow(gamma) * (gamma * (1 - p) * (1 - p).clamp(min=TINY).log() - p)
    return -torch.where(hit, positive, negative) * scale


def _terms(input: Tensor, target: Tensor, weight: Optional[Tensor]) -> Tuple[Tensor, Tensor, Tensor]:
    logits = input if input.dtype == torch.float64 else input.float()
    p = logits.sigmoid()
    hit = target.unsqueeze(1) == torch.arange(input.shape[1], device=input.device)
    if weight is None or weight.numel() == 0:
        return p, hit, p.new_ones(())
    # A target of C is the background; its row counts with weight 1 for all classes, as it has none of its own.
    padded = torch.cat([weight.to(p.dtype), p.new_ones(1)])
    return p, hit, padded[target].unsqueeze(1)
