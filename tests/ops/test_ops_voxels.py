"""Voxelisation and reduction by voxels, against mmcv's CPU kernels and plain definitions."""

from __future__ import annotations

import pytest
import torch
from operator_cases import scattered

from mx_driving import ops
from mx_driving.mmcv_ext import voxels as ext

pytestmark = pytest.mark.usefixtures("either_path")

SIZE, RANGE = (0.5, 0.25, 1.0), (-4.0, -3.0, -2.0, 4.0, 3.0, 2.0)


def sweep(count, dtype=torch.float32, seed=0):
    """Points in and around the range; some exactly on borders of voxels and of the range."""
    draw = torch.Generator().manual_seed(seed)
    points = (torch.rand(count, 4, generator=draw) - 0.5) * 10
    points[::5, :3] = (points[::5, :3] * 4).round() / 4
    return points.to(dtype)


def special():
    """NaN, infinity, the corners of the range, and numbers too large for an int."""
    corner = torch.tensor([*RANGE[:3], 1.0]), torch.tensor([*RANGE[3:], 2.0])
    odd = torch.tensor([[float("nan"), 0, 0, 3], [0, float("inf"), 0, 4], [1e30, 0, 0, 5], [0, 0, -1e30, 6]])
    return torch.cat([torch.stack(corner), odd, sweep(20)])


CLOUDS = {
    "many": sweep(3000),
    "double": sweep(500, torch.float64),
    "half": sweep(500, torch.float16),
    "one": sweep(1),
    "empty": sweep(0),
    "outside": sweep(50) + 100,
    "special": special(),
    "scattered": scattered(sweep(300)),
}


def run_dynamic(module, points):
    coors = points.new_zeros((len(points), 3), dtype=torch.int)
    module.dynamic_voxelize_forward(points, torch.tensor(SIZE), torch.tensor(RANGE), coors, NDim=3)
    return coors


def run_hard(module, points, max_points, max_voxels):
    voxels = points.new_zeros((max_voxels, max_points, points.shape[1]))
    coors = points.new_zeros((max_voxels, 3), dtype=torch.int)
    counts = points.new_zeros(max_voxels, dtype=torch.int)
    total = torch.zeros((), dtype=torch.long)
    limits = dict(max_points=max_points, max_voxels=max_voxels, NDim=3, deterministic=True)
    arguments = (points, torch.tensor(SIZE), torch.tensor(RANGE), voxels, coors, counts, total)
    module.hard_voxelize_forward(*arguments, **limits)
    return voxels, coors, counts, total


@pytest.fixture(scope="module")
def mmcv_ext():
    """Return mmcv's compiled extension."""
    pytest.importorskip("mmcv")
    return pytest.importorskip("mmcv._ext")


@pytest.mark.parametrize("name", CLOUDS)
def test_dynamic_voxelize_equals_mmcv(mmcv_ext, name):
    assert torch.equal(run_dynamic(ext, CLOUDS[name]), run_dynamic(mmcv_ext, CLOUDS[name]))


@pytest.mark.parametrize(("max_points", "max_voxels"), [(3, 2000), (1, 40), (5, 7)])
@pytest.mark.parametrize("name", CLOUDS)
def test_hard_voxelize_equals_mmcv(mmcv_ext, name, max_points, max_voxels):
    ours, theirs = (run_hard(module, CLOUDS[name], max_points, max_voxels) for module in (ext, mmcv_ext))
    for mine, reference in zip(ours, theirs):
        assert torch.equal(mine, reference)


def test_hard_voxelize_alone_returns_what_the_extension_writes():
    voxels, coors, counts, total = run_hard(ext, CLOUDS["many"], 3, 50)
    alone = ops.hard_voxelize(CLOUDS["many"], SIZE, RANGE, 3, 50)
    for mine, written in zip(alone, (voxels, coors, counts)):
        assert torch.equal(mine, written[:total])


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match=r"points \[N, >= 3\] and 6 numbers .* got \[5, 2\] and 6"):
        ops.dynamic_voxelize(torch.zeros(5, 2), SIZE, RANGE)
    with pytest.raises(ValueError, match="one of sum, mean, max, got 'min'"):
        ops.dynamic_scatter(torch.zeros(2, 1), torch.zeros(2, 3, dtype=torch.int32), "min")
    with pytest.raises(ValueError, match="a row for each of the 2 rows"):
        ops.dynamic_scatter(torch.zeros(3, 1), torch.zeros(2, 3, dtype=torch.int32))


def scatter_by_definition(feats, coors, reduce_type):
    """Loop over voxels, in lexicographic order."""
    rows = [tuple(row) for row in coors.tolist()]
    voxels = sorted({row for row in rows if min(row) >= 0})
    members = [feats[[i for i, row in enumerate(rows) if row == voxel]] for voxel in voxels]
    reduce = {"sum": lambda m: m.sum(0), "mean": lambda m: m.mean(0), "max": lambda m: m.amax(0)}[reduce_type]
    return torch.stack([reduce(m) for m in members]), torch.tensor(voxels, dtype=coors.dtype)


@pytest.mark.parametrize("reduce_type", ["sum", "mean", "max"])
@pytest.mark.parametrize("far", [3, 2_000_000_000])  # the second needs more than 63 bits for one number per voxel
def test_dynamic_scatter_by_definition(reduce_type, far):
    draw = torch.Generator().manual_seed(2)
    coors = torch.randint(-1, 3, (60, 3), generator=draw, dtype=torch.int32)
    coors[coors == 2] = far - 1
    feats = torch.randn(60, 4, generator=draw, dtype=torch.float64).requires_grad_()
    ours, theirs = ops.dynamic_scatter(feats, coors, reduce_type), scatter_by_definition(feats, coors, reduce_type)
    assert torch.equal(ours[1], theirs[1])
    torch.testing.assert_close(ours[0], theirs[0])
    assert torch.autograd.gradcheck(lambda x: ops.dynamic_scatter(x, coors, reduce_type)[0], feats)


def test_maximum_gives_its_gradient_to_the_first_of_equal_points():
    feats = torch.tensor([[1.0], [2.0], [2.0], [float("nan")]], requires_grad=True)
    reduced, _ = ops.dynamic_scatter(feats, torch.tensor([[0], [0], [0], [1]]))
    reduced[0].sum().backward()
    assert feats.grad.tolist() == [[0.0], [1.0], [0.0], [0.0]]


@pytest.mark.parametrize("coors", [torch.zeros(0, 3, dtype=torch.int32), torch.full((4, 3), -1, dtype=torch.int32)])
def test_dynamic_scatter_without_a_point_in_a_voxel(coors):
    feats = torch.ones(len(coors), 2, requires_grad=True)
    reduced, voxels = ops.dynamic_scatter(feats, coors, "mean")
    assert reduced.shape == (0, 2)
    assert voxels.shape == (0, 3)
    reduced.sum().backward()
    assert feats.grad.abs().sum() == 0


def test_the_extension_form_writes_the_same_gradient():
    draw = torch.Generator().manual_seed(3)
    coors = torch.randint(-1, 4, (40, 3), generator=draw, dtype=torch.int32)
    feats = torch.randn(40, 4, generator=draw)
    for reduce_type in ("sum", "mean", "max"):
        reduced, _, index, counts = ext.dynamic_point_to_voxel_forward(feats, coors, reduce_type)
        grad, written = torch.randn(reduced.shape, generator=draw), torch.full_like(feats, 7.0)
        ext.dynamic_point_to_voxel_backward(written, grad, feats, reduced, index, counts, reduce_type)
        leaf = feats.clone().requires_grad_()
        ops.dynamic_scatter(leaf, coors, reduce_type)[0].backward(grad)
        assert torch.equal(written, leaf.grad)
