"""Deformable operators through mmcv's wrappers on our functions, compiled and in torch operators."""

from __future__ import annotations

import pytest
import torch

from mx_driving.ops import _composites, _library


@pytest.fixture(params=["compiled", "torch operators"])
def operators(request, monkeypatch):
    if request.param == "torch operators":
        monkeypatch.setattr(_library, "_loaded", False)
        monkeypatch.setattr(_library, "is_built", lambda: False)
        assert _library.operators() is _composites
    return request.param


def value_and_gradients(call, *inputs):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    out = call(*leaves)
    return [out.detach(), *torch.autograd.grad((out * torch.arange(out.numel()).view_as(out).sin()).sum(), leaves)]


GEOMETRIES = [(1, 1, 1, 1, 1), (2, 0, 2, 2, 1), ((2, 1), (1, 2), 1, 1, 2)]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("modulated", [False, True])
def test_deformable_convolution(both, random, operators, modulated, geometry):
    stride, padding, dilation, groups, deform_groups = geometry
    image = torch.randn(2, 4, 9, 8, generator=random)
    weight = torch.randn(6, 4 // groups, 3, 3, generator=random)
    shape = torch.nn.functional.conv2d(image, weight, None, stride, padding, dilation, groups).shape
    offset = torch.randn(2, 18 * deform_groups, *shape[2:], generator=random) * 2
    mask = torch.rand(2, 9 * deform_groups, *shape[2:], generator=random)
    bias = torch.randn(6, generator=random)

    def plain(m):
        return value_and_gradients(lambda x, o, w: m.deform_conv2d(x, o, w, *geometry), image, offset, weight)

    def with_mask(m):
        call = m.modulated_deform_conv2d
        return value_and_gradients(lambda *tensors: call(*tensors, *geometry), image, offset, mask, weight, bias)

    name, run = ("modulated_deform_conv", with_mask) if modulated else ("deform_conv", plain)
    theirs, found = both(name, run)
    for one, other in zip(found, theirs):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_attention(ours, random, operators):
    module = ours("multi_scale_deform_attn")
    shapes = torch.tensor([[5, 4], [3, 2]])
    starts = torch.tensor([0, 20])
    value = torch.randn(2, 26, 3, 4, generator=random)
    places = torch.rand(2, 7, 3, 2, 5, 2, generator=random) * 1.4 - 0.2
    weights = torch.rand(2, 7, 3, 2, 5, generator=random)
    plain = module.multi_scale_deformable_attn_pytorch
    expected = value_and_gradients(lambda v, p, w: plain(v, shapes, p, w), value, places, weights)
    call = module.MultiScaleDeformableAttnFunction.apply
    found = value_and_gradients(lambda v, p, w: call(v, shapes, starts, p, w, 64), value, places, weights)
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_additions_and_maxima(random):
    x, y = torch.randn(2, 3, 6, 6, generator=random), torch.randn(2, 3, 6, 6, generator=random)
    assert torch.equal(_composites.add_relu(x, y), _library.operators().add_relu(x, y))
    pooled = _library.operators().max_pool2d(x, [3, 3], [2, 2], [1, 1])[0]
    assert torch.equal(_composites.max_pool2d(x, 3, 2, 1)[0], pooled)
    _composites.add_relu_(x, y)
    assert x.min() == 0
