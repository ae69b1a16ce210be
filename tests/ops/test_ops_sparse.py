"""Sparse convolution and pooling against dense ones on the active sites, and through mmcv's own modules."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional

from mx_driving import ops
from mx_driving.mmcv_ext import sparse as ext

pytestmark = pytest.mark.usefixtures("either_path")

SHAPES = {2: (7, 6), 3: (5, 6, 4), 4: (3, 4, 3, 2)}


def sites(dims, count=40, batch=2, seed=0):
    """Distinct active sites in no order: Tensor[count, 1 + dims] of int32."""
    volume = batch
    for extent in SHAPES[dims]:
        volume *= extent
    codes = torch.randperm(volume, generator=torch.Generator().manual_seed(seed))[:count]
    columns = []
    for extent in reversed(SHAPES[dims]):
        columns.append(codes % extent)
        codes = codes // extent
    return torch.stack([codes, *reversed(columns)], 1).int()


def out_shape(shape, kernel, stride, padding, dilation, transpose):
    if transpose:
        return [
            (e - 1) * s - 2 * p + d * (k - 1) + 1 for e, k, s, p, d in zip(shape, kernel, stride, padding, dilation)
        ]
    return [(e + 2 * p - d * (k - 1) - 1) // s + 1 for e, k, s, p, d in zip(shape, kernel, stride, padding, dilation)]


def pairs_by_definition(indices, shape, kernel, stride, padding, dilation, subm, transpose):
    """Set of (tap, input site, output site), one by one."""
    active = {tuple(row) for row in indices.tolist()}
    found = set()
    for site, (tap, taps) in itertools.product(active, enumerate(itertools.product(*map(range, kernel)))):
        if transpose:
            out = [c * s - p + t * d for c, s, p, t, d in zip(site[1:], stride, padding, taps, dilation)]
        else:
            shifted = [c + p - t * d for c, p, t, d in zip(site[1:], padding, taps, dilation)]
            if any(x % s for x, s in zip(shifted, stride)):
                continue
            out = [x // s for x, s in zip(shifted, stride)]
        target = (site[0], *out)
        if all(0 <= x < e for x, e in zip(out, shape)) and (not subm or target in active):
            found.add((tap, site, target))
    return found


CASES = {
    "plain": dict(kernel=3, stride=1, padding=1),
    "strided": dict(kernel=3, stride=2, padding=1),
    "one-axis": dict(kernel=(3, 1, 1), stride=(2, 1, 1), padding=0),
    "wide-stride": dict(kernel=2, stride=3, padding=0),
    "dilated": dict(kernel=3, stride=1, padding=2, dilation=2),
    "submanifold": dict(kernel=3, subm=True),
    "submanifold-5-1-3": dict(kernel=(5, 1, 3), subm=True),
    "submanifold-even": dict(kernel=2, subm=True),
    "submanifold-dilated": dict(kernel=3, dilation=2, subm=True),
    "transposed": dict(kernel=3, stride=2, padding=1, transpose=True),
}


def case(name, dims):
    """Return the arguments of get_indice_pairs after the shapes, and the shape of the output."""
    given = dict(dict(stride=1, padding=0, dilation=1, subm=False, transpose=False), **CASES[name])
    lists = {}
    for key in ("kernel", "stride", "padding", "dilation"):
        value = given[key]
        lists[key] = list(value)[:dims] if isinstance(value, tuple) else [value] * dims
    shape = SHAPES[dims]
    if given["subm"]:
        lists["padding"] = [k // 2 * d for k, d in zip(lists["kernel"], lists["dilation"])]
        return lists, given, list(shape)
    return lists, given, out_shape(shape, *lists.values(), given["transpose"])


def pair(name, dims, indices):
    lists, given, shape = case(name, dims)
    flags = dict(subm=given["subm"], transpose=given["transpose"])
    return ops.get_indice_pairs(indices, 2, shape, SHAPES[dims], *lists.values(), **flags), shape


@pytest.mark.parametrize("dims", [2, 3, 4])
@pytest.mark.parametrize("name", [name for name in CASES if "-1" not in name and name != "one-axis"])
def test_pairs_by_definition(name, dims):
    indices = sites(dims)
    (outputs, pairs, numbers), shape = pair(name, dims, indices)
    lists, given, _ = case(name, dims)
    found = set()
    for tap, count in enumerate(numbers.tolist()):
        assert (pairs[tap, :, count:] == -1).all()
        for source, target in pairs[tap, :, :count].t().tolist():
            found.add((tap, tuple(indices[source].tolist()), tuple(outputs[target].tolist())))
    assert len(found) == int(numbers.sum())
    assert found == pairs_by_definition(indices, shape, *lists.values(), given["subm"], given["transpose"])
    if given["subm"]:
        assert torch.equal(outputs, indices)
    else:
        assert outputs.tolist() == sorted(
            {target for _, _, target in found} and [list(t) for t in {f[2] for f in found}]
        )


def dense(features, indices, batch, shape):
    """Tensor[B, C, *shape] with the features at the sites, differentiably."""
    volume = features.new_zeros(batch, *shape, features.shape[1])
    return volume.index_put(tuple(indices.long().t()), features).movedim(-1, 1)


@pytest.mark.parametrize("name", [name for name in CASES if name != "submanifold-even"])
def test_convolution_equals_the_dense_one_on_active_sites(name):
    draw = torch.Generator().manual_seed(5)
    indices = sites(3)
    (outputs, pairs, numbers), shape = pair(name, 3, indices)
    lists, given, _ = case(name, 3)
    features = torch.randn(len(indices), 4, generator=draw, dtype=torch.float64).requires_grad_()
    filters = torch.randn(*lists["kernel"], 4, 5, generator=draw, dtype=torch.float64).requires_grad_()
    result = ops.indice_conv(features, filters, pairs, numbers, len(outputs), subm=given["subm"])
    volume = dense(features, indices, 2, SHAPES[3])
    steps = (lists["stride"], lists["padding"], lists["dilation"])
    if given["transpose"]:
        weight = filters.permute(3, 4, 0, 1, 2)
        whole = functional.conv_transpose3d(volume, weight, None, steps[0], steps[1], 0, 1, steps[2])
    else:
        whole = functional.conv3d(volume, filters.permute(4, 3, 0, 1, 2), None, *steps)
    expected = whole.movedim(1, -1)[tuple(outputs.long().t())]
    torch.testing.assert_close(result, expected)
    grad = torch.randn(result.shape, generator=draw, dtype=torch.float64)
    ours = torch.autograd.grad(result, (features, filters), grad)
    for mine, reference in zip(ours, torch.autograd.grad(expected, (features, filters), grad)):
        torch.testing.assert_close(mine, reference)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(
    ("dims", "name"), [(2, "submanifold"), (4, "strided"), (4, "submanifold"), (3, "submanifold-even")]
)
def test_gradients(dims, name, inverse):
    indices = sites(dims, 12)
    (outputs, pairs, numbers), _ = pair(name, dims, indices)
    rows_in, rows_out = (len(outputs), len(indices)) if inverse else (len(indices), len(outputs))
    lists, given, _ = case(name, dims)
    features = torch.randn(rows_in, 2, dtype=torch.float64, requires_grad=True)
    filters = torch.randn(*lists["kernel"], 2, 3, dtype=torch.float64, requires_grad=True)

    def function(x, w):
        return ops.indice_conv(x, w, pairs, numbers, rows_out, inverse, given["subm"])

    assert torch.autograd.gradcheck(function, (features, filters))


def test_inverse_goes_back_over_the_same_pairs():
    indices = sites(3)
    (outputs, pairs, numbers), _ = pair("strided", 3, indices)
    features, filters = torch.randn(len(outputs), 3), torch.randn(3, 3, 3, 3, 2)
    expected = torch.zeros(len(indices), 2)
    for tap, count in enumerate(numbers.tolist()):
        for source, target in pairs[tap, :, :count].t().tolist():
            expected[source] += features[target] @ filters.view(27, 3, 2)[tap]
    result = ext.indice_conv_forward(features, filters, pairs, numbers, len(indices), 1, 0)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_sums_in_float(dtype):
    indices = sites(3)
    (outputs, pairs, numbers), _ = pair("submanifold", 3, indices)
    features, filters = torch.randn(len(indices), 16).to(dtype), torch.randn(3, 3, 3, 16, 8).to(dtype)
    result = ops.indice_conv(features, filters, pairs, numbers, len(outputs), subm=True)
    exact = ops.indice_conv(features.double(), filters.double(), pairs, numbers, len(outputs), subm=True)
    assert result.dtype == dtype
    assert (result.double() - exact).abs().max() / exact.abs().max() < (2e-3 if dtype == torch.float16 else 1.6e-2)


@pytest.mark.parametrize("subm", [False, True])
def test_without_a_site(subm):
    indices = sites(3, 0)
    (outputs, pairs, numbers), _ = pair("submanifold" if subm else "strided", 3, indices)
    assert outputs.shape == (0, 4)
    assert numbers.tolist() == [0] * 27
    features = torch.zeros(0, 3, requires_grad=True)
    result = ops.indice_conv(features, torch.zeros(3, 3, 3, 3, 5), pairs, numbers, 0, subm=subm)
    assert result.shape == (0, 5)
    result.sum().backward()
    assert features.grad.shape == (0, 3)


def test_maximum_pooling_by_definition():
    indices = sites(3)
    (outputs, pairs, numbers), _ = pair("strided", 3, indices)
    features = torch.randn(len(indices), 4).round().requires_grad_()  # with ties
    pooled = ops.indice_maxpool(features, pairs, numbers, len(outputs))
    volume = dense(features.detach(), indices, 2, SHAPES[3])
    whole = functional.max_pool3d(volume, 3, 2, 1).clamp(min=0)
    assert torch.equal(pooled, whole.movedim(1, -1)[tuple(outputs.long().t())])
    grad, expected = torch.randn(pooled.shape), torch.zeros_like(features)
    for tap, count in enumerate(numbers.tolist()):
        for source, target in pairs[tap, :, :count].t().tolist():
            expected[source] += torch.where(features[source] == pooled[target], grad[target], 0).detach()
    pooled.backward(grad)
    torch.testing.assert_close(features.grad, expected)


def test_wrong_sizes_are_named():
    indices = sites(3)
    with pytest.raises(ValueError, match=r"expected 3 numbers for indices \[N, 4\]"):
        ops.get_indice_pairs(indices, 2, (5, 6), SHAPES[3], (3,) * 3, (1,) * 3, (0,) * 3, (1,) * 3)
    (outputs, pairs, numbers), _ = pair("submanifold", 3, indices)
    with pytest.raises(ValueError, match=r"filters \[\*kernel, C_in, C_out\] with 27 taps, got \[40, 3\]"):
        ops.indice_conv(torch.zeros(40, 3), torch.zeros(3, 3, 3, 4, 5), pairs, numbers, 40)


def test_mmcv_modules_train_on_ours(monkeypatch):
    """mmcv's sparse modules run on our functions, with indice keys, an inverse and a fused bias."""
    pytest.importorskip("mmcv")
    sparse_ops = pytest.importorskip("mmcv.ops.sparse_ops")
    import mmcv.ops as mmcv_ops

    for name in vars(ext):
        if hasattr(sparse_ops.ext_module, name):
            monkeypatch.setattr(sparse_ops.ext_module, name, getattr(ext, name))
    net = mmcv_ops.SparseSequential(
        mmcv_ops.SubMConv3d(3, 8, 3, padding=1, indice_key="a", bias=False),
        torch.nn.ReLU(),
        mmcv_ops.SubMConv3d(8, 8, 3, padding=1, indice_key="a"),
        mmcv_ops.SparseConv3d(8, 8, 3, stride=2, padding=1, indice_key="b"),
        mmcv_ops.SparseInverseConv3d(8, 4, 3, indice_key="b"),
        mmcv_ops.SparseMaxPool3d(2, 2),
    )
    indices = sites(3)
    features = torch.randn(len(indices), 3)
    out = net(mmcv_ops.SparseConvTensor(features, indices, SHAPES[3], 2))
    out.dense().square().sum().backward()
    assert out.dense().shape == (2, 4, 2, 3, 2)
    assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())
