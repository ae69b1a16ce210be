"""ms_deform_attn: the same numbers as mmcv's operator, everywhere that it may be called."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_cases import DTYPES, FORWARD, GRADIENT, Attention, assert_near, leaves, run, scattered

from mx_driving import ops

CASES = {
    "two-levels": Attention(),
    "one-level": Attention(shapes=((4, 6),)),
    "all-inside": Attention(spread=0.8),
    "far-outside": Attention(spread=50.0),
    "level-of-one-pixel": Attention(shapes=((1, 1), (1, 3))),
    "few-queries": Attention(shapes=((16, 16), (8, 8)), queries=2),
    "no-queries": Attention(queries=0),
    "no-images": Attention(batch=0),
    **{f"width-{d}": Attention(channels=d) for d in (1, 5, 16, 32, 64, 72)},
}


@pytest.fixture(scope="module")
def stock():
    """Return mmcv's operator as it runs on a CPU, with our argument list."""
    module = pytest.importorskip("mmcv.ops.multi_scale_deform_attn", reason="mmcv with its operators is not installed")
    return lambda value, shapes, starts, *rest: module.multi_scale_deformable_attn_pytorch(value, shapes, *rest)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equals_mmcv(stock, case, dtype):
    inputs = case.inputs()
    output, grads = run(ops.ms_deform_attn, inputs, dtype=dtype)
    assert output.dtype == dtype
    if case.batch * case.queries == 0:  # mmcv cannot: grid_sample refuses to be asked for nothing
        assert output.shape == (case.batch, case.queries, case.heads * case.channels)
        assert not any(grad.abs().sum() for grad in grads)
        return
    reference = torch.float64 if dtype == torch.float64 else torch.float32
    rounded = [t.to(dtype).to(reference) if t.is_floating_point() else t for t in inputs]
    expected, expected_grads = run(stock, rounded, dtype=reference)
    assert_near(output, expected, FORWARD[dtype])
    for grad, expected_grad in zip(grads, expected_grads):
        assert grad.dtype == dtype
        assert_near(grad, expected_grad, GRADIENT[dtype])


@settings(max_examples=25, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3),
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    channels=st.integers(1, 17),
)
def test_equals_mmcv_over_shapes(stock, shapes, sizes, channels):
    batch, queries, heads, points = sizes
    case = Attention(tuple(shapes), batch, queries, heads, channels, points)
    output, grads = run(ops.ms_deform_attn, case.inputs(), dtype=torch.float64)
    expected, expected_grads = run(stock, case.inputs(), dtype=torch.float64)
    for actual, wanted in zip([output, *grads], [expected, *expected_grads]):
        assert_near(actual, wanted, 1e-11)


def test_gradient_is_the_derivative():
    value, shapes, starts, locations, weights = Attention(queries=3, channels=3).inputs()
    tensors = leaves((value, locations, weights), torch.float64)
    assert torch.autograd.gradcheck(lambda v, x, w: ops.ms_deform_attn(v, shapes, starts, x, w), tensors)


@pytest.mark.parametrize("case", [CASES["two-levels"], CASES["few-queries"]], ids=["two-levels", "few-queries"])
def test_opcheck(case):
    opcheck = getattr(torch.library, "opcheck", None) or pytest.skip(f"torch {torch.__version__} has no opcheck")
    inputs = leaves(case.inputs(), torch.float32)
    opcheck(torch.ops.mx_driving.ms_deform_attn.default, tuple(inputs))
    grad = torch.randn(case.batch, case.queries, case.heads * case.channels)
    plain = tuple(t.detach() for t in inputs)
    opcheck(torch.ops.mx_driving.ms_deform_attn_backward.default, (*plain, grad))


def test_strides_do_not_matter():
    inputs = Attention().inputs()
    expected, expected_grads = run(ops.ms_deform_attn, inputs, dtype=torch.float32)
    output, grads = run(lambda *t: ops.ms_deform_attn(*map(scattered, t)), inputs, dtype=torch.float32)
    assert not scattered(inputs[0]).is_contiguous()
    assert torch.equal(output, expected)
    assert all(map(torch.equal, grads, expected_grads))


def test_int32_level_table_and_value_decides_the_dtype():
    value, shapes, starts, locations, weights = Attention().inputs()
    expected = ops.ms_deform_attn(value, shapes, starts, locations, weights)
    assert torch.equal(ops.ms_deform_attn(value, shapes.int(), starts.int(), locations, weights), expected)
    mixed = ops.ms_deform_attn(value.half(), shapes, starts, locations, weights)
    assert mixed.dtype == torch.float16
    assert_near(mixed, expected, 1e-3)  # the locations were not rounded to half


def test_pixels_outside_are_zero_even_where_the_border_is_infinite():
    value = torch.full((1, 4, 1, 8), float("inf"))
    locations = torch.tensor([[-3.0, 0.5], [0.5, 2.0], [1e30, 0.5]])
    weights = torch.ones(1, 1, 1, 1, 3)
    output = ops.ms_deform_attn(
        value, torch.tensor([[2, 2]]), torch.tensor([0]), locations.view(1, 1, 1, 1, 3, 2), weights
    )
    assert torch.equal(output, torch.zeros(1, 1, 8))
    value = torch.tensor([1.0, float("inf")]).view(1, 2, 1, 1)  # half a pixel left of the first: 0.5 * 1 + 0.5 * 0
    left = torch.tensor([0.0, 0.5]).view(1, 1, 1, 1, 1, 2)
    shapes = torch.tensor([[1, 2]])
    assert ops.ms_deform_attn(value, shapes, torch.tensor([0]), left, torch.ones(1, 1, 1, 1, 1)).item() == 0.5


@pytest.mark.parametrize("queries", [3, 400], ids=["few", "many"])
def test_threads_do_not_change_a_bit(two_thread_counts, queries):
    case = Attention(shapes=((12, 15), (6, 8)), queries=queries, heads=3, channels=32)
    (output, grads), (again, grads_again) = two_thread_counts(
        lambda: run(ops.ms_deform_attn, case.inputs(), dtype=torch.float32)
    )
    assert torch.equal(output, again)
    assert all(map(torch.equal, grads, grads_again))


NAN, INF = float("nan"), float("inf")


def holed(tensor, value):
    """Return a copy with ``value`` here and there."""
    copy = tensor.clone()
    copy.view(-1)[:: max(tensor.numel() // 7, 1)] = value
    return copy


PLACES = [(place, value) for place in ("value", "locations", "weights", "grad") for value in (NAN, INF, -INF)]


@pytest.mark.parametrize(("place", "value"), [*PLACES, ("locations", 1e38)])
@pytest.mark.parametrize("channels", [5, 8])
def test_what_is_no_finite_number_stays_where_mmcv_has_it(stock, place, value, channels):
    case = Attention(channels=channels, spread=1.6)
    tensors = dict(zip(("value", "shapes", "starts", "locations", "weights"), case.inputs()))
    grad = torch.linspace(-1, 1, 2 * 6 * 2 * channels).view(2, 6, 2 * channels)
    if place == "grad":
        grad = holed(grad, value)
    else:
        tensors[place] = holed(tensors[place], value)
    results = []
    for function in (ops.ms_deform_attn, stock):
        inputs = leaves(tensors.values(), torch.float32)
        output = function(*inputs)
        results.append((output, *torch.autograd.grad(output, [inputs[0], inputs[3], inputs[4]], grad)))
    for ours, theirs in zip(*results):
        finite = theirs.isfinite()
        assert torch.equal(ours.isfinite(), finite)
        scale = theirs[finite].abs().max().item()
        torch.testing.assert_close(ours[finite], theirs[finite], rtol=1e-4, atol=1e-5 * scale)
        if value != value:
            assert torch.equal(ours.isnan(), theirs.isnan())


def test_locations_on_the_pixels_and_on_the_border(stock):
    """One pixel before the first the slope is that of grid_sample, although the sample is zero."""
    value, shapes, starts, _, weights = Attention(shapes=((4, 8), (2, 2))).inputs()
    eighths = torch.arange(-2, 11).repeat(12)[: weights.numel() * 2].repeat(3)[: weights.numel() * 2] / 8
    tensors = (value, shapes, starts, eighths.view(*weights.shape, 2), weights)
    output, grads = run(ops.ms_deform_attn, tensors, dtype=torch.float64)
    expected, expected_grads = run(stock, tensors, dtype=torch.float64)
    for actual, wanted in zip([output, *grads], [expected, *expected_grads]):
        assert_near(actual, wanted, 1e-11)


def second_derivatives(function, tensors):
    """Return the gradients of all gradients."""
    inputs = leaves(tensors, torch.float64)
    wanted = [inputs[0], inputs[3], inputs[4]]
    grads = torch.autograd.grad(function(*inputs).square().sum(), wanted, create_graph=True)
    return torch.autograd.grad(sum(grad.square().sum() for grad in grads), wanted)


def test_second_derivative(stock):
    tensors = Attention(queries=3).inputs()
    try:
        expected = second_derivatives(stock, tensors)
    except RuntimeError as exc:  # before torch 2.2 or so, grid_sample has none either
        with pytest.raises(RuntimeError, match=re.escape(str(exc).splitlines()[0])):
            second_derivatives(ops.ms_deform_attn, tensors)
        return
    for actual, wanted in zip(second_derivatives(ops.ms_deform_attn, tensors), expected):
        assert_near(actual, wanted, 1e-10)


def test_second_derivative_of_the_weights_alone(stock):
    """All torch versions have it: the gradient of a gradient's own inputs needs no grid_sample."""

    def twice(function):
        value, shapes, starts, locations, weights = Attention(queries=3).inputs()
        weights.requires_grad_()
        output = function(value, shapes, starts, locations, weights)
        (grad,) = torch.autograd.grad(output.square().sum(), weights, create_graph=True)
        return torch.autograd.grad(grad.square().sum(), weights)[0]

    assert_near(twice(ops.ms_deform_attn), twice(stock), 1e-5)


WRONG = {
    "value must be a floating tensor, got Int": lambda v, s, i, x, w: (v.int(), s, i, x, w),
    r"value must be \[B, S, M, D\], got shape \[2, 41\]": lambda v, s, i, x, w: (v[..., 0, 0], s, i, x, w),
    r"spatial_shapes must be \[L, 2\], got shape \[2\]": lambda v, s, i, x, w: (v, s[0], i, x, w),
    r"spatial_shapes must be \[L, 2\] = \[2, 2\], got \[2, 1\]": lambda v, s, i, x, w: (v, s[:, :1], i, x, w),
    r"level_start_index must be \[L\] = \[2\], got \[1\]": lambda v, s, i, x, w: (v, s, i[:1], x, w),
    r"sampling_locations must be \[B, Q, M, L, P, 2\], got shape": lambda v, s, i, x, w: (v, s, i, x[0], w),
    r"sampling_locations must be .* = \[2, 6, 2, 2, 3, 2\], got \[1,": lambda v, s, i, x, w: (v, s, i, x[:1], w),
    r"attention_weights must be .* = \[2, 6, 2, 2, 3\], got \[2, 6, 2, 2, 1\]": lambda v, s, i, x, w: (
        *(v, s, i, x),
        w[..., :1],
    ),
    "sampling_locations must have the dtype of value, Float, got Double": lambda v, s, i, x, w: (
        v,
        s,
        i,
        x.double(),
        w,
    ),
    "attention_weights must have the dtype of value, Float, got Half": lambda v, s, i, x, w: (v, s, i, x, w.half()),
    "spatial_shapes must be int64 or int32, got Float": lambda v, s, i, x, w: (v, s.float(), i, x, w),
    "level_start_index must be int64 or int32, got Short": lambda v, s, i, x, w: (v, s, i.short(), x, w),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("message", WRONG)
def test_wrong_call_is_named(message, device):
    inputs = [t.to(device) for t in WRONG[message](*Attention().inputs())]
    with pytest.raises(RuntimeError, match=f"^ms_deform_attn: {message}"):
        torch.ops.mx_driving.ms_deform_attn(*inputs)


WRONG_TABLES = {
    r"S of value must be the sum of H \* W over spatial_shapes, 27, got S = 41": ([[5, 3], [6, 2]], [0, 15]),
    "every level must lie inside value's S = 41 positions, got level 1 of 3 x 2 at 36": ([[5, 7], [3, 2]], [0, 36]),
    "every level must lie inside .* got level 0 of 5 x 7 at -1": ([[5, 7], [3, 2]], [-1, 35]),
    "every level must lie inside .* got level 0 of 4294967296 x 4294967296 at 0": ([[2**32, 2**32], [3, 2]], [0, 35]),
    r"spatial_shapes must not be negative, got \(-5, -7\) at level 0": ([[-5, -7], [3, 2]], [0, 35]),
}


@pytest.mark.parametrize("message", WRONG_TABLES)
def test_level_table_that_would_read_outside_of_value_is_refused(message):
    value, _, _, locations, weights = Attention().inputs()
    shapes, starts = map(torch.tensor, WRONG_TABLES[message])
    with pytest.raises(RuntimeError, match=f"^ms_deform_attn: {message}"):
        ops.ms_deform_attn(value, shapes, starts, locations, weights)


def test_backward_checks_its_gradient():
    inputs = Attention().inputs()
    with pytest.raises(RuntimeError, match=r"grad_output must be \[B, Q, M \* D\] = \[2, 6, 16\], got \[2, 6, 15\]"):
        ops.ms_deform_attn_backward(*inputs, torch.zeros(2, 6, 15))


def test_tensors_on_two_devices_are_refused():
    value, shapes, starts, locations, weights = Attention().inputs()
    with pytest.raises(RuntimeError, match="sampling_locations must be on the device of value, cpu, got meta"):
        torch.ops.mx_driving.ms_deform_attn(value, shapes, starts, locations.to("meta"), weights)
