"""``resnet_add_relu`` and ``resnet_maxpool`` in every mode of the equivalence harness."""

from __future__ import annotations

import pytest
import torch
from equivalence import agreement

resnet = pytest.importorskip("mmdet.models.backbones.resnet", reason="mmdet is not installed here")

NAMES = ("resnet_add_relu", "resnet_maxpool")


def build(depth, **arguments):
    return lambda: resnet.ResNet(
        depth, base_channels=8, stem_channels=8, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(0, 1)
    )


def image():
    return (torch.randn(2, 3, 24, 32),)


test_basic_blocks = agreement(NAMES, build(18), image)
test_bottlenecks = agreement(NAMES, build(50), image, without=("traced", "compiled", "compiled_autograd", "mkldnn"))
