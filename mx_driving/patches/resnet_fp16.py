"""``resnet_fp16``: a ResNet backbone runs in half precision, the rest of the model as before."""

from __future__ import annotations

from typing import Any, Callable, Tuple

import torch
from torch import Tensor

from mx_driving._core import PatchRecord, Replace


def _forward(original: Callable, self: Any, x: Tensor) -> Tuple[Tensor, ...]:
    dtype = torch.float16 if x.device.type == "npu" else torch.bfloat16
    with torch.autocast(device_type=x.device.type, dtype=dtype):
        outs = original(self, x)
    return tuple(out.float() for out in outs)


PATCH = PatchRecord(
    name="resnet_fp16",
    what="ResNet backbones run under autocast (float16; bfloat16 on a CPU), their outputs are float32",
    what_zh="ResNet 主干在 autocast 下运行（float16；CPU 上为 bfloat16），输出仍为 float32",
    targets=(Replace("mmdet.models.backbones.resnet:ResNet.forward", _forward, wrap=True),),
    requires=("mmdet>=2.14,<3.6",),
    reaches=("mmdet.models.backbones.resnet:ResNet",),
    default=False,
    why="most of a camera model's time is its backbone; half precision changes values, so it is a choice",
    upstream="mixed precision in OpenMMLab is for the whole model or none of it",
    remove_when="never: it is an option",
)
