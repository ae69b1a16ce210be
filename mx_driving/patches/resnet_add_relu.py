"""``resnet_add_relu``: a residual block adds its shortcut and applies ReLU in one pass over memory, in place."""

from __future__ import annotations

from typing import Any, Callable

from torch import Tensor, nn

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import need_operators
from mx_driving.patches._watched import followed, ordinary, watched, writable


def _one_pass(relu: Any, out: Tensor, shortcut: Tensor) -> bool:
    """Tell whether nobody would notice that the sum and ``relu`` are one step."""
    return (
        not followed()
        and not watched(relu, nn.ReLU)
        and relu.inplace
        and ordinary(out)
        and ordinary(shortcut)
        and out.dtype == shortcut.dtype
        and out.shape == shortcut.shape
        and out.device == shortcut.device
        and writable(out)
    )


def _residual(block: Any, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
    out = branch(x)
    shortcut = x if block.downsample is None else block.downsample(x)
    if _one_pass(block.relu, out, shortcut):
        return ops.add_relu_(out, shortcut)
    out += shortcut  # from here on as the original goes on
    return block.relu(out)


def _as_written(block: Any, x: Tensor) -> bool:
    """Tell whether the block is one without plugins and without checkpointing, which ends between the two steps."""
    return not getattr(block, "with_plugins", False) and not (block.with_cp and x.requires_grad)


def _basic_block(original: Callable, self: Any, x: Tensor) -> Tensor:
    if not _as_written(self, x):
        return original(self, x)
    return _residual(self, x, lambda x: self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x))))))


def _bottleneck(original: Callable, self: Any, x: Tensor) -> Tensor:
    if not _as_written(self, x):
        return original(self, x)

    def branch(x: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        return self.norm3(self.conv3(x))

    return _residual(self, x, branch)


PATCH = PatchRecord(
    name="resnet_add_relu",
    what="shortcut addition and ReLU of a residual block in one pass",
    what_zh="残差块的相加与 ReLU 合并为一次访存",
    targets=(
        Replace("mmdet.models.backbones.resnet:BasicBlock.forward", _basic_block, wrap=True),
        Replace("mmdet.models.backbones.resnet:Bottleneck.forward", _bottleneck, wrap=True),
    ),
    requires=("mmdet>=2.14,<3.6",),
    reaches=("mmdet.models.backbones.resnet:BasicBlock", "mmdet.models.backbones.resnet:Bottleneck"),
    prepare=need_operators,
    why="addition and ReLU are two passes over the largest feature maps; in one, two fifths of the traffic are saved",
    upstream="no fused operator in torch's public API",
    remove_when="torch.compile is the default for these models",
)
