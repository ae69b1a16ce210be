"""``dp``: mmcv 1.x's single-process wrapper accepts a model that is on an NPU.

``MMDataParallel`` compares the model's device with the ``cuda:0`` that torch's ``DataParallel`` wrote down for it, and
scripts build it long before a hook can choose ``mmcv.device.npu.NPUDataParallel`` in its place.
"""

from __future__ import annotations

from typing import Any, Callable

import torch

from mx_driving._core import PatchRecord, Replace


def _on_npu(original: Callable, self: Any, *inputs: Any, **kwargs: Any) -> Any:
    if not self.device_ids:
        return original(self, *inputs, **kwargs)
    stated = self.src_device_obj
    self.src_device_obj = torch.device("npu", self.device_ids[0])
    try:
        return original(self, *inputs, **kwargs)
    finally:
        # The object is the script's: without the patch it has to be what it was.
        self.src_device_obj = stated


_CLASS = "mmcv.parallel.data_parallel:MMDataParallel"

PATCH = PatchRecord(
    name="dp",
    what="mmcv 1.x's single-process wrapper accepts a model on an NPU",
    what_zh="mmcv 1.x 的单进程封装接受放在 NPU 上的模型",
    targets=tuple(Replace(f"{_CLASS}.{way}", _on_npu, wrap=True) for way in ("forward", "train_step", "val_step")),
    requires=("mmcv>=1.4,<2",),
    reaches=(_CLASS,),
    devices=("npu",),
    why="the wrapper refuses a model on npu:0: it expects its parameters on cuda:0",
    upstream="mmcv 1.7 has NPUDataParallel, which scripts do not use; mmcv 1.x is closed",
    remove_when="mmcv 1.x is no longer supported",
)
