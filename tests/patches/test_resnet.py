"""``resnet_add_relu`` and ``resnet_maxpool`` on mmdet's real ResNet."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mx_driving import ops
from mx_driving._core import PatchSet
from mx_driving.patches import load

resnet = pytest.importorskip("mmdet.models.backbones.resnet", reason="mmdet is not installed here")

NAMES = ("resnet_add_relu", "resnet_maxpool")


def build(depth=18, **arguments):
    torch.manual_seed(0)
    return resnet.ResNet(depth, base_channels=8, stem_channels=8, **arguments)


@pytest.fixture
def counted(monkeypatch):
    calls = []
    for name in ("add_relu_", "max_pool2d"):
        real = getattr(ops, name)
        monkeypatch.setattr(ops, name, lambda *args, _name=name, _real=real: calls.append(_name) or _real(*args))
    return calls


def run(model, x):
    x = x.clone().requires_grad_()
    outs = model(x)
    torch.cat([out.flatten() for out in outs]).square().sum().backward()
    grads = [x.grad, *(p.grad.clone() for p in model.parameters() if p.grad is not None)]
    model.zero_grad(set_to_none=True)
    return [*outs, *grads]


@pytest.mark.parametrize(
    ("depth", "arguments", "blocks"),
    [
        (18, {}, 8),
        (50, {}, 16),
        (18, {"deep_stem": True}, 8),
        (18, {"with_cp": True}, 0),
        (18, {"out_indices": (1, 3)}, 8),
        (50, {"style": "caffe", "num_stages": 2, "strides": (1, 2), "dilations": (1, 1), "out_indices": (0, 1)}, 7),
    ],
)
def test_same_values_and_gradients_through_fewer_passes(counted, depth, arguments, blocks):
    model, x = build(depth, **arguments), torch.rand(2, 3, 32, 32)
    expected = run(model, x)
    assert counted == []
    with PatchSet([load(name) for name in NAMES]):
        got = run(model, x)
    # Checkpointing ends between the addition and the ReLU: such blocks are left as they are.
    assert counted.count("add_relu_") == blocks
    assert counted.count("max_pool2d") == 1
    for one, other in zip(got, expected):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_block_with_another_activation_keeps_its_own(counted):
    model = build()
    for block in model.modules():
        if isinstance(block, resnet.BasicBlock):
            block.relu = nn.SiLU()
    x = torch.rand(1, 3, 32, 32)
    model.eval()
    expected = model(x)
    with PatchSet([load(name) for name in NAMES]):
        got = model(x)
    assert counted == ["max_pool2d"]
    assert all(torch.equal(one, other) for one, other in zip(got, expected))


def test_hook_on_the_activation_or_the_pooling_is_still_called(counted):
    """Feature viewers hang hooks there; the fused step would pass them by."""
    model, seen = build(), []
    model.maxpool.register_forward_hook(lambda *args: seen.append("pool"))
    model.layer1[0].relu.register_forward_hook(lambda *args: seen.append("relu"))
    with PatchSet([load(name) for name in NAMES]):
        model(torch.rand(2, 3, 64, 64))
    assert seen == ["pool", "relu", "relu"]
    assert counted.count("add_relu_") == 7


def test_pooling_of_another_kind_keeps_its_own(counted):
    model = build()
    model.maxpool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
    x = torch.rand(1, 3, 30, 30)
    model.eval()
    expected = model(x)
    with PatchSet([load("resnet_maxpool")]):
        got = model(x)
    assert counted == []
    assert all(torch.equal(one, other) for one, other in zip(got, expected))


def test_plugin_blocks_keep_their_own_forward(counted):
    plugins = [
        {
            "cfg": {"type": "ContextBlock", "ratio": 0.5},
            "stages": (True, False, False, False),
            "position": "after_conv3",
        }
    ]
    model = build(50, plugins=plugins)
    x = torch.rand(1, 3, 32, 32)
    model.eval()
    expected = model(x)
    with PatchSet([load("resnet_add_relu")]):
        got = model(x)
    assert counted == [], "mmdet gives every block of such a network a list of plugins, if only an empty one"
    assert all(torch.equal(one, other) for one, other in zip(got, expected))
