"""Focal losses: values and derivatives against the definition in float64."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from mx_driving import ops
from mx_driving.ops.softmax_focal_loss import softmax_focal_loss_derivative


def logits_and_targets(random, classes=5, rows=12, dtype=torch.float64):
    logits = (torch.randn(rows, classes, generator=random, dtype=dtype) * 4).requires_grad_()
    return logits, torch.randint(0, classes, (rows,), generator=random)


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_focal_loss(ours, random, weighted):
    module = ours("focal_loss")
    logits, target = logits_and_targets(random)
    weight = torch.rand(5, generator=random, dtype=torch.float64) if weighted else None

    def defined(x):
        p = x.softmax(1).gather(1, target[:, None])[:, 0]
        loss = -0.25 * (1 - p) ** 2 * p.log()
        return (loss if weight is None else loss * weight[target]).mean()

    found = module.softmax_focal_loss(logits, target, 2.0, 0.25, weight, "mean")
    torch.testing.assert_close(found, defined(logits))
    torch.testing.assert_close(torch.autograd.grad(found, logits), torch.autograd.grad(defined(logits), logits))


def test_negative_targets_have_no_softmax_loss(random):
    logits, target = logits_and_targets(random)
    target[3] = -1
    factor, grad = softmax_focal_loss_derivative(logits.softmax(1), target)
    assert ops.softmax_focal_loss(logits.softmax(1), target)[3] == factor[3] == 0
    assert not grad[3].any()


@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_focal_loss_through_mmcv(ours, random, weighted):
    module = ours("focal_loss")
    logits, target = logits_and_targets(random)
    target[:3] = 5  # background
    weight = torch.rand(5, generator=random, dtype=torch.float64) if weighted else None
    if weighted:
        target[:3] = 0
    found = module.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight, "sum")
    assert gradcheck(lambda x: module.sigmoid_focal_loss(x, target, 2.0, 0.25, weight, "sum"), (logits,))
    torch.testing.assert_close(found, ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, weight).sum())


def test_sigmoid_focal_loss_is_the_cross_entropy_without_focus(random):
    logits, target = logits_and_targets(random)
    hot = torch.nn.functional.one_hot(target, 5).double()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, hot, reduction="none") / 2
    torch.testing.assert_close(ops.sigmoid_focal_loss(logits, target, 0.0, 0.5), expected)


def test_half_precision_is_computed_in_float32(random):
    logits, target = logits_and_targets(random, dtype=torch.float32)
    half = logits.detach().half()
    assert torch.equal(ops.sigmoid_focal_loss(half, target), ops.sigmoid_focal_loss(half.float(), target))
