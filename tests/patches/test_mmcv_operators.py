"""``msda``, ``dc`` and ``mdc`` on the real mmcv: same results, reached by every way that leads to the operator."""

from __future__ import annotations

import pytest
import torch

from mx_driving import ops
from mx_driving._core import PatchSet
from mx_driving.patches import load

mmcv_ops = pytest.importorskip("mmcv.ops", reason="mmcv is not built with operators here")
from mmcv.ops import deform_conv, modulated_deform_conv, multi_scale_deform_attn  # noqa: E402


def attention_inputs(dtype=torch.float32):
    torch.manual_seed(0)
    shapes = torch.tensor([(6, 4), (3, 2)])
    starts = torch.tensor([0, 24])
    value = torch.rand(2, 30, 2, 8, dtype=dtype, requires_grad=True)
    locations = (torch.rand(2, 5, 2, 2, 3, 2, dtype=dtype) * 1.2 - 0.1).requires_grad_()
    weights = torch.rand(2, 5, 2, 2, 3, dtype=dtype).requires_grad_()
    return value, shapes, starts, locations, weights


def gradients(output, *leaves):
    return torch.autograd.grad((output * torch.linspace(0, 1, output.numel()).view_as(output)).sum(), leaves)


def assert_same(got, expected):
    for one, other in zip(got, expected):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.fixture
def counted(monkeypatch):
    """Count calls of our operators, by name."""
    calls = []
    for name in ops.__all__:
        real = getattr(ops, name)

        def call(*args, _name=name, _real=real, **kwargs):
            calls.append(_name)
            return _real(*args, **kwargs)

        monkeypatch.setattr(ops, name, call)
    return calls


def test_attention_function_of_mmcv(counted):
    value, shapes, starts, locations, weights = attention_inputs()
    args = (value, shapes, locations, weights)
    stock = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(*args)
    expected = (stock, *gradients(stock, value, locations, weights))
    with PatchSet([load("msda")]):
        ours = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(*args)
        assert counted == ["ms_deform_attn"]
        assert_same((ours, *gradients(ours, value, locations, weights)), expected)
        as_pairs = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(
            value, [(6, 4), (3, 2)], locations, weights
        )
        assert_same([as_pairs], [stock])


def test_plugins_private_function_is_reached_through_the_extension(counted):
    from plugin_like_bevformer import MultiScaleDeformableAttnFunction_fp32 as Private

    value, shapes, starts, locations, weights = attention_inputs()
    stock = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    expected = (stock, *gradients(stock, value, locations, weights))
    with pytest.raises(RuntimeError, match="ms_deform_attn_impl_forward"):
        Private.apply(value, shapes, starts, locations, weights, 64)
    with PatchSet([load("msda")]):
        ours = Private.apply(value, shapes, starts, locations, weights, 64)
        assert_same((ours, *gradients(ours, value, locations, weights)), expected)
        assert counted == ["ms_deform_attn", "ms_deform_attn_backward"]
    with pytest.raises(RuntimeError, match="ms_deform_attn_impl_forward"):
        Private.apply(value, shapes, starts, locations, weights, 64)


def test_live_attention_module_changes(counted):
    torch.manual_seed(0)
    module = mmcv_ops.MultiScaleDeformableAttention(embed_dims=16, num_heads=2, num_levels=2, batch_first=True).eval()
    query, reference = torch.rand(1, 30, 16), torch.rand(1, 30, 2, 2)
    shapes, starts = torch.tensor([(6, 4), (3, 2)]), torch.tensor([0, 24])
    call = {"value": query, "reference_points": reference, "spatial_shapes": shapes, "level_start_index": starts}
    expected = module(query, **call)
    assert counted == []
    with PatchSet([load("msda")]):
        assert_same([module(query, **call)], [expected])
        assert counted == ["ms_deform_attn"]


def conv_inputs(modulated, groups=1, deform_groups=1):
    torch.manual_seed(0)
    channels = 3 if modulated else 2
    x = torch.rand(2, 4, 7, 6, requires_grad=True)
    packed = torch.randn(2, channels * 9 * deform_groups, 7, 6)
    offset = packed[:, : 18 * deform_groups].clone().requires_grad_()
    mask = packed[:, 18 * deform_groups :].sigmoid().clone().requires_grad_()
    weight = torch.randn(6, 4 // groups, 3, 3, requires_grad=True)
    bias = torch.randn(6, requires_grad=True)
    return x, offset, mask, weight, bias


@pytest.mark.parametrize(("groups", "deform_groups"), [(1, 1), (2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("with_bias", [True, False])
def test_modulated_convolution(counted, groups, deform_groups, with_bias):
    x, offset, mask, weight, bias = conv_inputs(True, groups, deform_groups)
    leaves = (x, offset, mask, weight, bias) if with_bias else (x, offset, mask, weight)
    args = (x, offset, mask, weight, bias if with_bias else None, 1, 1, 1, groups, deform_groups)
    copied = modulated_deform_conv.modulated_deform_conv2d  # a bound apply, as other modules copy it
    stock = copied(*args)
    expected = (stock, *gradients(stock, *leaves))
    with PatchSet([load("mdc")]):
        ours = copied(*args)
        assert_same((ours, *gradients(ours, *leaves)), expected)
        assert counted == ["modulated_deform_conv2d", "modulated_deform_conv2d_backward"]


@pytest.mark.parametrize(("groups", "deform_groups"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_convolution(counted, groups, deform_groups):
    x, offset, _, weight, _ = conv_inputs(False, groups, deform_groups)
    args = (x, offset, weight, 1, 1, 1, groups, deform_groups)
    copied = deform_conv.deform_conv2d
    stock = copied(*args)
    expected = (stock, *gradients(stock, x, offset, weight))
    with PatchSet([load("dc")]):
        ours = copied(*args)
        assert_same((ours, *gradients(ours, x, offset, weight)), expected)
        assert counted == ["deform_conv2d", "deform_conv2d_backward"]


@pytest.mark.parametrize("name", ["dc", "mdc"])
def test_stride_padding_and_dilation_keep_their_order(name):
    """Height and width differ everywhere, so an exchange of the two shows."""
    torch.manual_seed(0)
    x, weight = torch.rand(1, 2, 9, 12), torch.randn(3, 2, 3, 2)
    stride, padding, dilation = (2, 1), (1, 2), (1, 3)
    shape = torch.nn.functional.conv2d(x, weight, None, stride, padding, dilation).shape[2:]
    offset, mask = torch.randn(1, 12, *shape), torch.rand(1, 6, *shape)
    if name == "dc":
        run = lambda: deform_conv.deform_conv2d(x, offset, weight, stride, padding, dilation)  # noqa: E731
    else:
        run = lambda: modulated_deform_conv.modulated_deform_conv2d(  # noqa: E731
            x, offset, mask, weight, None, stride, padding, dilation
        )
    expected = run()
    with PatchSet([load(name)]):
        assert_same([run()], [expected])


@pytest.mark.parametrize("name", ["dc", "mdc"])
def test_extension_functions_by_themselves(name, counted):
    """A plugin's own Function calls these: forward and backward into tensors that it allocated."""
    stock_function = (
        deform_conv.DeformConv2dFunction if name == "dc" else modulated_deform_conv.ModulatedDeformConv2dFunction
    )
    copy = type("Private", (stock_function,), {n: vars(stock_function)[n] for n in ("forward", "backward")})
    x, offset, mask, weight, bias = conv_inputs(name == "mdc")
    args = (x, offset, weight, 1, 1) if name == "dc" else (x, offset, mask, weight, bias, 1, 1)
    leaves = (x, offset, weight) if name == "dc" else (x, offset, mask, weight, bias)
    stock = copy.apply(*args)
    expected = (stock, *gradients(stock, *leaves))
    with PatchSet([load(name)]):
        assert vars(copy)["forward"] is not vars(stock_function)["forward"]
        ours = copy.apply(*args)
        assert_same((ours, *gradients(ours, *leaves)), expected)
        assert len(counted) >= 2


def test_amp_casts_to_the_offsets_type():
    """Under autocast the offset branch is bfloat16 and the input float32; mmcv lets the offset decide."""
    conv = mmcv_ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1)
    with PatchSet([load("mdc")]), torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(torch.rand(1, 4, 6, 6))
        assert out.dtype == torch.bfloat16
        out.float().sum().backward()
    assert conv.weight.grad.dtype == torch.float32


def test_targets_without_the_extension_are_no_failure(monkeypatch):
    """mmcv-lite ships ops/*.py without ``_ext``: the rest of the patch still applies."""
    import sys

    monkeypatch.setitem(sys.modules, "mmcv._ext", None)
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n, *a: None if n == "mmcv._ext" else real(n, *a))
    with PatchSet([load("mdc")], strict=True) as patches:
        assert patches.report["mdc"].status == "applied"
        assert "built without its operators" in patches.report["mdc"].reason
