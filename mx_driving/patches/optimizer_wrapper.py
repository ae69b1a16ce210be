"""``optimizer_wrapper``: mmengine's optimizer wrappers clip gradients by the fused optimizer's own method."""

from __future__ import annotations

from typing import Any, Callable, Iterable

import torch
from torch import Tensor

from mx_driving._core import ANYWHERE, PatchRecord, Replace
from mx_driving.patches.optimizer_hooks import METHOD


def _clip_grad(original: Callable, self: Any) -> None:
    fused = getattr(self.optimizer, METHOD, None)
    if fused is None or self.clip_func is not torch.nn.utils.clip_grad_norm_:
        return original(self)

    def clip(params: Iterable[Tensor], **arguments: Any) -> Any:
        return fused(**arguments)

    # The stock method does the rest: it asks whether there is a gradient, and logs the norm.
    stock, self.clip_func = self.clip_func, clip
    try:
        return original(self)
    finally:
        self.clip_func = stock


PATCH = PatchRecord(
    name="optimizer_wrapper",
    what="mmengine clips gradients by the fused optimizer's own method where it has one",
    what_zh="mmengine 使用融合优化器自带的梯度裁剪（如果有）",
    targets=(Replace("mmengine.optim.optimizer.optimizer_wrapper:OptimWrapper._clip_grad", _clip_grad, wrap=True),),
    requires=("mmengine>=0.7",),
    devices=ANYWHERE,
    default=False,
    why="clipping tensor by tensor copies a fused optimizer's gradients apart",
    upstream="torch_npu.optim.NpuFusedOptimizerBase has the method; mmengine 0.10.7 does not ask for it",
    remove_when="mmengine asks the optimizer for its own clipping",
)
