"""``ddp_forward``: calling mmcv 1.x's distributed wrapper works on today's torch.

mmcv 1.6 to 1.7 override a private method of torch and read an attribute that torch 2.1 removed.
"""

from __future__ import annotations

import contextlib
from typing import Any

from mx_driving._core import ANYWHERE, PatchRecord, Replace
from mx_driving.patches.ddp import CPU


def _run_ddp_forward(self: Any, *inputs: Any, **kwargs: Any) -> Any:
    device_id = self.device_ids[0] if self.device_ids else CPU[0]
    (inputs,), (kwargs,) = self.to_kwargs(inputs, kwargs, device_id)
    # torch marks the module as running here, for hooks that ask; the mark came after 2.0.
    inside = getattr(self, "_inside_ddp_forward", contextlib.nullcontext)
    with inside():
        return self.module(*inputs, **kwargs)


PATCH = PatchRecord(
    name="ddp_forward",
    what="calling that wrapper works on today's torch",
    what_zh="让该封装的 forward 在新版 torch 上可用",
    targets=(Replace("mmcv.parallel.distributed:MMDistributedDataParallel._run_ddp_forward", _run_ddp_forward),),
    requires=("mmcv>=1.6,<2", "torch>=1.12"),
    reaches=("mmcv.parallel.distributed:MMDistributedDataParallel",),
    devices=ANYWHERE,
    why="forward raises AttributeError: _use_replicated_tensor_module",
    upstream="removed by pytorch#95450; mmcv 1.x is closed",
    remove_when="mmcv 1.x is no longer supported",
)
