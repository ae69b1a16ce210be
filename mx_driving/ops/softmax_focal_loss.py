"""Focal loss over exclusive classes."""

from __future__ import annotations

from typing import Optional, Tuple

import torch
from torch import Tensor

from mx_driving.ops.sigmoid_focal_loss import TINY


def softmax_focal_loss(
    softmax: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25, weight: Optional[Tensor] = None
) -> Tensor:
    """Loss of each row, ``-alpha (1 - p)^gamma log p`` with p the probability of its target.

    Args:
        softmax (Tensor[N, C]): probabilities.
        target (Tensor[N], long): classes; a negative one gives no loss.
        gamma, alpha (float): focus and weight.
        weight (Tensor[C] or Tensor[0]): factor of each target class.

    Returns:
        Tensor[N].

    Source: Focal Loss for Dense Object Detection, arXiv 1708.02002; mmcv's ``softmax_focal_loss``.
    """
    p, scale = _terms(softmax, target, weight)
    return -alpha * (1 - p).pow(gamma) * p.clamp(min=TINY).log() * scale


def softmax_focal_loss_derivative(
    softmax: Tensor, target: Tensor, gamma: float = 2.0, alpha: float = 0.25, weight: Optional[Tensor] = None
) -> Tuple[Tensor, Tensor]:
    """Derivatives of each row's loss by its logits.

    Returns:
        Tensor[N]: the factor that a row's logits share; Tensor[N, C]: the derivatives.
    """
    p, scale = _terms(softmax, target, weight)
    rest = 1 - p
    factor = alpha * (gamma * rest.pow(gamma - 1) * p * p.clamp(min=TINY).log() - rest.pow(gamma)) * scale
    hit = target.unsqueeze(1) == torch.arange(softmax.shape[1], device=softmax.device)
    return factor, factor.unsqueeze(1) * (hit.to(softmax.dtype) - softmax)


def _terms(softmax: Tensor, target: Tensor, weight: Optional[Tensor]) -> Tuple[Tensor, Tensor]:
    chosen = target.clamp(min=0)
    p = softmax.gather(1, chosen.unsqueeze(1)).squeeze(1)
    scale = (target >= 0).to(softmax.dtype)
    return p, scale if weight is None or weight.numel() == 0 else scale * weight.to(softmax.dtype)[chosen]
