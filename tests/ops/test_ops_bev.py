"""Bird's-eye view poolings, aggregation over cameras and CenterPoint's targets, against definitions that loop."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.nn import functional

from mx_driving import ops


def double(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).requires_grad_()


@pytest.fixture(params=["cpu", "elsewhere"])
def path(request, monkeypatch):
    """Run a test on the CPU's way of summing rows, and on the one of other devices, in parts."""
    if request.param == "elsewhere":
        monkeypatch.setattr("mx_driving.ops._row_sums._sum", _sum_elsewhere)
        monkeypatch.setattr("mx_driving.ops._row_sums.TERMS", 7)


def _sum_elsewhere(features, weights, rows, cells, total, own=ops.bev_pool.__globals__["row_sums"].__globals__["_sum"]):
    class NotCpu:
        """The features as a tensor of a device without the operator that the CPU has."""

        device = torch.device("meta")
        dtype, shape, new_zeros = features.dtype, features.shape, features.new_zeros

        def __getitem__(self, key):
            return features[key]

    return own(NotCpu(), weights, rows, cells, total)


@pytest.mark.usefixtures("path")
def test_bev_pool_by_definition():
    feat = double(30, 3)
    limits = torch.tensor([4, 5, 2, 2])  # H, W, D, B
    geom = (torch.rand(30, 4, generator=torch.Generator().manual_seed(1)) * limits).int()
    pooled = ops.bev_pool(feat, geom, torch.tensor(2), 2, 4, 5)
    expected = torch.zeros(2, 3, 2, 4, 5, dtype=torch.float64)
    for row, (h, w, d, b) in zip(feat.detach(), geom.tolist()):
        expected[b, :, d, h, w] += row
    torch.testing.assert_close(pooled, expected)
    assert torch.autograd.gradcheck(lambda f: ops.bev_pool(f, geom, 2, 2, 4, 5), feat)
    assert torch.equal(ops.bev_pool_v3(None, feat, None, None, geom, [2, 2, 4, 5, 3]), pooled)
    assert ops.bev_pool(feat[:0], geom[:0], 2, 2, 4, 5).abs().sum() == 0


@pytest.mark.usefixtures("path")
def test_bev_pool_with_depth_by_definition():
    depth, feat = double(2, 1, 3, 2, 2), double(2, 1, 2, 2, 4, seed=1)
    draw = torch.Generator().manual_seed(2)
    ranks_depth, ranks_feat, ranks_bev = (torch.randint(0, n, (40,), generator=draw).int() for n in (24, 8, 24))
    shape = (2, 1, 3, 4, 4)
    pooled = ops.bev_pool_v3(depth, feat, ranks_depth, ranks_feat, ranks_bev, shape)
    expected = torch.zeros(24, 4, dtype=torch.float64)
    for d, f, b in zip(ranks_depth.tolist(), ranks_feat.tolist(), ranks_bev.tolist()):
        expected[b] += (depth.flatten()[d] * feat.view(-1, 4)[f]).detach()
    torch.testing.assert_close(pooled, expected.view(2, 1, 3, 4, 4).permute(0, 4, 1, 2, 3))
    ranks = (ranks_depth, ranks_feat, ranks_bev, shape)
    assert torch.autograd.gradcheck(lambda d, f: ops.bev_pool_v3(d, f, *ranks), (depth, feat))
    order = torch.argsort(ranks_bev)
    ordered = [rank[order] for rank in ranks[:3]]
    starts, lengths = torch.tensor([0, 25]), torch.tensor([20, 10])  # terms outside of the intervals are not used
    used = [torch.cat([rank[:20], rank[25:35]]) for rank in ordered]
    by_intervals = ops.bev_pool_v2(depth, feat, *ordered, shape, starts, lengths)
    torch.testing.assert_close(by_intervals, ops.bev_pool_v3(depth, feat, *used, shape))
    assert torch.autograd.gradcheck(lambda d, f: ops.bev_pool_v2(d, f, *ordered, shape, starts, lengths), (depth, feat))


@pytest.mark.usefixtures("path")
def test_voxel_pooling_by_definition():
    draw = torch.Generator().manual_seed(0)
    cells = torch.randint(-1, 5, (2, 3, 5, 3), generator=draw).int()
    features = double(2, 3, 5, 4)
    pooled = ops.voxel_pooling_train(cells, features, torch.tensor([4, 3, 2]))
    expected = torch.zeros(2, 4, 3, 4, dtype=torch.float64)
    for b, i, j in itertools.product(range(2), range(3), range(5)):
        x, y, z = cells[b, i, j].tolist()
        if 0 <= x < 4 and 0 <= y < 3 and 0 <= z < 2:
            expected[b, :, y, x] += features[b, i, j].detach()
    torch.testing.assert_close(pooled, expected)
    assert torch.autograd.gradcheck(lambda f: ops.voxel_pooling_train(cells, f, (4, 3, 2)), features)


def test_wrong_cells_are_named():
    with pytest.raises(ValueError, match="a cell for each of 3 features, got 2"):
        ops.bev_pool(torch.zeros(3, 1), torch.zeros(2, 4).int(), 1, 1, 1, 1)
    with pytest.raises(ValueError, match=r"within \(1, 1, 1, 1\), one lies outside"):
        ops.bev_pool(torch.zeros(1, 1), torch.tensor([[0, 1, 0, 0]]), 1, 1, 1, 1)
    with pytest.raises(ValueError, match=r"without depth ranks_bev must be \[N, 4\], got \[3\]"):
        ops.bev_pool_v3(None, torch.zeros(3, 1), None, None, torch.zeros(3).int(), (1, 1, 1, 1, 1))
    with pytest.raises(ValueError, match="all three alike"):
        ops.bev_pool_v3(torch.zeros(1), torch.zeros(3, 1), None, None, torch.zeros(3).int(), (1, 1, 1, 1, 1))
    with pytest.raises(ValueError, match="with at least one"):
        ops.voxel_pooling_train(torch.zeros(1, 0, 3).int(), torch.zeros(1, 0, 2), (1, 1, 1))


def test_deformable_aggregation_by_definition():
    shapes = torch.tensor([[[4, 6], [2, 3]], [[4, 6], [2, 3]]])
    starts = torch.tensor([[0, 24], [30, 54]])
    draw = torch.Generator().manual_seed(0)
    feat = double(2, 60, 4)
    location = (torch.rand(2, 3, 2, 2, 2, generator=draw, dtype=torch.float64) * 1.2 - 0.1).requires_grad_()
    weights = torch.rand(2, 3, 2, 2, 2, 2, generator=draw, dtype=torch.float64).requires_grad_()
    arguments = (feat, shapes, starts, location, weights)
    result = ops.deformable_aggregation(*arguments)
    expected = torch.zeros_like(result)
    left_out = 0
    for b, a, p, cam, scale in itertools.product(*map(range, (2, 3, 2, 2, 2))):
        x, y = location[b, a, p, cam].tolist()
        (height, width), start = shapes[cam, scale].tolist(), int(starts[cam, scale])
        if not (0 < x < 1 and 0 < y < 1):
            left_out += 1
            continue
        column, row = x * width - 0.5, y * height - 0.5
        for v, u in itertools.product(*((math.floor(t), math.floor(t) + 1) for t in (row, column))):
            if 0 <= u < width and 0 <= v < height:
                value = feat[b, start + v * width + u] * (1 - abs(u - column)) * (1 - abs(v - row))
                expected[b, a] += (value * weights[b, a, p, cam, scale].repeat_interleave(2)).detach()
    assert 0 < left_out < 40
    torch.testing.assert_close(result, expected)
    assert torch.autograd.gradcheck(
        lambda f, x, w: ops.deformable_aggregation(f, shapes, starts, x, w), (feat, location, weights)
    )
    with pytest.raises(ValueError, match="G dividing 4"):
        ops.deformable_aggregation(feat, shapes, starts, location, torch.zeros(2, 3, 2, 2, 2, 3))


def target_by_definition(box, factor, overlap, least, voxel, low, extent):
    """Centre, radius and validity of one box, in Python's doubles."""
    x, y = ((box[i] - low[i]) / voxel[i] / factor for i in range(2))
    w, h = (box[3 + i] / voxel[i] / factor for i in range(2))
    b, c = w + h, w * h * (1 - overlap) / (1 + overlap)
    radii = [(b + math.sqrt(b * b - 4 * c)) / 2]
    b, c = 2 * (w + h), (1 - overlap) * w * h
    radii.append((b + math.sqrt(b * b - 16 * c)) / 2)
    b, c = -2 * overlap * (w + h), (overlap - 1) * w * h
    radii.append((b + math.sqrt(b * b - 16 * overlap * c)) / 2)
    cell = int(x), int(y)
    valid = w > 0 and h > 0 and 0 <= cell[0] < extent[0] and 0 <= cell[1] < extent[1]
    return (x, y), cell, max(least, int(min(radii))), valid


@pytest.mark.parametrize("flags", [(True, True, False), (False, True, True)])
def test_targets_of_a_head_by_definition(flags):
    draw = torch.Generator().manual_seed(0)
    boxes = torch.rand(12, 9, generator=draw) * 4 + 0.5
    boxes[:, :2] = (torch.rand(12, 2, generator=draw) - 0.5) * 30
    boxes[3, :2] = torch.tensor([-10.3, -10.3])  # half a cell outside: cut towards 0, so in cell 0
    boxes[4, 3] = 0.0
    labels = torch.randint(1, 4, (12,), generator=draw).int()
    steps = dict(factor=2, overlap=0.1, least=2, voxel=(0.25, 0.25), low=(-10.0, -10.0), extent=(40, 36))
    arguments = (2, 0.1, 2, torch.tensor([0.25, 0.25, 8.0]), [-10.0, -10.0, -5.0], (torch.tensor(40), 36))
    heatmap, anno, ind, mask = ops.assign_target_of_single_head(boxes, labels, 3, *arguments, *flags, 20)
    expected = torch.zeros(3, 36, 40)
    norm, _, flip = flags
    for i, box in enumerate(boxes.tolist()):
        (x, y), cell, radius, valid = target_by_definition(box, **steps)
        assert bool(mask[i]) == valid
        if not valid:
            assert ind[i] == 0
            assert not anno[i].any()
            continue
        assert ind[i] == cell[1] * 40 + cell[0]
        turn = [math.sin(box[6]), math.cos(box[6])]
        sizes = [math.log(s) for s in box[3:6]] if norm else box[3:6]
        target = [x - cell[0], y - cell[1], box[2], *sizes, *(turn[::-1] if flip else turn), *box[7:]]
        torch.testing.assert_close(anno[i], torch.tensor(target), rtol=1e-4, atol=1e-4)
        for v, u in itertools.product(range(36), range(40)):
            dx, dy = u - cell[0], v - cell[1]
            if abs(dx) <= radius and abs(dy) <= radius:
                value = math.exp(-(dx * dx + dy * dy) / (2 * ((2 * radius + 1) / 6) ** 2))
                place = (int(labels[i]) - 1, v, u)
                expected[place] = max(expected[place], value)
    assert mask[3] == 1
    assert 3 < int(mask.sum()) < 12
    torch.testing.assert_close(heatmap, expected)
    shapes = [tuple(t.shape) for t in ops.assign_target_of_single_head(boxes[:0], labels[:0], 3, *arguments)]
    assert shapes == [(3, 36, 40), (500, 10), (500,), (500,)]
    few = ops.gaussian(boxes, 2, 0.1, 2, 0.25, 0.25, -10.0, -10.0, 40, 36, max_objs=5)
    assert [len(t) for t in few] == [5, 5, 5, 5, 5]
    with pytest.raises(ValueError, match=r"\[N >= 1, W >= 7\], got \[0, 9\]"):
        ops.gaussian(boxes[:0], 2, 0.1, 2, 0.25, 0.25, -10.0, -10.0, 40, 36)
    with pytest.raises(ValueError, match=r"classes must lie in 1\.\.2"):
        ops.draw_gaussian_to_heatmap(mask, labels, torch.zeros(2, 12).int(), torch.ones(12).int(), 4, 4, 2)


def test_volume_samples_are_torchs_aligned():
    volume, grid = torch.randn(1, 2, 3, 4, 5), torch.rand(1, 2, 2, 2, 3) * 2.4 - 1.2
    assert torch.equal(ops.grid_sampler3d(volume, grid), functional.grid_sample(volume, grid, align_corners=True))
