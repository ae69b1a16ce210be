"""Reductions by index, pairs by radius and codes of voxels, against definitions that loop."""

from __future__ import annotations

import math

import pytest
import torch

from mx_driving import ops


def double(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


INDEX = torch.tensor([2, 0, 2, 5, 0, 2], dtype=torch.int32)


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 3)])
@pytest.mark.parametrize("given", [False, True])
def test_scatter_max_by_definition(shape, given):
    updates = double(*shape)
    with torch.no_grad():
        updates[5] = updates[2]  # of equal maxima the last row counts
    out = double(7, *shape[1:], seed=1).detach() if given else None
    bins = 7 if given else 6
    before = out.clone() if given else None
    result, argmax = ops.scatter_max(updates, INDEX.view(-1, *[1] * (len(shape) - 1)), out)
    assert result.shape == argmax.shape == (bins, *shape[1:])
    assert argmax.dtype == torch.int32
    for place in torch.cartesian_prod(torch.arange(bins), *map(torch.arange, shape[1:])).view(-1, len(shape)).tolist():
        k, rest = place[0], tuple(place[1:])
        best, row = (before[tuple(place)].item(), 6) if given else (-math.inf, 6)
        for i, value in enumerate(updates[(slice(None), *rest)].tolist()):
            if INDEX[i] == k and (value > best or (value == best and row < 6)):
                best, row = value, i
        assert argmax[tuple(place)] == row
        assert result[tuple(place)] == (best if best > -math.inf else 0)
    if given:
        assert torch.equal(out, result)
    spread = double(*shape, seed=3)
    assert torch.autograd.gradcheck(
        lambda x: ops.scatter_max(x, INDEX, None if before is None else before.clone())[0], spread
    )


def test_scatter_max_of_infinities_and_of_nothing():
    result, argmax = ops.scatter_max(torch.tensor([-math.inf, 1.0, math.inf]), torch.tensor([0, 1, 2]))
    assert result.tolist() == [0.0, 1.0, math.inf]
    assert argmax.tolist() == [3, 1, 2]
    assert ops.scatter_max(torch.zeros(0, 2), torch.zeros(0).int())[0].shape == (0, 2)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1, got -1\.\.1"):
        ops.scatter_max(torch.zeros(2), torch.tensor([-1, 1]))
    with pytest.raises(ValueError, match=r"must be \[2\] or \[2, 1, ...\]"):
        ops.scatter_max(torch.zeros(2, 3), torch.zeros(2, 3).int())
    with pytest.raises(ValueError, match=r"out must be \[K, \[3\]\], got \[4, 2\]"):
        ops.scatter_max(torch.zeros(2, 3), torch.zeros(2).int(), torch.zeros(4, 2))


CASES = {
    "rows": ((6, 3), INDEX, 0, 6),
    "trailing-one": ((6, 3), INDEX.unsqueeze(1), 0, 6),
    "second": ((2, 6, 3), torch.stack([INDEX, INDEX.flip(0)]), 1, 6),
    "negative": ((2, 6, 3), torch.stack([INDEX, INDEX.flip(0)]), -1, 6),
    "whole": ((2, 6), torch.stack([INDEX, INDEX.flip(0)]), 0, 6),
}


def sums_by_definition(src, index, dim, bins):
    flat = index.reshape(index.shape if index.shape == src.shape[: index.dim()] else index.shape[:-1])
    dim %= flat.dim() if index.dim() == flat.dim() else index.dim()
    total = torch.zeros(*src.shape[:dim], bins, *src.shape[dim + 1 :], dtype=src.dtype)
    counts = torch.zeros_like(total)
    for place in torch.cartesian_prod(*map(torch.arange, flat.shape)).view(-1, flat.dim()).tolist():
        target = list(place)
        target[dim] = int(flat[tuple(place)])
        total[tuple(target)] += src[tuple(place)].detach()
        counts[tuple(target)] += 1
    return total, counts


@pytest.mark.parametrize("name", CASES)
def test_scatter_add_and_mean_by_definition(name):
    shape, index, dim, bins = CASES[name]
    src = double(*shape)
    total, counts = sums_by_definition(src, index, dim, bins)
    torch.testing.assert_close(ops.scatter_add(src, index, dim=dim), total)
    torch.testing.assert_close(ops.scatter_mean(src, index, dim=dim), total / counts.clamp(min=1))
    assert torch.autograd.gradcheck(lambda x: ops.scatter_add(x, index, None, dim), src)
    assert torch.autograd.gradcheck(lambda x: ops.scatter_mean(x, index, None, dim), src)
    given = torch.ones_like(total)
    torch.testing.assert_close(ops.scatter_add(src, index, given, dim), total + 1)
    torch.testing.assert_close(ops.scatter_mean(src, index, given, dim), (total + 1) / counts.clamp(min=1))
    assert (given == 1).all()
    axis = dim if dim >= 0 else dim + index.dim()
    assert ops.scatter_add(src, index, dim=dim, dim_size=9).shape[axis] == 9


def test_scatter_add_sums_half_precision_in_float_and_names_wrong_indices():
    src = torch.full((4096,), 0.25, dtype=torch.float16)
    assert ops.scatter_add(src, torch.zeros(4096).int()).item() == 1024
    with pytest.raises(ValueError, match=r"scatter_mean: index must have the leading sizes of src \[6, 3\]"):
        ops.scatter_mean(torch.zeros(6, 3), torch.zeros(5).int())
    with pytest.raises(ValueError, match=r"scatter_add: indices must lie in 0\.\.2, got 0\.\.5"):
        ops.scatter_add(torch.zeros(6, 3), INDEX, dim_size=3)


def test_graph_softmax_by_definition():
    src = double(6, 2)
    result = ops.graph_softmax(src, INDEX)
    for group in (0, 2, 5):
        rows = group == INDEX
        torch.testing.assert_close(result[rows], src[rows].softmax(0))
    assert torch.autograd.gradcheck(lambda x: ops.graph_softmax(x, INDEX), src)
    assert ops.graph_softmax(src[:0], INDEX[:0]).shape == (0, 2)
    assert torch.isfinite(ops.graph_softmax(torch.full((6, 1), 1e4), INDEX)).all()
    with pytest.raises(ValueError, match=r"src \[E, F\] and index \[E\]"):
        ops.graph_softmax(src, INDEX[:3])


@pytest.mark.parametrize("most", [0, 2, 100])
def test_radius_by_definition(monkeypatch, most):
    monkeypatch.setattr("mx_driving.ops._boxes3d.CHUNK", 30)
    draw = torch.Generator().manual_seed(0)
    x, y = ((torch.randn(n, 2, generator=draw) * 2).round() / 2 for n in (25, 14))
    ptr_x, ptr_y = torch.tensor([0, 10, 10, 25]), torch.tensor([0, 4, 9, 14])
    expected = []
    for sample in range(3):
        for j in range(ptr_y[sample], ptr_y[sample + 1]):
            near = [i for i in range(ptr_x[sample], ptr_x[sample + 1]) if (x[i] - y[j]).square().sum() < 1.0]
            expected += [[j, i] for i in near[:most]]
    pairs = ops.radius(x, y, ptr_x, ptr_y, 1.0, most)
    assert pairs.dtype == torch.int32
    assert pairs.t().tolist() == expected
    with pytest.raises(ValueError, match="pointers of one length"):
        ops.radius(x, y, ptr_x[:2], ptr_y, 1.0, 2)


def test_hypot_broadcasts_its_gradient():
    x, y = double(3, 1), double(4, seed=1)
    torch.testing.assert_close(ops.hypot(x, y), (x.square() + y.square()).sqrt())
    assert torch.autograd.gradcheck(ops.hypot, (x, y))


@pytest.mark.parametrize("layout", ["XYZ", "ZYX"])
def test_codes_of_voxels(layout):
    cells = torch.tensor([[3, 4, 5], [0, 0, 0], [2047, 2047, 255], [3, 4, 5], [-1, 0, 0], [0, 0, 256], [2048, 0, 0]])
    codes = ops.point_to_voxel(cells.float(), layout=layout)
    assert torch.equal(codes, ops.point_to_voxel(cells, [], [], layout))
    assert (codes >= 0).tolist() == [True, True, True, True, False, False, False]
    read = ops.voxel_to_point(codes[:4], [], [], layout)
    assert read.tolist() == (cells[:4] if layout == "XYZ" else cells[:4].flip(1)).tolist()
    count, distinct, starts, order, first = ops.unique_voxel(codes)
    assert count == 3
    assert distinct.tolist() == sorted(set(codes[:3].tolist()))
    assert order.tolist() == sorted(range(7), key=lambda i: (int(codes[i]), i))
    assert torch.equal(codes[first.long()], distinct)
    assert torch.equal(order[starts.long()], first)
    # The inverse, as users rebuild it.
    marks = torch.zeros(7, dtype=torch.long)
    marks[starts.long()] = 1
    inverse = (marks.cumsum(0) - 1)[torch.argsort(order)]
    assert torch.equal(distinct[inverse[:4]], codes[:4])
    assert ops.unique_voxel(codes[4:])[0] == 0
    with pytest.raises(ValueError, match=r"must be \[N\] of int32"):
        ops.unique_voxel(codes.float())


def test_codes_of_raw_points():
    points = torch.tensor([[-4.9, 0.1, 1.0, 9.0], [4.9, 4.9, 1.9, 9.0], [5.0, 0.0, 0.0, 9.0]])
    codes = ops.point_to_voxel(points, [0.5, 0.5, 1.0], [-5, -5, 0, 5, 5, 2])
    assert ops.voxel_to_point(codes[:2]).tolist() == [[0, 10, 1], [19, 19, 1]]
    assert codes[2] == -1
