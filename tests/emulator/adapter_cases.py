"""Run in the emulated machine: every operator of ours on ``npu:0`` against its CPU kernel, forward and backward.

Prints one line ``<case> <largest relative error>`` for each case named on the command line, or for all. ``npu:1`` among
the names puts the tensors there, while ``npu:0`` stays the current device.
"""

from __future__ import annotations

import sys

import torch

DEVICE = next((name for name in sys.argv[1:] if name.startswith("npu:")), "npu:0")
FRACTAL_NZ = 29


def relative_error(expected, got):
    scale = expected.abs().max().clamp(min=1e-6)
    return ((expected - got.cpu()).abs().max() / scale).item()


def compare(function, tensors, dtype=torch.float32):
    """Largest error of the result and of every gradient; integer tensors get none. The CPU computes in float32."""
    errors, results = [], []
    tensors = [t.to(dtype).to(t.dtype) for t in tensors]
    for device, precision in (("cpu", torch.float32), (DEVICE, dtype)):
        inputs = [t.detach().clone().to(device, precision if t.is_floating_point() else t.dtype) for t in tensors]
        leaves = [t.requires_grad_() for t in inputs if t.is_floating_point()]
        output = function(*inputs)
        torch.manual_seed(1)
        output.backward(torch.randn(output.shape).to(output))
        results.append([output.detach(), *(leaf.grad for leaf in leaves)])
    for expected, got in zip(*results):
        assert str(got.device) == DEVICE
        assert got.dtype == dtype
        assert got.shape == expected.shape
        errors.append(relative_error(expected, got))
    return max(errors)


def attention(queries=33, depth=8, heads=2, points=4, dtype=torch.float32, function=None, starts=(0, 48)):
    shapes = torch.tensor([[6, 8], [3, 4]])
    starts = torch.tensor(starts)
    value = torch.randn(2, 60, heads, depth)
    locations = torch.rand(2, queries, heads, 2, points, 2) * 1.2 - 0.1
    weights = torch.rand(2, queries, heads, 2, points)
    return compare(function or ops.ms_deform_attn, [value, shapes, starts, locations, weights], dtype)


def convolution(modulated, groups=1, deform_groups=1, kernel=(3, 3), zero_offset=False, dtype=torch.float32):
    (kh, kw), taps = kernel, kernel[0] * kernel[1] * deform_groups
    height, width = (9 + 2 - kh) // 2 + 1, (8 - (2 * (kw - 1) + 1)) + 1
    x, weight = torch.randn(2, 4, 9, 8), torch.randn(6, 4 // groups, kh, kw)
    offset = torch.randn(2, 2 * taps, height, width) * (0 if zero_offset else 1)
    geometry = dict(stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=groups, deform_groups=deform_groups)
    if not modulated:
        return compare(lambda *t: ops.deform_conv2d(*t, **geometry), [x, offset, weight], dtype)
    mask, bias = torch.rand(2, taps, height, width), torch.randn(6)
    return compare(lambda *t: ops.modulated_deform_conv2d(*t, **geometry), [x, offset, mask, weight, bias], dtype)


def private_attention():
    """Inputs in a private memory format, as matrix products leave them, which CANN's attention refuses."""
    torch.npu.config.allow_internal_format = True

    def attend(value, *others):
        if value.device.type == "npu":
            value = torch_npu.npu_format_cast(value, FRACTAL_NZ)
            assert torch_npu.get_npu_format(value) == FRACTAL_NZ
        return ops.ms_deform_attn(value, *others)

    return attention(function=attend)


def nan_attention(queries):
    """One location is NaN: that query alone may suffer. Returns the largest error of the others."""
    shapes, starts = torch.tensor([[6, 8], [3, 4]]), torch.tensor([0, 48])
    value, weights = torch.randn(2, 60, 2, 8), torch.rand(2, queries, 2, 2, 4)
    locations = torch.rand(2, queries, 2, 2, 4, 2)
    expected = ops.ms_deform_attn(value, shapes, starts, locations, weights)
    locations[1, 3, 0, 1, 2] = float("nan")
    got = ops.ms_deform_attn(*(t.to(DEVICE) for t in (value, shapes, starts, locations, weights))).cpu()
    expected[1, 3, :8] = got[1, 3, :8] = 0
    return (expected - got).abs().max().item()


def permuted(function):
    """Call with inputs that are channels-last by their strides, as a permute after LayerNorm leaves them."""
    return lambda *tensors: function(*(tensor.permute(0, 3, 1, 2) for tensor in tensors))


CASES = {
    "msda": attention,
    "msda_few_queries": lambda: attention(queries=5),
    "msda_odd_depth": lambda: attention(depth=6),
    "msda_many_points": lambda: attention(points=17),
    "msda_levels_swapped": lambda: attention(starts=(12, 0)),
    "msda_levels_swapped_composite": lambda: attention(starts=(12, 0), queries=5),
    "msda_view": lambda: attention(queries=5, function=lambda *t: ops.ms_deform_attn(*t).view(-1)),
    "msda_nan": lambda: nan_attention(33),
    "msda_nan_composite": lambda: nan_attention(5),
    "dcn": lambda: convolution(False),
    "dcn_groups": lambda: convolution(False, groups=2, deform_groups=2),
    "dcn_tall_kernel": lambda: convolution(False, kernel=(3, 1)),
    "dcn_zero_offset": lambda: convolution(False, zero_offset=True),
    "mdcn": lambda: convolution(True),
    "mdcn_groups": lambda: convolution(True, groups=2, deform_groups=2),
    "mdcn_wide_kernel": lambda: convolution(True, kernel=(1, 3)),
    "add_relu": lambda: compare(ops.add_relu, [torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)]),
    "add_relu_broadcast": lambda: compare(ops.add_relu, [torch.randn(2, 3, 4, 5), torch.randn(3, 1, 5)]),
    "add_relu_permuted": lambda: compare(permuted(ops.add_relu), [torch.randn(2, 4, 5, 3), torch.randn(2, 4, 5, 3)]),
    "max_pool2d_permuted": lambda: compare(permuted(ops.max_pool2d), [torch.randn(2, 9, 8, 3)]),
    "max_pool2d": lambda: compare(ops.max_pool2d, [torch.randn(2, 3, 9, 8)]),
}
HALF = {
    "half_msda": lambda: attention(dtype=torch.float16),
    "half_msda_composite": lambda: attention(queries=5, dtype=torch.float16),
    "half_dcn": lambda: convolution(False, dtype=torch.float16),
    "half_mdcn": lambda: convolution(True, dtype=torch.float16),
    "half_add_relu": lambda: compare(ops.add_relu, [torch.randn(2, 3, 4, 5)] * 2, torch.float16),
    "half_max_pool2d": lambda: compare(ops.max_pool2d, [torch.randn(2, 3, 9, 8)], torch.float16),
}

OTHERS = {"private_msda": private_attention}

if __name__ == "__main__":
    import torch_npu  # brings the device; the tests read the tables above without it

    from mx_driving import ops

    torch.set_num_threads(2)
    for name in [name for name in sys.argv[1:] if name != DEVICE] or CASES:
        torch.manual_seed(0)
        print(name, {**CASES, **HALF, **OTHERS}[name]())
