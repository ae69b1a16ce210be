"""``focal_loss`` against mmdet's own implementation in torch; on an NPU the stock scripts of tests/emulator run it."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("mmcv.ops", reason="mmcv with its operators is not installed here")
from mmcv.ops import sigmoid_focal_loss
from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss

from mx_driving._core import PatchSet
from mx_driving.patches import focal_loss, load


@pytest.fixture
def in_force():
    """By hand: it belongs to the NPU, but what it computes is the same on a CPU."""
    with PatchSet([load("focal_loss")], device="npu", strict=True) as patches:
        yield patches


def inputs(dtype=torch.float32):
    torch.manual_seed(0)
    logits = torch.randn(7, 4, dtype=dtype) * 8
    return logits.requires_grad_(), torch.tensor([0, 1, 2, 3, 4, 4, 1])  # 4 is the background


def expected(logits, target, **options):
    labels = torch.nn.functional.one_hot(target, 5)[:, :4]
    return py_sigmoid_focal_loss(logits, labels, reduction="none", **options)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.25), (1.5, 0.6), (0.0, 0.5)])
def test_loss_and_gradient_equal_those_of_mmdet(in_force, gamma, alpha):
    (logits, target), (theirs, _) = inputs(), inputs()
    ours = sigmoid_focal_loss(logits, target, gamma, alpha, None, "none")
    reference = expected(theirs, target, gamma=gamma, alpha=alpha)
    torch.testing.assert_close(ours, reference, rtol=1e-5, atol=1e-6)
    ours.sum().backward()
    reference.sum().backward()
    torch.testing.assert_close(logits.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_weights_are_those_of_the_target_class(in_force):
    logits, target = inputs()
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    weighted = sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, "none")
    factor = torch.tensor([1.0, 2.0, 3.0, 4.0, 1.0, 1.0, 2.0]).unsqueeze(1)
    torch.testing.assert_close(weighted, expected(logits, target) * factor, rtol=1e-5, atol=1e-6)


def test_half_precision_is_computed_in_single(in_force):
    logits, target = inputs(torch.float16)
    loss = sigmoid_focal_loss(logits, target, 2.0, 0.25, None, "none")
    assert loss.dtype == torch.float16
    torch.testing.assert_close(loss.float(), expected(logits.float(), target), rtol=2e-3, atol=1e-4)


def test_an_mmcv_with_npu_kernels_keeps_its_own(in_force, monkeypatch):
    assert focal_loss.mmcv_has_npu_kernels() is False, "this mmcv was built for the CPU"
    monkeypatch.setattr(focal_loss, "mmcv_has_npu_kernels", lambda: True)
    with pytest.raises(RuntimeError, match="implementation for device cpu not found"):
        sigmoid_focal_loss(*inputs(), 2.0, 0.25, None, "none")
