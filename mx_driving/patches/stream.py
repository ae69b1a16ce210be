"""``stream``: mmcv 1.x copies a batch to the NPU directly instead of through background streams.

Containers go through mmcv's ``Scatter``; tensors that lie bare in a batch go through torch's, whose device side is
compiled for CUDA alone.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, List, Tuple

import torch
from torch import Tensor

from mx_driving._core import PatchRecord, Replace


def _scatter(target_gpus: List[int], input: Any) -> Tuple[Any, ...]:
    outputs = importlib.import_module("mmcv.parallel._functions").scatter(input, target_gpus)
    return tuple(outputs) if isinstance(outputs, list) else (outputs,)


def _copy_bare(original: Callable, ctx: Any, target_gpus: List[int], chunks: Any, dim: int, input: Tensor) -> Any:
    if len(target_gpus) != 1 or chunks is not None:
        return original(ctx, target_gpus, chunks, dim, input)
    ctx.copied_from = input.device
    return (input.to(torch.device("npu", target_gpus[0])),)


def _return_bare(original: Callable, ctx: Any, *grads: Tensor) -> Any:
    # One device got the whole, so its gradient is the gradient; autograd wants it where the input was.
    source = getattr(ctx, "copied_from", None)
    return original(ctx, *grads) if source is None else (None, None, None, grads[0].to(source))


PATCH = PatchRecord(
    name="stream",
    what="mmcv 1.x copies a batch to the NPU without background streams",
    what_zh="mmcv 1.x 直接把数据拷到 NPU，不用后台流",
    targets=(
        Replace("mmcv.parallel._functions:Scatter.forward", _scatter),
        Replace("torch.nn.parallel._functions:Scatter.forward", _copy_bare, wrap=True),
        Replace("torch.nn.parallel._functions:Scatter.backward", _return_bare, wrap=True),
    ),
    requires=("mmcv>=1.4,<2",),
    devices=("npu",),
    why="mmcv asks torch for the stream of a device number; torch >= 2.1 takes devices only and fails",
    upstream="mmdetection#10720; mmcv 1.x is closed",
    remove_when="mmcv 1.x is no longer supported",
)
