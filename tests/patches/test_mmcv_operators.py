"""``msda``, ``dc`` and ``mdc`` on the real mmcv: same results, reached by every way that leads to the operator."""

from __future__ import annotations

import importlib
import itertools

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


def both(names, call):
    """Return what ``call`` returns, or the error that it raises, on stock and with the patches."""
    results = []
    for patches in ((), names):
        with PatchSet([load(name) for name in patches]):
            try:
                results.append(call())
            except (RuntimeError, ValueError, AssertionError) as exc:
                results.append(type(exc))
    return results


HALF = (torch.bfloat16, torch.float16)


@pytest.mark.parametrize("autocast", [None, *HALF], ids=str)
def test_attention_keeps_stocks_dtypes_and_accuracy(autocast):
    """Every mixture of dtypes, with and without autocast: stock refuses some, and so do we."""
    torch.manual_seed(0)
    value, shapes, _, locations, weights = (t.detach() for t in attention_inputs())
    exact = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(
        value.double(), shapes, locations.double(), weights.double()
    )
    compared = 0
    for dtypes in itertools.product((torch.float32, torch.float64, autocast or torch.float16), repeat=3):
        tensors = [t.to(dtype).requires_grad_() for t, dtype in zip((value, locations, weights), dtypes)]

        def call(tensors=tensors):
            with torch.autocast("cpu", dtype=autocast or torch.bfloat16, enabled=autocast is not None):
                output = multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(tensors[0], shapes, *tensors[1:])
            return (output, *torch.autograd.grad(output.double().sum(), tensors))

        stock, ours = both(["msda"], call)
        if isinstance(stock, type):
            assert ours is stock, dtypes
            continue
        compared += 1
        assert [t.dtype for t in ours] == [t.dtype for t in stock], dtypes
        error, of_stock = ((t[0].double() - exact).abs().max() for t in (ours, stock))
        assert error <= of_stock * 1.5 + 1e-6, dtypes
    assert compared >= 5


ROWS = {
    "tensor": lambda shapes: shapes,
    "int32": lambda shapes: shapes.int(),
    "unbind": lambda shapes: shapes.unbind(),
    "list-of-tensors": lambda shapes: list(shapes),
    "pairs": lambda shapes: [tuple(row) for row in shapes.tolist()],
    "pairs-of-tensors": lambda shapes: [row.unbind() for row in shapes],
    "array": lambda shapes: shapes.numpy(),
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_attention_takes_shapes_as_rows(counted, rows):
    value, shapes, _, locations, weights = attention_inputs()
    stock, ours = both(
        ["msda"],
        lambda: multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(value, rows(shapes), locations, weights),
    )
    assert counted == ["ms_deform_attn"]
    assert_same([ours], [stock])


def attention_of(value, locations, weights):
    shapes = [(6, 4), (3, 2)]
    return multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)


def loss_of_one(value, locations, weights):
    return attention_of(value[None], locations[None], weights[None]).square().sum()


def forward_mode(value, locations, weights):
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(weights, weights.cos())
        return torch.autograd.forward_ad.unpack_dual(attention_of(value, locations, dual)).tangent


def gradient_penalty(*tensors):
    leaves = [t.clone().requires_grad_() for t in tensors]
    grads = torch.autograd.grad(attention_of(*leaves).square().sum(), leaves, create_graph=True)
    return torch.autograd.grad(sum(grad.square().sum() for grad in grads), leaves)


TRANSFORMS = {
    "grad": lambda *t: torch.func.grad(lambda *t: attention_of(*t).square().sum(), argnums=(0, 1, 2))(*t),
    "per-sample-gradients": lambda *t: torch.func.vmap(torch.func.grad(loss_of_one, argnums=(0, 1, 2)))(*t),
    "vmap": lambda *t: torch.func.vmap(loss_of_one)(*t),
    "vjp": lambda *t: torch.func.vjp(attention_of, *t)[1](torch.ones(2, 5, 16)),
    "jvp-of-the-weights": lambda v, x, w: torch.func.jvp(lambda w: attention_of(v, x, w), (w,), (w.cos(),)),
    "jvp-of-the-value": lambda v, x, w: torch.func.jvp(lambda v: attention_of(v, x, w), (v,), (v.cos(),)),
    "forward-mode": forward_mode,
    "gradient-penalty": gradient_penalty,
    "trace": lambda *t: torch.jit.trace(attention_of, t)(*t),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_attention_under_torchs_transforms(transform):
    value, _, _, locations, weights = (t.detach() for t in attention_inputs())
    stock, ours = both(["msda"], lambda: transform(value, locations, weights))
    if isinstance(stock, type):
        assert ours is stock
    else:
        torch.testing.assert_close(ours, stock, rtol=1e-4, atol=1e-4)


def test_compiled_attention_is_ours(counted):
    value, _, _, locations, weights = (t.detach() for t in attention_inputs())
    expected = attention_of(value, locations, weights)
    with PatchSet([load("msda")]):
        torch._dynamo.reset()
        compiled = torch.compile(attention_of, backend="eager", fullgraph=True)(value, locations, weights)
    assert_same([compiled], [expected])


class Exported(torch.nn.Module):
    """A module of one function, for the exporter."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


def test_onnx_export_meets_the_operators_that_it_met():
    """By TorchScript: torch's own for the attention, mmcv's symbols for the convolutions."""
    value, _, _, locations, weights = (t.detach() for t in attention_inputs())
    x, offset, mask, weight, bias = (t.detach() for t in conv_inputs(True))
    calls = {
        "attention": (attention_of, (value, locations, weights)),
        "v1": (lambda *t: deform_conv.deform_conv2d(*t, 1, 1, 1, 1, 1), (x, offset, weight)),
        "v2": (
            lambda *t: modulated_deform_conv.modulated_deform_conv2d(*t, 1, 1, 1, 1, 1),
            (x, offset, mask, weight, bias),
        ),
    }
    for name, (function, tensors) in calls.items():

        def export(function=function, tensors=tensors):
            graph, missing = torch.onnx.utils.unconvertible_ops(Exported(function), tensors, opset_version=16)
            return {node.kind() for node in graph.nodes()}, missing

        stock, ours = both(["msda", "dc", "mdc"], export)
        assert ours == stock, name
        assert not any("mx_driving" in kind for kind in ours[0])


def test_attention_of_few_channels_and_many_samples_is_stocks(counted):
    """There is nothing to vectorise over: mmcv's function is the faster one."""
    few, many = torch.rand(1, 5, 2, 1, 4, 2), torch.rand(1, 9000, 2, 1, 4, 2)
    value = torch.rand(1, 24, 2, 1)
    with PatchSet([load("msda")]):
        for locations in (few, many):
            multi_scale_deform_attn.multi_scale_deformable_attn_pytorch(
                value, [(6, 4)], locations, torch.rand(locations.shape[:-1])
            )
    assert counted == ["ms_deform_attn"]


def larger(shape, count, channels):
    return torch.randn(count, channels, *shape).requires_grad_()


CHANNELS_LAST = torch.channels_last
# What DCNv2 is handed beside maps of the output's size: (input, offset, mask) of leaves of those names.
MAPS = {
    "larger": lambda x, o, m: (x, o, m),
    "only-the-mask-is-larger": lambda x, o, m: (x, o[:, :, :7, :6].contiguous(), m),
    "slices-of-channels": lambda x, o, m: (x, torch.cat([o, o], 1)[:, 9:27], torch.cat([m, m], 1)[:, 3:12]),
    "cropped": lambda x, o, m: (x, o[:, :, :7, :6], m[:, :, 2:9, 3:9]),
    "channels-last": lambda x, o, m: tuple(t.contiguous(memory_format=CHANNELS_LAST) for t in (x, o, m)),
    "input-channels-last": lambda x, o, m: (x.contiguous(memory_format=CHANNELS_LAST), o, m),
    "every-second-channel": lambda x, o, m: (torch.cat([x, 2 * x], 1)[:, ::2], o, m),
    "slice-of-input": lambda x, o, m: (torch.cat([x, 2 * x], 1)[:, 2:6], o, m),
    "more-images-of-maps": lambda x, o, m: (x[:1], o, m),
    "half": lambda x, o, m: (x, o.half(), m),
}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pick", MAPS.values(), ids=MAPS)
def test_modulated_convolution_reads_its_maps_as_mmcv_does(pick, stride):
    """The first numbers of each image, in the order of memory: DyHead and GLIP train on that."""
    x, _, _, weight, bias = conv_inputs(True)
    offset, mask = larger((13, 11), 2, 18), larger((13, 11), 2, 9)
    leaves = (x, offset, mask, weight, bias)

    def call():
        picked = pick(x, offset, mask)
        output = modulated_deform_conv.modulated_deform_conv2d(*picked, weight, bias, stride, 1)
        inputs = torch.autograd.grad(output, picked, torch.linspace(-1, 1, output.numel()).view_as(output).to(output))
        grads = gradients(
            modulated_deform_conv.modulated_deform_conv2d(*pick(*leaves[:3]), weight, bias, stride, 1), *leaves
        )
        return output, *inputs, *grads

    stock, ours = both(["mdc"], call)
    half = ours[0].dtype == torch.float16  # mmcv adds in half, we in float
    for one, other in zip(ours, stock):
        assert (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        if not half:
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
        else:
            assert (one.float() - other.float()).abs().mean() <= 0.05 * other.float().abs().mean()


def test_maps_that_are_too_small_are_named():
    x, offset, mask, weight, _ = (t.detach() for t in conv_inputs(True))
    with PatchSet([load("mdc")]), pytest.raises(
        RuntimeError, match=r"mask must be .* = \[2, 9, 7, 6\], got \[2, 9, 6, 6\]"
    ):
        modulated_deform_conv.modulated_deform_conv2d(x, offset, mask[:, :, :6].contiguous(), weight, None, 1, 1)


WRONG = {
    "three-dimensions": lambda x, o, w: deform_conv.deform_conv2d(x[0], o, w, 1, 1),
    "bias": lambda x, o, w: deform_conv.deform_conv2d(x, o, w, 1, 1, 1, 1, 1, True),
    "larger-offset-of-v1": lambda x, o, w: deform_conv.deform_conv2d(x, torch.cat([o, o], 2), w, 1, 1),
    "v2-of-three-dimensions": lambda x, o, w: modulated_deform_conv.modulated_deform_conv2d(x[0], o, o, w),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_calls_raise_what_stock_raises(call):
    x, offset, _, weight, _ = conv_inputs(True)
    stock, ours = both(["dc", "mdc"], lambda: call(x, offset, weight))
    assert isinstance(stock, type)
    assert ours is stock


def test_second_derivatives_of_the_convolutions_are_refused_as_by_stock():
    x, offset, mask, weight, bias = conv_inputs(True)

    def call(function, tensors):
        output = function(*tensors, 1, 1)
        (grad,) = torch.autograd.grad(output.square().sum(), x, create_graph=True)
        return torch.autograd.grad(grad.sum(), x)

    for function, tensors in (
        (deform_conv.deform_conv2d, (x, offset, weight)),
        (modulated_deform_conv.modulated_deform_conv2d, (x, offset, mask, weight, bias)),
    ):
        stock, ours = both(["dc", "mdc"], lambda f=function, t=tensors: call(f, t))
        assert ours is stock is RuntimeError


@pytest.mark.parametrize("forward_is_patched", [True, False])
def test_a_graph_outlives_the_patch(forward_is_patched):
    """The forward pass runs inside of the ``with``, the backward pass behind it, or the other way round."""
    x, offset, mask, weight, bias = leaves = conv_inputs(True)

    def forward():
        one = deform_conv.deform_conv2d(x, offset, weight, 1, 1)
        return one + modulated_deform_conv.modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 1)

    expected = gradients(forward(), *leaves)
    patches = PatchSet([load("dc"), load("mdc")])
    if forward_is_patched:
        with patches:
            output = forward()
        assert_same(gradients(output, *leaves), expected)
    else:
        output = forward()
        with patches:
            assert_same(gradients(output, *leaves), expected)


def extension_calls(offset_shape=(7, 6)):
    """Return for each backward function of the extension its name, its call, and the gradients that it is handed."""
    torch.manual_seed(0)
    x, weight, bias = torch.rand(2, 4, 7, 6), torch.randn(6, 4, 3, 3), torch.randn(6)
    offset, mask = torch.randn(2, 18, *offset_shape), torch.rand(2, 9, *offset_shape)
    grad, empty = torch.randn(2, 6, 7, 6), torch.empty(0)
    handed = [torch.full_like(t, 3.0) for t in (x, weight, bias, offset, mask)]
    gx, gw, gb, go, gm = handed
    pairs = (3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
    v2 = (x, weight, bias, empty, offset, mask, empty, gx, gw, gb, go, gm, grad, *pairs)
    yield "modulated_deform_conv_backward", (*v2, True), handed
    yield "modulated_deform_conv_backward", (*v2, False), handed
    if offset_shape == (7, 6):
        yield "deform_conv_backward_input", (x, offset, grad, gx, go, weight, empty, *pairs, 2), handed
        yield "deform_conv_backward_parameters", (x, offset, grad, gw, empty, empty, *pairs, 0.5, 1), handed


@pytest.mark.parametrize("offset_shape", [(7, 6), (9, 8)])
def test_extension_functions_add_where_mmcvs_add(offset_shape):
    """Into gradients that hold something: every function, with maps of the output's size and larger ones."""
    results = []
    for patches in ((), ("dc", "mdc")):
        with PatchSet([load(name) for name in patches]):
            extension = importlib.import_module("mmcv._ext")
            for name, arguments, handed in extension_calls(offset_shape):
                getattr(extension, name)(*arguments)
                results.append([name, *handed])
    half = len(results) // 2
    for stock, ours in zip(results[:half], results[half:]):
        assert stock[0] == ours[0]
        assert_same(ours[1:], stock[1:])
    assert not torch.equal(results[0][1], torch.full_like(results[0][1], 3.0))


def test_attentions_extension_function_adds_to_the_value_alone():
    """mmcv has no CPU kernel to compare with; its CUDA kernels add to ``grad_value`` and set the other two."""
    inputs = [t.detach() for t in attention_inputs()]
    grad = torch.randn(2, 5, 16)
    expected = ops.ms_deform_attn_backward(*inputs, grad)
    handed = [torch.full_like(t, 3.0) for t in (inputs[0], inputs[3], inputs[4])]
    with PatchSet([load("msda")]):
        importlib.import_module("mmcv._ext").ms_deform_attn_backward(*inputs, grad, *handed, im2col_step=64)
    assert_same(handed, (expected[0] + 3, *expected[1:]))


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
