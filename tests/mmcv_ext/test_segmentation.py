"""Operators on feature maps: against the compiled mmcv where it has a CPU kernel, a plain reference elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional


def plain_carafe(features, masks, kernel, groups, scale):
    out = features.new_zeros(*features.shape[:2], features.shape[2] * scale, features.shape[3] * scale)
    half = (kernel - 1) // 2
    padded = functional.pad(features, (half, half, half, half))
    per_group = features.shape[1] // groups
    for c in range(features.shape[1]):
        for y in range(out.shape[2]):
            for x in range(out.shape[3]):
                window = padded[:, c, y // scale : y // scale + kernel, x // scale : x // scale + kernel]
                first = c // per_group * kernel * kernel
                weights = masks[:, first : first + kernel * kernel, y, x].view_as(window)
                out[:, c, y, x] = (window * weights).sum((1, 2))
    return out


@pytest.mark.parametrize("name", ["carafe", "carafe_naive"])
@pytest.mark.parametrize(("kernel", "groups", "scale"), [(3, 1, 2), (5, 2, 1)])
def test_carafe(ours, random, name, kernel, groups, scale):
    module = ours("carafe")
    features = torch.randn(2, 4, 3, 4, generator=random, dtype=torch.float64, requires_grad=True)
    shape = (2, groups * kernel * kernel, 3 * scale, 4 * scale)
    masks = torch.randn(shape, generator=random, dtype=torch.float64, requires_grad=True)
    call = getattr(module, name)
    found = call(features, masks, kernel, groups, scale)
    torch.testing.assert_close(found, plain_carafe(features, masks, kernel, groups, scale))
    if name == "carafe_naive":
        call = module.carafe  # its own wrapper asserts is_cuda in the backward; the function behind it is the same
    assert gradcheck(lambda f, m: call(f, m, kernel, groups, scale), (features, masks), fast_mode=True)


def test_masked_convolution(ours, random):
    module = ours("masked_conv")
    image = torch.randn(1, 3, 7, 6, generator=random)
    weight, bias = torch.randn(5, 3, 3, 3, generator=random), torch.randn(5, generator=random)
    full = functional.conv2d(image, weight, bias, 1, 1)
    mask = torch.rand(1, *full.shape[2:], generator=random) > 0.5
    found = module.masked_conv2d(image, mask.float(), weight, bias, 1)
    torch.testing.assert_close(found, full * mask, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["collect", "distribute"])
@pytest.mark.parametrize("mask", [(3, 5), (9, 7)])
def test_psa_mask(both, random, kind, mask):
    image = torch.randn(2, mask[0] * mask[1], 5, 4, generator=random)

    def run(module):
        leaf = image.clone().requires_grad_()
        out = module.PSAMask(kind, mask)(leaf)
        (out * torch.arange(out.numel()).view_as(out)).sum().backward()
        return out.detach(), leaf.grad

    theirs, found = both("psa_mask", run)
    torch.testing.assert_close(found, theirs)


def test_sync_bn_is_batch_norm_on_one_process(ours, random):
    ext = ours("sync_bn").ext_module
    image = torch.randn(3, 4, 10, generator=random)
    weight, bias, grad = (torch.randn(4, generator=random) for _ in range(3))
    mean, var, std, running_mean = (torch.zeros(4) for _ in range(4))
    running_var, norm, out = torch.ones(4), torch.zeros_like(image), torch.zeros_like(image)
    ext.sync_bn_forward_mean(image, mean)
    ext.sync_bn_forward_var(image, mean, var)
    statistics = (running_mean, running_var)
    ext.sync_bn_forward_output(image, mean, var, weight, bias, *statistics, norm, std, out, 1e-5, 0.1, 1)
    leaves = [tensor.clone().requires_grad_() for tensor in (image, weight, bias)]
    expected_statistics = (torch.zeros(4), torch.ones(4))
    expected = functional.batch_norm(leaves[0], *expected_statistics, *leaves[1:], training=True)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(statistics, expected_statistics)
    grad = torch.randn(image.shape, generator=random)
    grad_weight, grad_bias, grad_image = torch.zeros(4), torch.zeros(4), torch.zeros_like(image)
    ext.sync_bn_backward_param(grad, norm, grad_weight, grad_bias)
    ext.sync_bn_backward_data(grad, weight, grad_weight, grad_bias, norm, std, grad_image)
    wanted = torch.autograd.grad(expected, leaves, grad)
    torch.testing.assert_close((grad_image, grad_weight, grad_bias), wanted, rtol=1e-4, atol=1e-5)
