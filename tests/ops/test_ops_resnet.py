"""add_relu and max_pool2d: the same numbers as torch's, bit for bit."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_cases import DTYPES, leaves, scattered

from mx_driving import ops

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def compare(function, expected_function, inputs):
    """Compare results, strides and gradients bit for bit (NaN equals NaN)."""
    mine, stock = leaves(inputs, inputs[0].dtype), leaves(inputs, inputs[0].dtype)
    output, expected = function(*mine), expected_function(*stock)
    torch.testing.assert_close(output, expected, rtol=0, atol=0, equal_nan=True, check_stride=True)
    grad = torch.linspace(-2, 3, expected.numel()).reshape(expected.shape).to(expected.dtype)
    output.backward(grad)
    expected.backward(grad)
    for a, b in zip(mine, stock):
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=0, equal_nan=True)


def stock_add_relu(x, y):
    return torch.relu(x + y)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (2, 16, 40, 50), (0, 3, 5, 7), (1, 1, 1, 1)], ids=str)
def test_add_relu_equals_torch(dtype, memory_format, shape):
    x, y = (torch.randn(shape).to(dtype).to(memory_format=memory_format) for _ in range(2))
    compare(ops.add_relu, stock_add_relu, [x, y])


def test_add_relu_keeps_nan_and_infinity():
    special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0])
    compare(ops.add_relu, stock_add_relu, [special.repeat(7), special.repeat_interleave(7)])


@pytest.mark.parametrize("shapes", [((2, 3, 4, 5), (3, 1, 1)), ((4, 1), (2, 1, 5)), ((), (3,))], ids=str)
def test_add_relu_broadcasts_like_torch(shapes):
    x, y = map(torch.randn, shapes)
    mine, stock = leaves([x, y], torch.float32), leaves([x, y], torch.float32)
    output, expected = ops.add_relu(*mine), stock_add_relu(*stock)
    assert torch.equal(output, expected)
    output.square().sum().backward()
    expected.square().sum().backward()
    for a, b in zip(mine, stock):
        torch.testing.assert_close(a.grad, b.grad)


def test_add_relu_promotes_like_torch():
    x, y = torch.randn(3, 4).half().requires_grad_(), torch.randn(3, 4, requires_grad=True)
    output = ops.add_relu(x, y)
    assert torch.equal(output, stock_add_relu(x, y))
    output.sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (torch.float16, torch.float32)


def test_add_relu_strides_do_not_matter():
    x, y = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    assert torch.equal(ops.add_relu(scattered(x), y.mT.contiguous().mT), stock_add_relu(x, y))


WRONG_ADD = {
    "add_relu: x must be a floating tensor, got Long": lambda x: (x.long(), x),
    "add_relu: y must be a floating tensor, got Bool": lambda x: (x, x > 0),
    "add_relu: y must be on the device of x, cpu, got meta": lambda x: (x, x.to("meta")),
    r"The size of tensor a \(4\) must match the size of tensor b \(3\)": lambda x: (x, x[:, :3]),
}


@pytest.mark.parametrize("message", WRONG_ADD)
def test_add_relu_names_a_wrong_call(message):
    with pytest.raises(RuntimeError, match=message):
        ops.add_relu(*WRONG_ADD[message](torch.randn(2, 4)))


def stock_pool(kernel, stride, padding):
    return lambda x: torch.nn.functional.max_pool2d(x, kernel, stride, padding)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("arguments", [(3, 2, 1), (2, 2, 0), ((3, 1), (1, 2), (1, 0)), (5, 3, 2)], ids=str)
def test_max_pool2d_equals_torch(dtype, memory_format, arguments):
    x = torch.randn(2, 3, 9, 11).to(dtype).to(memory_format=memory_format)
    try:
        stock_pool(*arguments)(x)
    except RuntimeError as exc:  # torch 2.1 has no half precision here
        pytest.skip(f"torch {torch.__version__} itself: {exc}")
    compare(lambda t: ops.max_pool2d(t, *arguments), stock_pool(*arguments), [x])


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(3, 9), st.integers(3, 9)),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 3),
    half=st.booleans(),
)
def test_max_pool2d_equals_torch_over_shapes(size, kernel, stride, half):
    arguments = (kernel, stride, kernel // 2 if half else 0)
    compare(lambda t: ops.max_pool2d(t, *arguments), stock_pool(*arguments), [torch.randn(size)])


def test_max_pool2d_defaults_are_those_of_the_stem():
    x = torch.randn(1, 2, 8, 8)
    assert torch.equal(ops.max_pool2d(x), torch.nn.MaxPool2d(kernel_size=3, stride=2, padding=1)(x))


def test_max_pool2d_of_equals_sends_the_gradient_to_the_first():
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    ops.max_pool2d(x, 2, 2, 0).sum().backward()
    assert torch.equal(
        x.grad, torch.tensor([[1.0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]).view(1, 1, 4, 4)
    )


def test_max_pool2d_pads_with_minus_infinity_and_keeps_nan():
    x = torch.full((1, 1, 3, 3), -5.0)
    x[0, 0, 2, 2] = float("nan")
    compare(ops.max_pool2d, stock_pool(3, 2, 1), [x])
    assert ops.max_pool2d(x)[0, 0, 0, 0] == -5.0


WRONG_POOL = {
    "input must be a floating tensor, got Int": dict(input=torch.zeros(1, 1, 4, 4).int()),
    r"input must be \[N, C, H, W\], got shape \[1, 4, 4\]": dict(input=torch.zeros(1, 4, 4)),
    r"kernel_size must be two integers \(height, width\) >= 1, got \[0, 3\]": dict(kernel_size=(0, 3)),
    r"stride must be two integers \(height, width\) >= 1, got \[0, 0\]": dict(stride=0),
    r"padding must be two integers \(height, width\) >= 0, got \[-1, -1\]": dict(padding=-1),
    r"padding must be at most half of kernel_size, \[3, 3\], got \[2, 2\]": dict(padding=2),
    r"the padded input must be at least as large as kernel_size, \[7, 7\], got input \[1, 1, 4, 4\]": dict(
        kernel_size=7
    ),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("message", WRONG_POOL)
def test_max_pool2d_names_a_wrong_call(message, device):
    arguments = dict(WRONG_POOL[message])
    x = arguments.pop("input", torch.zeros(1, 1, 4, 4)).to(device)
    with pytest.raises(RuntimeError, match=f"^max_pool2d: {message}"):
        ops.max_pool2d(x, **arguments)


WRONG_BACKWARD = {
    r"add_relu: grad_output must have the shape of the result, \[2, 3\], got \[2, 1\]": lambda x: (
        torch.ops.mx_driving.add_relu_backward,
        (x[0, 0, :2, :1], x[0, 0, :2, :3]),
    ),
    "add_relu: grad_output must have the dtype of the result, Float, got Double": lambda x: (
        torch.ops.mx_driving.add_relu_backward,
        (x.double(), x),
    ),
    r"max_pool2d: grad_output must be \[N, C, Ho, Wo\] = \[1, 2, 2, 2\], got \[1, 2, 4, 4\]": lambda x: (
        torch.ops.mx_driving.max_pool2d_backward,
        (x, x, x[..., :2, :2].long(), [2, 2], [2, 2], [0, 0]),
    ),
    r"max_pool2d: indices must be \[N, C, Ho, Wo\] = \[1, 2, 2, 2\], got \[1, 2, 4, 4\]": lambda x: (
        torch.ops.mx_driving.max_pool2d_backward,
        (x[..., :2, :2], x, x.long(), [2, 2], [2, 2], [0, 0]),
    ),
    "max_pool2d: indices must be int64, got Int": lambda x: (
        torch.ops.mx_driving.max_pool2d_backward,
        (x[..., :2, :2], x, x[..., :2, :2].int(), [2, 2], [2, 2], [0, 0]),
    ),
}


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("message", WRONG_BACKWARD)
def test_backward_checks_its_gradient(message, device):
    function, arguments = WRONG_BACKWARD[message](torch.zeros(1, 2, 4, 4, device=device))
    with pytest.raises(RuntimeError, match=f"^{message}"):
        function(*arguments)


OPCHECKS = {
    "add_relu": lambda x: (x, x.detach().clone().requires_grad_()),
    "add_relu-broadcast": lambda x: (x, torch.randn(3, 1, 1)),
    "add_relu_backward": lambda x: (torch.randn(x.shape), x.detach()),
    "max_pool2d": lambda x: (x,),
    "max_pool2d_backward": lambda x: (
        *(torch.randn(2, 3, 3, 4), x.detach(), ops.max_pool2d(x.detach(), 3, 2, 1).long()),
        *([3, 3], [2, 2], [1, 1]),
    ),
}


@pytest.mark.parametrize("memory_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("name", OPCHECKS)
def test_opcheck(name, memory_format):
    opcheck = getattr(torch.library, "opcheck", None) or pytest.skip(f"torch {torch.__version__} has no opcheck")
    x = torch.rand(2, 3, 6, 7).to(memory_format=memory_format).requires_grad_()
    opcheck(getattr(torch.ops.mx_driving, name.split("-")[0]).default, OPCHECKS[name](x))


@pytest.mark.parametrize("call", [lambda x: ops.add_relu(x, x), ops.max_pool2d], ids=["add_relu", "max_pool2d"])
def test_gradient_is_the_derivative(call):
    assert torch.autograd.gradcheck(call, (torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True),))


@pytest.mark.parametrize("call", [lambda x: ops.add_relu(x, x), ops.max_pool2d], ids=["add_relu", "max_pool2d"])
def test_threads_do_not_change_a_bit(call, two_thread_counts):
    x = torch.randn(2, 16, 64, 80)
    first, second = two_thread_counts(lambda: call(x))
    assert torch.equal(first, second)


@pytest.mark.parametrize("wrong", [-1, 16, 2**40])
def test_max_pool2d_backward_refuses_indices_outside_of_the_image(wrong):
    indices = torch.zeros(1, 2, 2, 2, dtype=torch.long)
    indices[0, 1, 1, 0] = wrong
    x = torch.zeros(1, 2, 4, 4)
    with pytest.raises(
        RuntimeError, match=f"^max_pool2d: indices must be >= 0 and below H \\* W of input, 16, got {wrong}"
    ):
        torch.ops.mx_driving.max_pool2d_backward(x[..., :2, :2], x, indices, [2, 2], [2, 2], [0, 0])


SECOND = {
    "add_relu": (lambda x: ops.add_relu(x, x.sin()), lambda x: torch.relu(x + x.sin())),
    "max_pool2d": (ops.max_pool2d, lambda x: torch.nn.functional.max_pool2d(x, 3, 2, 1)),
}


@pytest.mark.parametrize(("function", "expected"), SECOND.values(), ids=SECOND)
def test_second_derivative(function, expected):
    def twice(call):
        x = torch.linspace(-1, 2, 120, dtype=torch.float64).sin().view(1, 2, 6, 10).requires_grad_()
        (grad,) = torch.autograd.grad(call(x).pow(3).sum(), x, create_graph=True)
        return torch.autograd.grad(grad.square().sum(), x)[0]

    torch.testing.assert_close(twice(function), twice(expected))


def test_compiled_autograd_takes_the_pool():
    compiled_autograd = pytest.importorskip("torch._dynamo.compiled_autograd", reason="this torch has none")
    enable = getattr(compiled_autograd, "_enable", None) or compiled_autograd.enable
    x = torch.randn(1, 2, 6, 6, requires_grad=True)
    (expected,) = torch.autograd.grad(ops.max_pool2d(x).square().sum(), x)
    loss = ops.max_pool2d(x).square().sum()
    with enable(torch.compile(backend="eager")):
        loss.backward()
    assert torch.equal(x.grad, expected)
