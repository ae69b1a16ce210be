"""deform_conv2d and modulated_deform_conv2d: the same numbers as mmcv's, everywhere that they may be called."""

from __future__ import annotations

from typing import Callable, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_cases import (
    CONVOLUTIONS,
    DTYPES,
    FORWARD,
    GRADIENT,
    Convolution,
    assert_near,
    leaves,
    run,
    scattered,
)

from mx_driving import ops


class Operator(NamedTuple):
    """One of the two operators, and how its tensors are picked from (input, offset, mask, weight, bias)."""

    name: str
    function: Callable
    backward: Callable
    pick: Callable


OPERATORS = {
    "v1": Operator("deform_conv2d", ops.deform_conv2d, ops.deform_conv2d_backward, lambda x, o, m, w, b: (x, o, w)),
    "v2": Operator(
        "modulated_deform_conv2d",
        ops.modulated_deform_conv2d,
        ops.modulated_deform_conv2d_backward,
        lambda x, o, m, w, b: (x, o, m, w, b),
    ),
    "v2-no-bias": Operator(
        "modulated_deform_conv2d",
        ops.modulated_deform_conv2d,
        ops.modulated_deform_conv2d_backward,
        lambda x, o, m, w, b: (x, o, m, w, None),
    ),
}


@pytest.fixture(params=OPERATORS.values(), ids=OPERATORS)
def operator(request):
    """Return each operator in turn."""
    return request.param


@pytest.fixture(scope="module")
def stock():
    """Return mmcv's own operators by our names."""
    module = pytest.importorskip("mmcv.ops", reason="mmcv with its operators is not installed")
    return {"deform_conv2d": module.deform_conv2d, "modulated_deform_conv2d": module.modulated_deform_conv2d}


# mmcv's v1 refuses an input smaller than the kernel even where padding makes up for it; ours, like its v2, does not.
COMPARED = [(o, c) for o in OPERATORS for c in CONVOLUTIONS if (o, c) != ("v1", "one-pixel")]


@pytest.mark.parametrize(("form", "case"), COMPARED)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_equals_mmcv(stock, form, case, dtype):
    operator, case = OPERATORS[form], CONVOLUTIONS[case]
    tensors = operator.pick(*case.inputs())
    output, grads = run(operator.function, tensors, *case.arguments, dtype=dtype)
    assert output.dtype == dtype
    reference = torch.float64 if dtype == torch.float64 else torch.float32
    rounded = [None if t is None else t.to(dtype) for t in tensors]
    expected, expected_grads = run(stock[operator.name], rounded, *case.arguments, dtype=reference)
    assert_near(output, expected, FORWARD[dtype])
    for grad, expected_grad in zip(grads, expected_grads):
        assert grad.dtype == dtype
        assert_near(grad, expected_grad, GRADIENT[dtype])


@settings(max_examples=25, deadline=None)
@given(
    groups=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    steps=st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 2)),
)
def test_equals_mmcv_over_shapes(stock, groups, size, kernel, steps):
    group, deform_group, multiple, batch = groups
    stride, padding, dilation = steps
    case = Convolution(
        batch, group * deform_group * multiple, size, 2 * group, kernel, stride, padding, dilation, group, deform_group
    )
    if min(case.output_size()) < 1:
        return
    for operator in OPERATORS.values():
        tensors = operator.pick(*case.inputs())
        output, grads = run(operator.function, tensors, *case.arguments, dtype=torch.float64)
        expected, expected_grads = run(stock[operator.name], tensors, *case.arguments, dtype=torch.float64)
        for actual, wanted in zip([output, *grads], [expected, *expected_grads]):
            assert_near(actual, wanted, 1e-11)


def test_without_offsets_it_is_a_convolution(operator):
    case = Convolution(channels=8, outputs=6, stride=2, padding=(0, 2), dilation=(2, 1), groups=2, spread=0)
    x, offset, mask, weight, bias = case.inputs()
    tensors = operator.pick(x, offset, torch.ones_like(mask), weight, bias)
    used_bias = bias if len(tensors) == 5 and tensors[4] is not None else None
    output = operator.function(*tensors, *case.arguments)
    assert_near(output, torch.nn.functional.conv2d(x, weight, used_bias, *case.arguments[:4]), 1e-5)


@pytest.mark.parametrize("name", ["stride", "groups-cut-deform-groups", "far-outside"])
def test_gradient_is_the_derivative(operator, name):
    case = CONVOLUTIONS[name]
    tensors = leaves(operator.pick(*case.inputs()), torch.float64)
    assert torch.autograd.gradcheck(lambda *t: operator.function(*t, *case.arguments), tensors, fast_mode=True)


@pytest.mark.parametrize(
    ("form", "name"), [("v1", "stride"), ("v2", "groups-cut-deform-groups"), ("v2-no-bias", "plain")]
)
def test_opcheck(form, name):
    operator = OPERATORS[form]
    opcheck = getattr(torch.library, "opcheck", None) or pytest.skip(f"torch {torch.__version__} has no opcheck")
    case = CONVOLUTIONS[name]
    tensors = leaves(operator.pick(*case.inputs()), torch.float32)
    arguments = [(a, a) if isinstance(a, int) else a for a in case.arguments[:3]] + list(case.arguments[3:])
    opcheck(getattr(torch.ops.mx_driving, operator.name).default, (*tensors, *arguments))
    plain = [t.detach() for t in tensors if t is not None][: 3 if operator.name == "deform_conv2d" else 4]
    grad = torch.randn(case.batch, case.outputs, *case.output_size())
    opcheck(getattr(torch.ops.mx_driving, f"{operator.name}_backward").default, (grad, *plain, *arguments))


def test_strides_do_not_matter(operator):
    case = CONVOLUTIONS["deform-groups"]
    tensors = operator.pick(*case.inputs())
    expected, expected_grads = run(operator.function, tensors, *case.arguments, dtype=torch.float32)

    def call(*inputs):
        return operator.function(*[None if t is None else scattered(t) for t in inputs], *case.arguments)

    output, grads = run(call, tensors, dtype=torch.float32)
    assert torch.equal(output, expected)
    assert all(map(torch.equal, grads, expected_grads))


def test_no_images_give_no_output_and_zero_gradients(operator):
    case = Convolution(batch=0)
    output, grads = run(operator.function, operator.pick(*case.inputs()), *case.arguments, dtype=torch.float32)
    assert output.shape == (0, 4, 7, 9)
    assert not any(grad.abs().sum() for grad in grads)


def test_pixels_outside_are_zero_even_where_the_border_is_infinite(operator):
    case = Convolution(batch=1, channels=2, size=(3, 3), outputs=1, kernel=(1, 1), padding=0, spread=0)
    x, offset, mask, weight, bias = case.inputs()
    for far in (float("inf"), -1e30, 3.0):
        tensors = operator.pick(x / 0, torch.full_like(offset, far), mask, weight, torch.zeros_like(bias))
        output, grads = run(operator.function, tensors, *case.arguments, dtype=torch.float32)
        assert not output.abs().sum()
        assert not any(grad.abs().sum() for grad in grads[: 2 if len(tensors) == 3 else 3])


def test_an_offset_that_is_no_number_samples_nothing_and_its_gradient_says_so(operator):
    """mmcv's forward gives zero too; its backward reads outside of the image, which can end the process."""
    case = Convolution(batch=1, channels=2, size=(3, 3), outputs=1, kernel=(1, 1), padding=0, spread=0)
    x, offset, mask, weight, bias = case.inputs()
    offset[0, 0, 1, 1] = float("nan")
    tensors = operator.pick(x, offset, mask, weight, torch.zeros_like(bias))
    output, grads = run(operator.function, tensors, *case.arguments, dtype=torch.float32)
    assert output[0, 0, 1, 1] == 0
    assert grads[0].isfinite().all()
    of_offset, *of_mask = grads[1:2] if len(tensors) == 3 else grads[1:3]
    for grad in (of_offset, *of_mask):
        assert grad[0, :, 1, 1].isnan().all()
        assert grad.isnan().sum() == grad.shape[1]


NAN, INF = float("nan"), float("inf")


def holed(tensor, value):
    """Return a copy with ``value`` here and there."""
    copy = tensor.clone()
    copy.view(-1)[:: max(tensor.numel() // 7, 1)] = value
    return copy


PLACES = [(place, value) for place in ("input", "offset", "mask", "weight", "grad") for value in (NAN, INF, -INF)]
PLACES.remove(("offset", NAN))  # mmcv reads foreign memory; see the test before this one


@pytest.mark.parametrize("spread", [3.0, 0.0], ids=["between-pixels", "on-pixels"])
@pytest.mark.parametrize(("place", "value"), PLACES)
def test_what_is_no_finite_number_stays_where_mmcv_has_it(stock, operator, place, value, spread):
    case = Convolution(channels=4, spread=spread)
    tensors = dict(zip(("input", "offset", "mask", "weight", "bias"), case.inputs()))
    grad = torch.linspace(-1, 1, 2 * 4 * 7 * 9).view(2, 4, 7, 9)
    if place == "grad":
        grad = holed(grad, value)
    else:
        tensors[place] = holed(tensors[place], value)
    results = []
    for function in (operator.function, stock[operator.name]):
        inputs = leaves(operator.pick(*tensors.values()), torch.float32)
        output = function(*inputs, *case.arguments)
        results.append((output, *torch.autograd.grad(output, [t for t in inputs if t is not None], grad)))
    for ours, theirs in zip(*results):
        finite = theirs.isfinite()
        assert torch.equal(ours.isfinite(), finite)
        torch.testing.assert_close(ours[finite], theirs[finite], rtol=1e-4, atol=1e-4)
        if value != value:
            assert torch.equal(ours.isnan(), theirs.isnan())


def test_many_chunks_are_one_result(stock, operator):
    """The columns of this call exceed the buffer that bounds memory, so it is filled several times."""
    case = Convolution(batch=1, channels=32, size=(63, 70), outputs=4)
    assert case.channels * 9 * 63 * 70 * 4 > 1.2 * (4 << 20)
    tensors = operator.pick(*case.inputs())
    output, grads = run(operator.function, tensors, *case.arguments, dtype=torch.float32)
    expected, expected_grads = run(stock[operator.name], tensors, *case.arguments, dtype=torch.float32)
    assert_near(output, expected, FORWARD[torch.float32])
    for grad, expected_grad in zip(grads, expected_grads):
        assert_near(grad, expected_grad, GRADIENT[torch.float32])


def test_threads_do_not_change_a_bit(operator, two_thread_counts):
    case = Convolution(batch=2, channels=48, size=(20, 24), outputs=32, deform_groups=2)
    (output, grads), (again, grads_again) = two_thread_counts(
        lambda: run(operator.function, operator.pick(*case.inputs()), *case.arguments, dtype=torch.float32)
    )
    assert torch.equal(output, again)
    assert all(map(torch.equal, grads, grads_again))


def test_an_offset_of_integers_is_what_is_named(operator):
    x, offset, mask, weight, bias = Convolution().inputs()
    with pytest.raises(RuntimeError, match=f"^{operator.name}: offset must be a floating tensor, got Long"):
        operator.function(*operator.pick(x, offset.long(), mask, weight, bias), padding=1)


def test_offset_decides_the_dtype(operator):
    """Under autocast the branch that predicts the offsets is in half precision, the weights are not."""
    case = CONVOLUTIONS["plain"]
    x, offset, mask, weight, bias = leaves(case.inputs(), torch.float32)
    output = operator.function(*operator.pick(x, offset.half(), mask, weight, bias), *case.arguments)
    assert output.dtype == torch.float16
    output.sum().backward()
    assert {t.grad.dtype for t in (x, offset, weight)} == {torch.float32}


def test_backward_goes_through_the_dispatcher(operator):
    """An adapter for another device registers two kernels and nothing else."""
    from torch.utils._python_dispatch import TorchDispatchMode

    called = []

    class Record(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            called.append(func.name())
            return func(*args, **(kwargs or {}))

    case = CONVOLUTIONS["plain"]
    tensors = leaves(operator.pick(*case.inputs()), torch.float32)
    with Record():
        operator.function(*tensors, *case.arguments).sum().backward()
    assert f"mx_driving::{operator.name}" in called
    assert f"mx_driving::{operator.name}_backward" in called


WRONG = {
    "input must be a floating tensor, got Long": dict(input=torch.long),
    "offset must be a floating tensor, got Long": dict(offset=torch.long),
    r"padding must be two integers \(height, width\) <= 2147483647, got \[4611686018427387903, 0\]": dict(
        padding=(2**62 - 1, 0)
    ),
    r"stride must be two integers \(height, width\) <= 2147483647, got": dict(stride=(1, 2**40)),
    r"input must be \[N, C, H, W\], got shape \[6, 7, 9\]": dict(input=(6, 7, 9)),
    r"weight must be \[O, C / groups, kh, kw\], got shape \[4, 6, 3\]": dict(weight=(4, 6, 3)),
    r"weight must be \[O, C / groups, kh, kw\] with C = 6 and groups = 2, got \[4, 6, 3, 3\]": dict(groups=2),
    "groups must divide the output channels, 4, got 3": dict(weight=(4, 2, 3, 3), groups=3),
    "deform_groups must divide the input channels, 6, got 4": dict(deform_groups=4),
    "groups must be >= 1, got 0": dict(groups=0),
    "deform_groups must be >= 1, got -1": dict(deform_groups=-1),
    r"stride must be two integers \(height, width\) >= 1, got \[1, 0\]": dict(stride=(1, 0)),
    r"padding must be two integers \(height, width\) >= 0, got \[-1, 0\]": dict(padding=(-1, 0)),
    r"dilation must be two integers \(height, width\) >= 1, got \[1, 1, 1\]": dict(dilation=(1, 1, 1)),
    r"the kernel must not be empty, got weight \[4, 6, 0, 3\]": dict(weight=(4, 6, 0, 3)),
    "the padded input must be at least as large as the dilated kernel, 11, got 9 along height": dict(dilation=5),
    r"offset must be \[N, deform_groups \* kh \* kw \* 2, Ho, Wo\] = \[2, 18, 7, 9\], got \[2, 18, 7, 8\]": dict(
        offset=(2, 18, 7, 8)
    ),
    r"offset must be .* = \[2, 36, 7, 9\], got \[2, 18, 7, 9\]": dict(deform_groups=2),
    "offset must have the dtype of input, Float, got Double": dict(offset=torch.double),
    "weight must have the dtype of input, Float, got Half": dict(weight=torch.half),
    r"mask must be \[N, deform_groups \* kh \* kw, Ho, Wo\] = \[2, 9, 7, 9\], got \[2, 18, 7, 9\]": dict(
        mask=(2, 18, 7, 9)
    ),
    "mask must have the dtype of input, Float, got Double": dict(mask=torch.double),
    r"bias must be \[O\] = \[4\], got \[6\]": dict(bias=(6,)),
    "bias must have the dtype of input, Float, got Double": dict(bias=torch.double),
}


REFUSED = [
    (form, message)
    for form in OPERATORS
    for message in WRONG
    if not message.startswith({"v1": ("mask", "bias"), "v2": (), "v2-no-bias": "bias"}[form])
]


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("form", "message"), REFUSED)
def test_wrong_call_is_named(form, message, device):
    operator = OPERATORS[form]
    names = ("input", "offset", "mask", "weight", "bias")
    tensors = dict(zip(names, Convolution().inputs()))
    arguments = dict(zip(("stride", "padding", "dilation", "groups", "deform_groups"), Convolution().arguments))
    for name, change in WRONG[message].items():
        if name in arguments:
            arguments[name] = change
        else:
            tensors[name] = tensors[name].to(change) if isinstance(change, torch.dtype) else torch.zeros(change)
    picked = operator.pick(*(t.to(device) for t in tensors.values()))
    function = getattr(torch.ops.mx_driving, operator.name)
    with pytest.raises(RuntimeError, match=f"^{operator.name}: {message}"):
        function(*picked, *arguments.values())


def test_backward_checks_its_gradient(operator):
    tensors = [t for t in operator.pick(*Convolution().inputs()) if t is not None]
    tensors = tensors[: 3 if operator.name == "deform_conv2d" else 4]
    with pytest.raises(
        RuntimeError, match=r"grad_output must be \[N, O, Ho, Wo\] = \[2, 4, 7, 9\], got \[2, 4, 7, 8\]"
    ):
        operator.backward(torch.zeros(2, 4, 7, 8), *tensors, padding=1)
