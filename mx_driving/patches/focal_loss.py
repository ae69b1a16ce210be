"""``focal_loss``: sigmoid focal loss runs on an NPU with an mmcv that was built without NPU kernels.

mmdet takes mmcv's kernel as soon as a tensor says that it is on a GPU, and with ``transfer_to_npu`` it says so. A build
of mmcv for NPUs keeps its own kernel.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any, Callable, Tuple

import torch
from torch import Tensor

from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import NO_EXT

TINY = torch.finfo(torch.float32).tiny


@functools.lru_cache(maxsize=None)
def mmcv_has_npu_kernels() -> bool:
    """Tell whether mmcv's extension is linked with torch_npu."""
    return b"libtorch_npu.so" in Path(importlib.import_module("mmcv._ext").__file__ or "").read_bytes()


def _terms(x: Tensor, target: Tensor, weight: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    p = x.float().sigmoid()
    hit = target.unsqueeze(1) == torch.arange(x.size(1), device=x.device)
    if weight.numel() == 0:
        return p, hit, p.new_ones(())
    # A target of C is the background; its row counts with weight 1 for all classes, as it has none of its own.
    padded = torch.cat([weight.float(), weight.new_ones(1, dtype=torch.float32)])
    return p, hit, padded[target].unsqueeze(1)


def forward(x: Tensor, target: Tensor, weight: Tensor, out: Tensor, gamma: float, alpha: float) -> None:
    """Write the loss of each element.

    Args:
        x (Tensor[N, C]): logits.
        target (Tensor[N], long): classes, C for background.
        weight (Tensor[C] or Tensor[0]): factor of each target class, none if empty.
        out (Tensor[N, C]): with ``p = sigmoid(x)``, ``-alpha (1 - p)^gamma log p`` at the target and
            ``-(1 - alpha) p^gamma log(1 - p)`` elsewhere (Lin et al., Focal Loss for Dense Object Detection, 2017).
    """
    p, hit, scale = _terms(x, target, weight)
    positive = alpha * (1 - p).pow(gamma) * p.clamp(min=TINY).log()
    negative = (1 - alpha) * p.pow(gamma) * (1 - p).clamp(min=TINY).log()
    out.copy_(-torch.where(hit, positive, negative) * scale)


def backward(x: Tensor, target: Tensor, weight: Tensor, grad: Tensor, gamma: float, alpha: float) -> None:
    """Write the derivative of each element's loss with respect to its logit; arguments as for ``forward``."""
    p, hit, scale = _terms(x, target, weight)
    positive = alpha * (1 - p).pow(gamma) * (1 - p - gamma * p * p.clamp(min=TINY).log())
    negative = (1 - alpha) * p.pow(gamma) * (gamma * (1 - p) * (1 - p).clamp(min=TINY).log() - p)
    grad.copy_(-torch.where(hit, positive, negative) * scale)


def _unless_native(ours: Callable) -> Callable:
    def call(original: Callable, *args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs) if mmcv_has_npu_kernels() else ours(*args, **kwargs)

    return call


PATCH = PatchRecord(
    name="focal_loss",
    what="sigmoid focal loss where mmcv was built without NPU kernels",
    what_zh="mmcv 编译时没有 NPU 算子时的 sigmoid focal loss",
    targets=(
        Replace("mmcv._ext:sigmoid_focal_loss_forward", _unless_native(forward), wrap=True, optional=NO_EXT),
        Replace("mmcv._ext:sigmoid_focal_loss_backward", _unless_native(backward), wrap=True, optional=NO_EXT),
    ),
    requires=("mmcv>=1.4,<2.4",),
    reaches=("mmdet.models.losses.focal_loss:FocalLoss",),
    devices=("npu",),
    why="mmcv's wheels have no NPU kernel, and mmdet calls it where tensors say is_cuda, as transfer_to_npu makes them",
    upstream="mmcv has one when it is built beside torch_npu (FORCE_NPU=1); that build is left alone",
    remove_when="mmcv ships NPU kernels in its wheels",
)
