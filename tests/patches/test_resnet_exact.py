"""``resnet_add_relu`` and ``resnet_maxpool`` in every mode of the equivalence harness."""

from __future__ import annotations

import pytest
import torch
from equivalence import Case, agreement, check
from torch import nn

resnet = pytest.importorskip("mmdet.models.backbones.resnet", reason="mmdet is not installed here")


def build(depth, **arguments):
    """Return a builder of two stages of mmdet's ResNet."""
    stages = {"num_stages": 2, "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1)}
    return lambda: resnet.ResNet(depth, base_channels=8, stem_channels=8, **stages, **arguments)


def image():
    return (torch.randn(2, 3, 24, 32),)


SLOW = ("compiled", "compiled_autograd")
ADD_RELU, POOL = ("resnet_add_relu",), ("resnet_maxpool",)

test_basic_blocks = agreement(ADD_RELU, build(18), image, without=("compiled_autograd",))
test_bottlenecks = agreement(ADD_RELU, build(50), image, without=SLOW)
test_checkpointed_blocks = agreement(
    # Blocks under a functional transform cannot be checkpointed by stock code either.
    ADD_RELU,
    build(18, with_cp=True),
    image,
    without=(
        *SLOW,
        "functional_gradient",
        "gradients_per_sample",
        "forward_gradient",
        "traced",
        "double_backward",
        "mkldnn",
    ),
)
test_pool = agreement(POOL, build(18), image, without=(*SLOW, "double_backward"))


@pytest.mark.filterwarnings("ignore")
def test_compiled_autograd_takes_the_gradient():
    # Of one block alone: tracing more of them takes long.
    case = Case(lambda: resnet.BasicBlock(4, 4), lambda: (torch.randn(2, 4, 6, 6),))
    found = check(case, ADD_RELU, "compiled_autograd")
    assert found.differences == []
    assert not found.raised


class Shortcut(nn.Module):
    """A shortcut of another shape or dtype than its branch."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, x):
        return self.change(x)


ODD_SHORTCUTS = {
    "broadcast": lambda x: x.mean((2, 3), keepdim=True),
    "too large": lambda x: torch.stack([x, x]),
    "another dtype": lambda x: x.double(),
    "half": lambda x: x.bfloat16(),
    "integers": lambda x: x.long(),
    "itself": lambda x: x,
    "a view": lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
    "empty": lambda x: x[:, :0],
}


@pytest.mark.parametrize("mode", ["training", "evaluation", "no_grad", "autocast", "channels_last"])
@pytest.mark.parametrize("odd", ODD_SHORTCUTS)
def test_odd_shortcuts_end_as_in_the_stock_block(odd, mode):
    def block():
        return resnet.BasicBlock(4, 4, downsample=Shortcut(ODD_SHORTCUTS[odd]))

    found = check(Case(block, lambda: (torch.randn(2, 4, 6, 6),)), ADD_RELU, mode)
    assert found.differences == []
    assert bool(found.raised) == (odd in ("too large", "empty")), found.raised


def plain_output(block):
    """Let the branch end without a norm or convolution of its own: what it returns is older than the block."""
    block.conv2, block.bn2 = nn.Identity(), nn.Identity()
    return block


def test_a_branch_whose_output_is_needed_is_refused_as_by_the_stock_block():
    case = Case(lambda: plain_output(resnet.BasicBlock(4, 4)), lambda: (torch.randn(2, 4, 6, 6),))
    stock, patched = check(case, (), "training"), check(case, ADD_RELU, "training")
    assert "modified by an inplace operation" in stock.raised
    # The version number and the name of the operator are all that differs.
    assert all(line.count("modified by an inplace operation") == 2 for line in patched.differences)


def not_in_place(block):
    block.relu.inplace = False
    return block


def own_activation(block):
    block.relu = nn.SiLU(inplace=True)
    return block


UNRECORDED = ("no_grad", "inference_mode", "kept_outputs")


@pytest.mark.parametrize(
    ("change", "mode"),
    [(plain_output, mode) for mode in UNRECORDED]
    + [(change, mode) for change in (not_in_place, own_activation) for mode in ("training", *UNRECORDED, "hooks")],
)
def test_changed_blocks_end_as_the_stock_block(change, mode):
    case = Case(lambda: change(resnet.BasicBlock(4, 4)), lambda: (torch.randn(2, 4, 6, 6),))
    found = check(case, ADD_RELU, mode)
    assert found.differences == []
    assert not found.raised


POOLS = {
    "one-element tuples": lambda: nn.MaxPool2d((3,), (2,), (1,)),
    "pairs": lambda: nn.MaxPool2d((3, 2), (1, 2), (1, 0)),
    "lists": lambda: nn.MaxPool2d([3, 3], [2, 2], [1, 1]),
    "dilation": lambda: nn.MaxPool2d(3, 2, 1, dilation=2),
    "ceiling": lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "too much padding": lambda: nn.MaxPool2d(2, 2, 2),
    "larger than the image": lambda: nn.MaxPool2d(99, 2, 1),
    "no stride": lambda: nn.MaxPool2d(2),
    "something else": lambda: nn.AvgPool2d(2),
}


@pytest.mark.parametrize("mode", ["training", "no_grad", "autocast"])
@pytest.mark.parametrize("pool", POOLS)
def test_every_pool_ends_as_in_the_stock_backbone(pool, mode):
    def backbone():
        made = build(18)()
        made.maxpool = POOLS[pool]()
        return made

    found = check(Case(backbone, image), POOL, mode)
    assert found.differences == []
    assert bool(found.raised) == (pool in ("too much padding", "larger than the image")), found.raised
