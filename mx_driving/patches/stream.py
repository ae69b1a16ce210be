"""``stream``: mmcv 1.x copies a batch to the NPU directly instead of through background streams."""

from __future__ import annotations

import importlib
from typing import Any, List, Tuple

from mx_driving._core import Patch, Replace


def _scatter(target_gpus: List[int], input: Any) -> Tuple[Any, ...]:
    outputs = importlib.import_module("mmcv.parallel._functions").scatter(input, target_gpus)
    return tuple(outputs) if isinstance(outputs, list) else (outputs,)


PATCH = Patch(
    name="stream",
    targets=(Replace("mmcv.parallel._functions:Scatter.forward", _scatter),),
    requires=("mmcv>=1.4,<2",),
    devices=("npu",),
    why="mmcv asks torch for the stream of a device number; torch >= 2.1 takes devices only and fails",
    upstream="mmdetection#10720; mmcv 1.x is closed",
    remove_when="mmcv 1.x is no longer supported",
)
