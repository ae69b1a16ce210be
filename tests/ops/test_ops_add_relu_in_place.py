"""add_relu_: what ``x.add_(y).relu_()`` leaves behind, bit for bit, in values, gradients and bookkeeping."""

from __future__ import annotations

import pytest
import torch
from operator_cases import DTYPES

from mx_driving import ops

SPECIAL = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0])


def stock(x, y):
    return x.add_(y).relu_()


def outcome(function, x, y):
    """Run the function on a copy of ``x`` that has a history; return result, gradients and version."""
    x, y = x.clone().requires_grad_(), y.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    before = x * 1
    version = before._version
    after = function(before, y)
    assert after is before
    assert after._version > version, "a saved copy of it would be used after it was overwritten"
    after.backward(torch.linspace(-2, 3, after.numel()).reshape(after.shape).to(after.dtype))
    return after.detach(), x.grad, y.grad


def assert_same(x, y):
    for mine, expected in zip(outcome(ops.add_relu_, x, y), outcome(stock, x, y)):
        torch.testing.assert_close(mine, expected, rtol=0, atol=0, equal_nan=True, check_stride=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (2, 16, 40, 50), (0, 3), ()], ids=str)
def test_equals_torch(dtype, shape):
    assert_same(*(torch.randn(shape).to(dtype) for _ in range(2)))


def test_layouts_may_differ():
    x, y = torch.randn(2, 3, 5, 7), torch.randn(2, 3, 5, 7).to(memory_format=torch.channels_last)
    assert_same(x, y)
    assert_same(y, x)
    assert_same(x.to(memory_format=torch.channels_last), y)
    assert_same(x[:, :, ::2, 1:], y[:, :, ::2, 1:])


def test_keeps_nan_and_infinity():
    assert_same(SPECIAL.repeat(7), SPECIAL.repeat_interleave(7))


def test_same_memory_twice():
    x = torch.randn(5)
    expected = torch.relu(x + x)
    assert torch.equal(ops.add_relu_(x, x), expected)
    shifted = torch.randn(6)
    with pytest.raises(RuntimeError, match="single memory location"):
        ops.add_relu_(shifted[1:], shifted[:-1])


def test_without_a_gradient_nothing_is_allocated_and_the_version_counts():
    x, y = torch.randn(3, 4), torch.randn(3, 4)
    place, version = x.data_ptr(), x._version
    expected = torch.relu(x + y)
    with torch.no_grad():
        assert torch.equal(ops.add_relu_(x, y), expected)
    assert (x.data_ptr(), x._version) == (place, version + 1)
    with torch.inference_mode():
        assert torch.equal(ops.add_relu_(x * 1, y), torch.relu(x + y))


def test_second_derivatives():
    x, y = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda x, y: ops.add_relu_(x * 1, y), (x, y))
    assert torch.autograd.gradgradcheck(lambda x, y: ops.add_relu_(x * 1, y).square(), (x, y))


def test_hooks_on_the_tensor_see_what_they_see_in_torch():
    """A gradient hook is for the value at the time when it was registered."""
    seen = []
    for function in (stock, ops.add_relu_):
        torch.manual_seed(0)
        x, y = torch.randn(6, requires_grad=True), torch.randn(6)
        out = x * 2
        out.register_hook(lambda grad: seen.append(grad.clone()))
        out = function(out, y)
        out.register_hook(lambda grad: seen.append(grad.clone()))
        out.square().sum().backward()
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])


WRONG = {
    "y must have the shape of x": lambda x: (x, x[0]),
    "y must have the dtype of x": lambda x: (x, x.double()),
    "x must be a floating tensor": lambda x: (x.long(), x.long()),
    "y must be on the device of x": lambda x: (x, x.to("meta")),
}


@pytest.mark.parametrize("message", WRONG)
def test_names_a_wrong_call(message):
    with pytest.raises(RuntimeError, match=f"^add_relu_: {message}"):
        ops.add_relu_(*WRONG[message](torch.randn(2, 3)))


def test_a_leaf_is_refused_as_by_torch():
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        ops.add_relu_(torch.randn(3, requires_grad=True), torch.randn(3))


def test_compiles():
    def f(x, y):
        return ops.add_relu_(x * 1, y) * 2

    x, y = torch.randn(3, 4), torch.randn(3, 4)
    assert torch.equal(torch.compile(f, backend="aot_eager")(x, y), f(x, y))
