"""``optimizer_hooks``: mmcv 1.x's optimizer hooks clip gradients by the fused optimizer's own method.

torch_npu's ``NpuFused...`` optimizers hold gradients in one tensor and clip them in one pass; with any other optimizer
the stock code runs. The hooks' methods are replaced in place, so hooks that a script built by name are reached too.
"""

from __future__ import annotations

import threading
from typing import Any, Callable, Iterable, Optional

from torch import Tensor

from mx_driving._core import ANYWHERE, PatchRecord, Replace

METHOD = "clip_grad_norm_fused_"
HOOKS = (
    "OptimizerHook",
    "GradientCumulativeOptimizerHook",
    "Fp16OptimizerHook",
    "GradientCumulativeFp16OptimizerHook",
)

_running = threading.local()


def _with_optimizer(original: Callable, self: Any, runner: Any) -> Any:
    # clip_grads is handed parameters only: the optimizer is that of the iteration it is called in.
    outer, _running.optimizer = getattr(_running, "optimizer", None), runner.optimizer
    try:
        return original(self, runner)
    finally:
        _running.optimizer = outer


def _clip_grads(original: Callable, self: Any, params: Iterable[Tensor]) -> Optional[Tensor]:
    fused = getattr(getattr(_running, "optimizer", None), METHOD, None)
    if fused is None:
        return original(self, params)
    with_gradient = any(param.requires_grad and param.grad is not None for param in params)
    return fused(**self.grad_clip) if with_gradient else None


_MODULE = "mmcv.runner.hooks.optimizer"

PATCH = PatchRecord(
    name="optimizer_hooks",
    what="mmcv 1.x clips gradients by the fused optimizer's own method where it has one",
    what_zh="mmcv 1.x 使用融合优化器自带的梯度裁剪（如果有）",
    targets=(
        *(Replace(f"{_MODULE}:{name}.after_train_iter", _with_optimizer, wrap=True) for name in HOOKS),
        Replace(f"{_MODULE}:OptimizerHook.clip_grads", _clip_grads, wrap=True),
    ),
    requires=("mmcv>=1.4,<2",),
    devices=ANYWHERE,
    default=False,
    why="clipping tensor by tensor copies a fused optimizer's gradients apart",
    upstream="torch_npu.optim.NpuFusedOptimizerBase has the method; mmcv 1.x is closed",
    remove_when="mmcv 1.x is no longer supported",
)
