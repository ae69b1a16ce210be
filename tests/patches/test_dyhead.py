"""``mdc`` in DyHead, from its shipped config: DCNv2 with the maps of another level; all results are stock's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mx_driving._core import PatchSet
from mx_driving.patches import load

pytest.importorskip("mmcv.ops", reason="mmcv is not built with operators here")
pytest.importorskip("mmengine", reason="the model is built with mmengine's registry; the other line runs it")
mmdet = pytest.importorskip("mmdet", reason="mmdet is not installed")
CONFIG = Path(mmdet.__file__).parent / ".mim" / "configs" / "dyhead" / "atss_r50_fpn_dyhead_1x_coco.py"
SIZE = (96, 128)


def small_model():
    """Build the detector with narrow layers; its offsets are no zeros."""
    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    init_default_scope("mmdet")
    model = Config.fromfile(str(CONFIG)).model
    model.backbone.update(init_cfg=None, depth=18, base_channels=8)
    model.neck[0].update(in_channels=[8, 16, 32, 64], out_channels=32)
    model.neck[1].update(in_channels=32, out_channels=32, num_blocks=2)
    model.bbox_head.update(in_channels=32, feat_channels=32, num_classes=3)
    torch.manual_seed(0)
    built = MODELS.build(model).train()
    for module in built.modules():
        if hasattr(module, "spatial_conv_offset"):
            torch.nn.init.normal_(module.spatial_conv_offset.weight, std=0.3)
    return built


def step(model):
    """Return the sum of the losses of one batch, and the gradients by name."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    samples = []
    for _ in range(2):
        sample = DetDataSample(metainfo={"img_shape": SIZE, "pad_shape": SIZE, "batch_input_shape": SIZE})
        boxes = torch.tensor([[10.0, 10, 60, 70], [50, 20, 120, 90]])
        sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([0, 2]))
        samples.append(sample)
    images = torch.rand(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    losses = model.loss(images, samples)
    total = sum(sum(loss) if isinstance(loss, list) else loss for loss in losses.values())
    total.backward()
    return total, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_dyhead_trains_as_on_stock():
    expected, expected_grads = step(small_model())
    with PatchSet([load("mdc")]):
        total, grads = step(small_model())
    torch.testing.assert_close(total, expected, rtol=1e-5, atol=0)
    assert set(grads) == set(expected_grads)
    for name, grad in expected_grads.items():
        error = (grads[name] - grad).abs().max()
        assert error <= 1e-4 * grad.abs().max() + 1e-6, name
