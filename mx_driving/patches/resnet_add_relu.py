"""``resnet_add_relu``: a residual block adds its shortcut and applies ReLU in one pass over memory."""

from __future__ import annotations

from typing import Any, Callable, Tuple

from torch import Tensor, nn
from torch.utils import checkpoint

from mx_driving import ops
from mx_driving._core import PatchRecord, Replace
from mx_driving.patches._mmcv import need_operators


def _is_stock(block: Any) -> bool:
    """Tell whether nothing would notice that ``block.relu`` is not called at the end."""
    relu = block.relu
    hooked = relu._forward_hooks or relu._forward_pre_hooks or relu._backward_hooks
    return type(relu) is nn.ReLU and not hooked and not getattr(block, "with_plugins", False)


def _fused(block: Any, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
    def paths(x: Tensor) -> Tuple[Tensor, Tensor]:
        return branch(x), x if block.downsample is None else block.downsample(x)

    if block.with_cp and x.requires_grad:
        out, shortcut = checkpoint.checkpoint(paths, x, use_reentrant=True)
    else:
        out, shortcut = paths(x)
    return ops.add_relu(out, shortcut)


def _basic_block(original: Callable, self: Any, x: Tensor) -> Tensor:
    if not _is_stock(self):
        return original(self, x)
    return _fused(self, x, lambda x: self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x))))))


def _bottleneck(original: Callable, self: Any, x: Tensor) -> Tensor:
    if not _is_stock(self):
        return original(self, x)

    def branch(x: Tensor) -> Tensor:
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        return self.norm3(self.conv3(x))

    return _fused(self, x, branch)


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
    why="addition and ReLU are two passes over the largest feature maps; one pass saves half of the memory traffic",
    upstream="no fused operator in torch's public API",
    remove_when="torch.compile is the default for these models",
)
