"""``cuda_wrappers``: mmcv's wrappers that ask for CUDA by name give results on a CPU, and the originals come back."""

from __future__ import annotations

import importlib

import pytest
import torch

from mx_driving import ops
from mx_driving._core import PatchSet
from mx_driving.patches import load


@pytest.fixture
def patched():
    with PatchSet([load("cuda_wrappers")], strict=True):
        yield


def test_points_and_neighbours(patched):
    import mmcv.ops

    random = torch.Generator().manual_seed(0)
    points = torch.rand(2, 30, 3, generator=random) * 4
    boxes = torch.tensor([[[2.0, 2, 0, 3, 3, 4, 0.3]]]).repeat(2, 1, 1)
    assert torch.equal(mmcv.ops.points_in_boxes_part(points, boxes), ops.points_in_boxes_part(points, boxes))
    assert torch.equal(mmcv.ops.points_in_boxes_all(points, boxes), mmcv.ops.points_in_boxes_cpu(points, boxes))
    nearest = mmcv.ops.knn(3, points, points[:, :5].contiguous())
    expected = torch.cdist(points[:, :5], points).topk(3, largest=False)[1].transpose(1, 2)
    assert torch.equal(nearest, expected.int())
    assert mmcv.ops.furthest_point_sample(points, 4)[:, 0].tolist() == [0, 0]


def test_gradient_of_carafe_naive(patched):
    module = importlib.import_module("mmcv.ops.carafe")
    function = module.CARAFENaiveFunction

    class Context:
        kernel_size, group_size, scale_factor = 3, 1, 2
        saved_tensors = (torch.rand(1, 2, 3, 3), torch.rand(1, 9, 6, 6))

    image, kernels = (tensor.clone().requires_grad_() for tensor in Context.saved_tensors)
    grad = torch.rand(1, 2, 6, 6)
    expected = torch.autograd.grad(ops.carafe(image, kernels, 3, 1, 2), (image, kernels), grad)
    torch.testing.assert_close(function.backward(Context, grad)[:2], expected)


def test_the_originals_come_back():
    module = importlib.import_module("mmcv.ops.points_in_boxes")
    before = module.points_in_boxes_part
    with PatchSet([load("cuda_wrappers")], strict=True):
        assert module.points_in_boxes_part is not before
    assert module.points_in_boxes_part is before
