"""``resnet_maxpool``: the pooling of ResNet's stem runs on mx_driving's operator."""

from __future__ import annotations

from typing import Any, Tuple

from torch import Tensor, nn

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import need_operators
from mx_driving.patches._watched import followed, ordinary, watched


def _pair(value: Any) -> Tuple[int, ...]:
    if isinstance(value, int):
        return (value, value)
    return tuple(value) if isinstance(value, (tuple, list)) else ()


def _plain(pool: Any) -> bool:
    """Tell whether the pool asks for what our operator does; the shorter and stranger forms are torch's to judge."""
    sizes = [_pair(value) for value in (pool.kernel_size, pool.stride, pool.padding)]
    if any(len(size) != 2 for size in sizes) or pool.ceil_mode or pool.return_indices:
        return False
    kernel, stride, padding = sizes
    fits = all(0 <= 2 * pad <= side and step > 0 for side, step, pad in zip(kernel, stride, padding))
    return fits and set(_pair(pool.dilation)) == {1}


def _pooled(pool: Any, x: Tensor) -> Tensor:
    if followed() or watched(pool, nn.MaxPool2d) or not _plain(pool) or not ordinary(x):
        return pool(x)
    window, border = _pair(pool.kernel_size), _pair(pool.padding)
    fits = x.dim() == 4 and all(side + 2 * pad >= k for side, k, pad in zip(x.shape[2:], window, border))
    return ops.max_pool2d(x, pool.kernel_size, pool.stride, pool.padding) if fits else pool(x)


def _forward(self: Any, x: Tensor) -> Tuple[Tensor, ...]:
    x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
    x = _pooled(self.maxpool, x)
    outs = []
    for index, name in enumerate(self.res_layers):
        x = getattr(self, name)(x)
        if index in self.out_indices:
            outs.append(x)
    return tuple(outs)


PATCH = PatchRecord(
    name="resnet_maxpool",
    what="the pooling of ResNet's stem",
    what_zh="ResNet 首层的最大池化",
    targets=(Replace("mmdet.models.backbones.resnet:ResNet.forward", _forward),),
    requires=("mmdet>=2.14,<3.6",),
    reaches=("mmdet.models.backbones.resnet:ResNet",),
    prepare=need_operators,
    off_on=("cpu",),
    why="on an NPU the stock pooling keeps a mask in a private layout; the own operator keeps plain indices",
    upstream="specific to the device",
    remove_when="torch_npu's max_pool2d is as fast",
)
