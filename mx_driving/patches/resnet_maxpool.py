"""``resnet_maxpool``: the pooling of ResNet's stem runs on mx_driving's operator."""

from __future__ import annotations

from typing import Any, Callable, Tuple

from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import need_operators


def _is_stock(pool: Any) -> bool:
    if type(pool) is not nn.MaxPool2d or pool._forward_hooks or pool._forward_pre_hooks or pool._backward_hooks:
        return False
    return _pair(pool.dilation) == (1, 1) and not pool.ceil_mode and not pool.return_indices


def _forward(original: Callable, self: Any, x: Tensor) -> Tuple[Tensor, ...]:
    pool = self.maxpool
    if not _is_stock(pool):
        return original(self, x)
    x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
    x = ops.max_pool2d(x, pool.kernel_size, pool.stride, pool.padding)
    stages = {}
    for index, name in enumerate(self.res_layers):
        stages[index] = x = getattr(self, name)(x)
    return tuple(stages[index] for index in stages if index in self.out_indices)


PATCH = PatchRecord(
    name="resnet_maxpool",
    what="the pooling of ResNet's stem",
    what_zh="ResNet 首层的最大池化",
    targets=(Replace("mmdet.models.backbones.resnet:ResNet.forward", _forward, wrap=True),),
    requires=("mmdet>=2.14,<3.6",),
    reaches=("mmdet.models.backbones.resnet:ResNet",),
    prepare=need_operators,
    why="on an NPU the stock pooling keeps a mask in a private layout; the own operator keeps plain indices",
    upstream="specific to the device",
    remove_when="torch_npu's max_pool2d is as fast",
)
