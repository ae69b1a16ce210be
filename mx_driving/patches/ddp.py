"""``ddp``: mmcv 1.x's distributed wrapper hands the model plain tensors when it has no device ids, as on a CPU.

On an NPU inputs are copied to the device instead of being scattered by background streams, which is what
``mmcv.device.npu.NPUDistributedDataParallel`` does; here the wrapper that the script has built already is changed.
"""

from __future__ import annotations

from typing import Any, Callable

from mx_driving._core import ANYWHERE, PatchRecord, Replace

CPU = [-1]
"""mmcv's device list for "unpack the containers and stay on the CPU"."""


def _unpacked_step(original: Callable, self: Any, *inputs: Any, **kwargs: Any) -> Any:
    if not self.device_ids:
        (inputs,), (kwargs,) = self.scatter(inputs, kwargs, CPU)
    return original(self, *inputs, **kwargs)


_CLASS = "mmcv.parallel.distributed:MMDistributedDataParallel"

PATCH = PatchRecord(
    name="ddp",
    what="mmcv 1.x's distributed wrapper unpacks its inputs where it has no device ids",
    what_zh="mmcv 1.x 的分布式封装在没有 device_ids 时解开输入",
    targets=(
        Replace(f"{_CLASS}.train_step", _unpacked_step, wrap=True),
        Replace(f"{_CLASS}.val_step", _unpacked_step, wrap=True),
    ),
    requires=("mmcv>=1.4,<2",),
    reaches=(_CLASS,),
    devices=ANYWHERE,
    why="without device ids mmcv passes DataContainers on to the model, which fails in its first layer",
    upstream="mmcv 1.x is closed; mmengine moved the unpacking into the model",
    remove_when="mmcv 1.x is no longer supported",
)
