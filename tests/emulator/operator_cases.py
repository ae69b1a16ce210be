"""One case for every operator that the emulator writes: a torch call whose results on ``npu:0`` and the CPU must agree.

Run in the emulated machine it executes all of them and prints one JSON object, ``{case: error}``: a number, or the text
of the exception. A case that differentiates also covers the gradient's operator.
"""

from __future__ import annotations

import json
import sys

import torch
import torch.nn.functional as F


def grads(function, *tensors):
    """Result and gradients of ``function`` for a fixed gradient of its result."""
    leaves = [t.detach().requires_grad_(t.is_floating_point()) for t in tensors]
    result = function(*leaves)
    weight = torch.linspace(-1, 1, result.numel()).reshape(result.shape).to(result)
    (result * weight).sum().backward()
    return [result.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def inplace(name):
    def call(a, *rest):
        a = a.clone()
        getattr(a, name)(*rest)
        return a

    return call


def foreach(name, *rest):
    """``torch._foreach_<name>`` over two lists made of the two halves of each tensor."""
    return lambda *tensors: list(getattr(torch, f"_foreach_{name}")(*([t[:2], t[2:]] for t in tensors), *rest))


def written(function):
    """A call that writes into a clone of its first argument."""

    def call(a, *rest):
        a = a.clone()
        function(a, *rest)
        return a

    return call


def assign(a, index, value):
    a[index] = value


def made(function):
    """A call that only makes a tensor; it gets one to know the device by."""
    return lambda a: function(a.device)


def draw(*shape):
    return torch.randn(*shape)


A, B, P = draw(4, 5), draw(4, 5), torch.rand(4, 5) + 0.1
I3, MASK, IMAGE, LONG = torch.tensor([2, 0, 1]), draw(4) > 0, draw(2, 4, 8, 6), torch.randint(0, 6, (4, 5))
BITS = torch.randint(0, 8, (4, 5), dtype=torch.int32)
COLUMN = I3[:, None].expand(3, 5).contiguous()

CASES = {}


def case(name, function, *tensors):
    assert name not in CASES, name
    CASES[name] = (function, tensors)


for _name in [
    "atan",
    "ceil",
    "cos",
    "erf",
    "exp",
    "floor",
    "sigmoid",
    "sin",
    "tan",
    "tanh",
    "relu",
    "round",
    "sign",
    "abs",
    "neg",
    "trunc",
    "isfinite",
]:
    case(_name, getattr(torch, _name), A)
for _name in ["atan", "ceil", "cos", "erf", "exp", "floor", "sigmoid", "sin", "tan", "tanh", "relu"]:
    case(f"{_name}_", inplace(f"{_name}_"), A)
for _name in ["log", "log1p", "log2", "reciprocal", "rsqrt", "sqrt"]:
    case(_name, getattr(torch, _name), P)
    case(f"{_name}_", inplace(f"{_name}_"), P)
case("logical_not", torch.logical_not, MASK)
case("logical_not_", inplace("logical_not_"), MASK)
case("bitwise_not", torch.bitwise_not, BITS)
case("zero_", inplace("zero_"), A)
case("fill_", lambda a: a.clone().fill_(3), A)
case("fill_tensor", lambda a, v: a.clone().fill_(v), A, torch.tensor(2.5))
case("ones", made(lambda d: torch.ones(2, 3, device=d)), A)
case("nan_to_num", lambda a: torch.nan_to_num(a / 0, nan=1.0, posinf=2.0, neginf=3.0), torch.tensor([-1.0, 0, 1]))
for _dtype in (torch.float16, torch.bfloat16, torch.int32, torch.int64, torch.bool, torch.uint8, torch.int8):
    case(f"to_{_dtype}", lambda a, dtype=_dtype: a.to(dtype), P * 9)
    case(f"from_{_dtype}", lambda a: a.float(), (P * 9).to(_dtype))
case("double", lambda a: a * 2, A.double())


def cast(a):
    import torch_npu

    return torch_npu.npu_dtype_cast(a, torch.float16) if a.device.type == "npu" else a.half()


case("npu_dtype_cast", cast, A)

for _name in ["add", "sub", "mul", "div", "rsub", "maximum", "minimum", "atan2", "fmod", "remainder"]:
    case(_name, getattr(torch, _name), A, B)
case("remainder_number", lambda a: a % 2, A)
case("fmod_number", lambda a: torch.fmod(a, 0.7), A)
case("add_alpha", lambda a, b: torch.add(a, b, alpha=3), A, B)
case("add_number", lambda a: a + 2, A)
case("sub_number", lambda a: a - 2, A)
case("rsub_number", lambda a: 2 - a, A)
case("add_broadcast", torch.add, A, draw(5))
case("add_zero_dim", lambda a, b: a + b, torch.tensor(2.0), B)
case("number_plus_tensor", lambda b: torch.add(torch.tensor(2.0), b), B)
case("mul_number", lambda a: a * 0.5, A)
case("div_number", lambda a: a / 3, A)
for _name in ["add_", "sub_", "mul_", "div_"]:
    case(_name, inplace(_name), A, B)
    case(f"{_name}_number", lambda a, name=_name: getattr(a.clone(), name)(2), A)
for _mode in ("trunc", "floor"):
    case(f"div_{_mode}", lambda a, b, mode=_mode: torch.div(a, b, rounding_mode=mode), A, P)
    case(f"div_{_mode}_number", lambda a, mode=_mode: torch.div(a, 0.3, rounding_mode=mode), A)
    case(f"div__{_mode}", lambda a, b, mode=_mode: a.clone().div_(b, rounding_mode=mode), A, P)
    case(f"div__{_mode}_number", lambda a, mode=_mode: a.clone().div_(0.3, rounding_mode=mode), A)
case("floor_divide", torch.floor_divide, A, P)
case("floor_divide_number", lambda a: a // 2, A)
case("floor_divide_", inplace("floor_divide_"), A, P)
case("floor_divide__number", lambda a: a.clone().floor_divide_(2), A)
case("pow", torch.pow, P, B)
case("pow_number", lambda a: a**2, A)
case("pow_", inplace("pow_"), P, B)
case("pow__number", lambda a: a.clone().pow_(3), A)
case("number_to_the_tensor", lambda b: 2**b, B)
for _name in ["eq", "ne", "gt", "ge", "lt", "le"]:
    case(_name, getattr(torch, _name), LONG, LONG.flip(0))
    case(f"{_name}_number", lambda a, name=_name: getattr(torch, name)(a, 2), LONG)
    case(f"{_name}_", inplace(f"{_name}_"), LONG, LONG.flip(0))
    case(f"{_name}__number", lambda a, name=_name: getattr(a.clone(), f"{name}_")(2), LONG)
case("equal", lambda a, b: torch.tensor([torch.equal(a, b), torch.equal(a, a)], device=a.device), A, B)
for _name in ["logical_and", "logical_or", "logical_xor"]:
    case(_name, getattr(torch, _name), A > 0, B > 0)
for _name in ["logical_and_", "logical_or_"]:
    case(_name, inplace(_name), A > 0, B > 0)
for _name in ["bitwise_and", "bitwise_or", "bitwise_xor"]:
    case(_name, getattr(torch, _name), BITS, BITS.flip(0))
for _name in ["bitwise_and", "bitwise_or"]:
    case(f"{_name}_number", lambda a, name=_name: getattr(torch, name)(a, 3), BITS)
    case(f"{_name}_", inplace(f"{_name}_"), BITS, BITS.flip(0))
for _name in ["addcmul", "addcdiv"]:
    case(_name, lambda a, b, c, name=_name: getattr(torch, name)(a, b, c, value=0.5), A, B, P)
    case(f"{_name}_", lambda a, b, c, name=_name: getattr(a.clone(), f"{name}_")(b, c, value=0.5), A, B, P)
case("lerp", torch.lerp, A, B, P)
case("lerp_number", lambda a, b: torch.lerp(a, b, 0.3), A, B)
case("lerp__number", lambda a, b: a.clone().lerp_(b, 0.3), A, B)
case("clamp", lambda a: a.clamp(-0.5, 0.5), A)
case("clamp_min", lambda a: torch.clamp_min(a, 0), A)
case("clamp_max", lambda a: torch.clamp_max(a, 0), A)
case("clamp_max_", lambda a: a.clone().clamp_max_(0), A)
case("clamp_tensors", lambda a, low, high: torch.clamp(a, low, high), A, -P, P)
case("clamp_min_tensor", torch.clamp_min, A, P)
case("clamp_max_tensor", torch.clamp_max, A, P)
case("where", lambda a, b: torch.where(a > 0, a, b), A, B)

case("matmul", torch.matmul, A, draw(5, 6))
case("mm_transposed", lambda a, b: a @ b.t(), A, B)
case("mv", torch.mv, A, draw(5))
case("dot", torch.dot, draw(5), draw(5))
case("bmm", torch.bmm, draw(3, 4, 5), draw(3, 5, 6))
case("matmul_4d", torch.matmul, draw(2, 3, 4, 5), draw(2, 3, 5, 6))
case("baddbmm", torch.baddbmm, draw(3, 4, 6), draw(3, 4, 5), draw(3, 5, 6))
case("addmm_", inplace("addmm_"), draw(4, 6), A, draw(5, 6))
case("linear", lambda *t: grads(F.linear, *t), A, draw(7, 5), draw(7))
case("linear_3d", lambda *t: grads(F.linear, *t), draw(2, 4, 5), draw(7, 5), draw(7))
case("cross", lambda a, b: torch.linalg.cross(a, b), draw(4, 3), draw(4, 3))

for _name in ["sum", "mean", "prod", "max", "min", "argmax", "argmin", "norm", "var", "std", "any", "all"]:
    case(_name, getattr(torch, _name), A > 0 if _name in ("any", "all") else A)
for _name in [
    "sum",
    "mean",
    "prod",
    "max",
    "min",
    "argmax",
    "argmin",
    "norm",
    "var",
    "std",
    "amax",
    "amin",
    "cumsum",
    "logsumexp",
    "any",
    "all",
]:
    case(f"{_name}_dim", lambda a, name=_name: getattr(torch, name)(a, dim=1), A > 0 if _name in ("any", "all") else A)
case("sum_keepdim", lambda a: a.sum((0, 1), keepdim=True), A)
case("vector_norm", lambda a: torch.linalg.vector_norm(a, 2, dim=1), A)
case("topk", lambda a: a.topk(3, 1), A)
case("sort", lambda a: a.sort(1, descending=True), A)
case("sort_stable", lambda a: a.sort(dim=1, stable=True), LONG)

case("cat", lambda a, b: torch.cat([a, b], 1), A, B)
case("stack", lambda a, b: torch.stack([a, b], 1), A, B)
case("repeat", lambda a: a.repeat(2, 1), A)
case("repeat_interleave", lambda a: a.repeat_interleave(2), A)
case("repeat_interleave_dim", lambda a: a.repeat_interleave(2, 1), A)
case("repeat_interleave_tensor", lambda a, n: torch.repeat_interleave(a, n), draw(3), I3)
case("flip", lambda a: a.flip(1), A)
case("roll", lambda a: a.roll(1, 0), A)
case("pad", lambda a: F.pad(a, (1, 2), value=0.5), A)
case("tril", torch.tril, A)
case("triu", torch.triu, A)
case("transposed_copy", lambda a: a.t().contiguous(), A)
case("strided_copy", lambda a: a[1:, ::2].contiguous(), A)
case("expanded_copy", lambda a: a[:, None].expand(4, 3, 5).contiguous(), A)
case("permuted", lambda a: a.permute(2, 0, 1).contiguous() + 1, draw(3, 4, 5))
case("arange", made(lambda d: torch.arange(10, device=d)), A)
case("arange_step", made(lambda d: torch.arange(0, 1, 0.1, device=d)), A)
case("range", made(lambda d: torch.range(0, 1, 0.25, device=d)), A)
case("linspace", made(lambda d: torch.linspace(0, 1, 7, device=d)), A)
case("eye", made(lambda d: torch.eye(3, 4, device=d)), A)
case("full", made(lambda d: torch.full((2, 3), 2.5, device=d)), A)

case("index", lambda a, i: a[i], A, I3)
case("index_two", lambda a, i: a[i, i], A, I3)
case("index_after_slice", lambda a, i: a[:, i], A, I3)
case("index_mask", lambda a, m: a[m], A, MASK)
case("index_gradient", lambda a, i: grads(lambda x: x[i], a), A, torch.tensor([2, 2, 0]))
case("index_put", written(lambda a, i: assign(a, i, 1.5)), A, I3)
case("index_put_mask", written(lambda a: assign(a, a > 0, 2)), A)
case("index_put_slice", written(lambda a: assign(a, (slice(1, 3), slice(None, None, 2)), 7)), A)
case("index_put_add", lambda a, i: torch.zeros_like(a).index_put_((i,), a[:3], accumulate=True), A, I3)
case("index_select", lambda a, i: a.index_select(0, i), A, I3)
case("index_add", lambda a, i: torch.zeros_like(a).index_add_(0, i, a[:3]), A, I3)
case("index_fill", lambda a: a.index_fill(0, torch.tensor([1], device=a.device), 9.0), A)
case("gather", lambda a, i: a.gather(0, i), A, COLUMN)
case("scatter_", lambda a, i: torch.zeros_like(a).scatter_(0, i, a[:3]), A, COLUMN)
case("scatter", lambda a, i: torch.scatter(a, 0, i, a[:3]), A, COLUMN)
case("scatter__value", lambda a, i: a.clone().scatter_(0, i, 2.0), A, COLUMN)
case("scatter_value", lambda a, i: torch.scatter(a, 0, i, 2.0), A, COLUMN)
case("scatter_add", lambda a, i: torch.scatter_add(a, 0, i, a[:3]), A, COLUMN)
case("masked_select", lambda a: torch.masked_select(a, a > 0), A)
case("masked_fill", lambda a: a.masked_fill(a > 0, -1), A)
case("masked_fill_tensor", lambda a, v: a.masked_fill(a > 0, v), A, torch.tensor(4.0))
case("nonzero", lambda a: (a > 0).nonzero(), A)
case("nonzero_as_tuple", lambda a: (a > 0).nonzero(as_tuple=True), A)
case("embedding", lambda w, i: grads(lambda x: F.embedding(i, x), w), A, I3)
case("one_hot", lambda i: F.one_hot(i, 4), I3)
case("bincount", lambda i: torch.bincount(i, minlength=8), LONG.flatten())
case("unique", lambda i: torch.unique(i, return_inverse=True, return_counts=True), LONG)

for _name in ["relu", "sigmoid", "tanh", "silu", "gelu", "leaky_relu", "hardtanh", "softplus"]:
    _gradient_written = _name != "softplus"
    _function = getattr(F, _name)
    case(f"activation_{_name}", (lambda a, f=_function: grads(f, a)) if _gradient_written else _function, A)
case("leaky_relu_", lambda a: F.leaky_relu(a.clone(), 0.1, inplace=True), A)
case("softmax", lambda a: grads(lambda x: x.softmax(-1), a), A)
case("log_softmax", lambda a: grads(lambda x: x.log_softmax(-1), a), A)

TARGET = torch.tensor([1, 0, 4, 2])
PIXELS, CLASSES = draw(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
for _reduction in ("none", "mean", "sum"):
    for _name, _tensors in {
        "mse_loss": (A, B),
        "l1_loss": (A, B),
        "smooth_l1_loss": (A, B),
        "binary_cross_entropy": (torch.sigmoid(A), torch.sigmoid(B)),
        "binary_cross_entropy_with_logits": (A, torch.sigmoid(B)),
    }.items():
        case(
            f"{_name}_{_reduction}",
            lambda a, b, f=_name, r=_reduction: grads(lambda x: getattr(F, f)(x, b, reduction=r), a),
            *_tensors,
        )
    case(
        f"cross_entropy_{_reduction}",
        lambda a, t, r=_reduction: grads(lambda x: F.cross_entropy(x, t, reduction=r), a),
        A,
        TARGET,
    )
case("cross_entropy_2d", lambda a, t: grads(lambda x: F.cross_entropy(x, t), a), PIXELS, CLASSES)
case("cross_entropy_weighted", lambda a, t, w: grads(lambda x: F.cross_entropy(x, t, w), a), A, TARGET, P[0])
case(
    "bce_with_logits_weighted",
    lambda a, b, w, p: grads(lambda x: F.binary_cross_entropy_with_logits(x, b, w, pos_weight=p), a),
    A, torch.sigmoid(B), P, P[0],
)  # fmt: skip

case("conv2d", lambda *t: grads(lambda x, w, b: F.conv2d(x, w, b, 2, 1), *t), IMAGE, draw(6, 4, 3, 3), draw(6))
case("conv2d_groups", lambda *t: grads(lambda x, w: F.conv2d(x, w, groups=2, dilation=2), *t), IMAGE, draw(6, 2, 3, 3))
case("conv_transpose2d", lambda *t: grads(lambda x, w: F.conv_transpose2d(x, w, None, 2), *t), IMAGE, draw(4, 3, 2, 2))


def batch_norm(training):
    def call(x, weight, bias, mean, variance):
        mean, variance = mean.clone(), variance.clone()
        found = grads(lambda *t: F.batch_norm(t[0], mean, variance, t[1], t[2], training), x, weight, bias)
        return [*found, mean, variance]

    return call


NORM = (draw(4), draw(4), draw(4), torch.rand(4) + 0.5)
case("batch_norm_train", batch_norm(True), IMAGE, *NORM)
case("batch_norm_eval", batch_norm(False), IMAGE, *NORM)
case("layer_norm", lambda *t: grads(lambda x, w, b: F.layer_norm(x, (5,), w, b), *t), A, draw(5), draw(5))
case("group_norm", lambda *t: grads(lambda x, w, b: F.group_norm(x, 2, w, b), *t), IMAGE, draw(4), draw(4))

case("max_pool2d", lambda x: grads(lambda t: F.max_pool2d(t, 3, 2, 1), x), IMAGE)
case("avg_pool2d", lambda x: grads(lambda t: F.avg_pool2d(t, 2), x), IMAGE)
case("adaptive_avg_pool2d", lambda x: grads(lambda t: F.adaptive_avg_pool2d(t, (2, 3)), x), IMAGE)
case("isclose", lambda a, b: torch.isclose(a, b, rtol=0.5, atol=0.1), A, B)
case("isclose_nan", lambda a: torch.isclose(a / 0, a / 0, equal_nan=True), A - A)
case("nothing_indexed", lambda a, i: a[:, i], A, torch.zeros(0, dtype=torch.long))
case("nearest_size", lambda x: grads(lambda t: F.interpolate(t, size=(12, 9)), x), IMAGE)
case("nearest_scale", lambda x: grads(lambda t: F.interpolate(t, scale_factor=2.0), x), IMAGE)
case("bilinear", lambda x: grads(lambda t: F.interpolate(t, size=(12, 9), mode="bilinear"), x), IMAGE)
case("grid_sample", lambda *t: grads(lambda x, g: F.grid_sample(x, g, align_corners=False), *t), IMAGE,
     torch.rand(2, 3, 5, 2) * 2 - 1)  # fmt: skip

for _name in ["add", "sub", "mul", "div"]:
    case(f"foreach_{_name}_number", foreach(_name, 2.0), A)
    case(f"foreach_{_name}_list", foreach(_name), A, P)
for _name in ["add", "mul", "div"]:
    case(f"foreach_{_name}_numbers", foreach(_name, [2.0, 3.0]), A)
case("foreach_maximum", foreach("maximum"), A, B)
case("foreach_lerp", foreach("lerp", 0.3), A, B)
for _name in ["addcmul", "addcdiv"]:
    case(f"foreach_{_name}", foreach(_name, 0.5), A, B, P)
case("foreach_pow", foreach("pow", 2), A)
for _name in ["neg", "abs", "norm"]:
    case(f"foreach_{_name}", foreach(_name), A)
for _name in ["sqrt", "reciprocal"]:
    case(f"foreach_{_name}", foreach(_name), P)
case("foreach_zero_", written(lambda a: torch._foreach_zero_([a[:2], a[2:]])), A)
case("foreach_copy_", written(lambda a, b: torch._foreach_copy_([a[:2], a[2:]], [b[:2], b[2:]])), A, B)


def close(low, value, high):
    return torch.tensor(low <= value <= high)


# Random streams are not the CPU's: what is compared is a statement about the numbers, true on both.
case("rand", made(lambda d: close(0.4, torch.rand(1000, device=d).mean().item(), 0.6)), A)
case("randn", made(lambda d: close(0.9, torch.randn(1000, device=d).std().item(), 1.1)), A)
case("randint", made(lambda d: close(3.5, torch.randint(0, 9, (1000,), device=d).float().mean().item(), 4.5)), A)
case("randperm", made(lambda d: torch.randperm(10, device=d).sort()[0]), A)
case("bernoulli", made(lambda d: close(0.2, torch.empty(1000, device=d).bernoulli_(0.3).mean().item(), 0.4)), A)
case("dropout", made(lambda d: close(0.85, F.dropout(torch.ones(2000, device=d), 0.5).mean().item(), 1.15)), A)


def error_of(function, tensors):
    expected, got = function(*tensors), function(*(t.to("npu:0") for t in tensors))
    pairs = zip(*(([x] if isinstance(x, torch.Tensor) else list(x)) for x in (expected, got)))
    worst = 0.0
    for a, b in pairs:
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"expected {a.dtype}{a.shape}, got {b.dtype}{b.shape}"
        difference = (a.double() - b.cpu().double()).abs()
        worst = max(worst, difference.max().item() if difference.numel() else 0.0)
    return worst


def main(names):
    results = {}
    for name in names or CASES:
        torch.manual_seed(0)
        try:
            results[name] = error_of(*CASES[name])
        except (RuntimeError, AssertionError) as exc:
            results[name] = str(exc)
    print(json.dumps(results))


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(sys.argv[1:])
