"""Searches, samplings and groupings of points, against plain definitions that loop, and gradcheck."""

from __future__ import annotations

import itertools

import pytest
import torch

from mx_driving import ops
from mx_driving.mmcv_ext import points as ext


def cloud(*shape, seed=0, step=4):
    """Points on a grid of 1/step, so that equal distances are common and exact in float32."""
    return (torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed)) * step).round() / step


def squared(p, q):
    return sum((a - b) ** 2 for a, b in zip(p, q))


def nearest_by_definition(centre, points, k):
    ranked = sorted((squared(centre, point), i) for i, point in enumerate(points))
    return [i for _, i in ranked][:k]


@pytest.fixture(params=["whole", "parts"])
def in_parts(request, monkeypatch):
    """Run a test with all pairs at once, and with few at a time."""
    if request.param == "parts":
        monkeypatch.setattr("mx_driving.ops._boxes3d.CHUNK", 50)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(("total", "k"), [(60, 5), (60, 60), (3, 7), (1, 1), (0, 2)])
def test_knn_by_definition(total, k):
    points, centres = cloud(2, total), cloud(2, 9, seed=1)
    found = ops.knn(k, points, centres)
    assert found.shape == (2, k, 9)
    assert found.dtype == torch.int32
    for sample, centre in itertools.product(range(2), range(9)):
        expected = nearest_by_definition(centres[sample, centre].tolist(), points[sample].tolist(), k)
        assert found[sample, :, centre].tolist() == expected + [0] * (k - len(expected))


def test_a_point_without_coordinates_is_nobodys_neighbour():
    points, centres = cloud(1, 8), cloud(1, 3, seed=1)
    points[0, 2] = float("nan")
    others = [i for i in range(8) if i != 2]
    alone = ops.knn(7, points[:, others], centres)
    assert torch.equal(ops.knn(8, points, centres)[:, :7], torch.tensor(others, dtype=torch.int32)[alone.long()])
    assert ops.knn(8, points, centres)[:, 7].tolist() == [[0, 0, 0]]


def test_knn_forms():
    points = cloud(2, 30)
    assert torch.equal(ops.knn(4, points), ops.knn(4, points.transpose(1, 2), transposed=True))
    assert torch.equal(ops.knn(4, points), ops.knn(4, points.half()))
    index, distances = torch.zeros(2, 30, 4, dtype=torch.int), torch.zeros(2, 30, 4)
    ext.knn_forward(points, points, index, distances, b=2, n=30, m=30, nsample=4)
    assert torch.equal(index.transpose(1, 2), ops.knn(4, points))
    gathered = points[torch.arange(2)[:, None, None], index.long()]
    assert torch.equal(distances, (gathered - points.unsqueeze(2)).square().sum(3))
    with pytest.raises(ValueError, match="k must be 1 to 99, got 0"):
        ops.knn(0, points)
    with pytest.raises(ValueError, match=r"points and centres \[B, \*, 3\]"):
        ops.knn(1, points, points[:1])


@pytest.mark.parametrize("total", [40, 2])
def test_three_nn_and_interpolation(total):
    target, source = cloud(2, 11), cloud(2, total, seed=1)
    distances, index = ops.three_nn(target, source)
    for sample, point in itertools.product(range(2), range(11)):
        expected = nearest_by_definition(target[sample, point].tolist(), source[sample].tolist(), 3)
        assert index[sample, point].tolist() == expected + [0] * (3 - len(expected))
        roots = [squared(target[sample, point].tolist(), source[sample, i].tolist()) ** 0.5 for i in expected]
        assert distances[sample, point].tolist()[: len(roots)] == pytest.approx(roots)
    assert torch.isinf(distances[..., total:]).all()
    features = torch.randn(2, 3, total, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(2, 11, 3, dtype=torch.float64, requires_grad=True)
    result = ops.three_interpolate(features, index, weight)
    expected = torch.stack([(features[b][:, index[b].long()] * weight[b]).sum(2) for b in range(2)])
    torch.testing.assert_close(result, expected)
    assert torch.autograd.gradcheck(lambda f, w: ops.three_interpolate(f, index, w), (features, weight))
    grad, written = torch.randn(2, 3, 11, dtype=torch.float64), torch.zeros(2, 3, total, dtype=torch.float64)
    ext.three_interpolate_backward(grad, index, weight.detach(), written, b=2, c=3, n=11, m=total)
    torch.testing.assert_close(written, torch.autograd.grad(result, features, grad)[0])


def ball_by_definition(centre, points, low, high, count, empty=0):
    inside = [i for i, p in enumerate(points) if (d := squared(centre, p)) == 0 or low * low <= d < high * high][:count]
    return inside + inside[:1] * (count - len(inside)) if inside else [empty] + [0] * (count - 1)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize(("low", "high", "count"), [(0.0, 1.0, 4), (0.5, 1.5, 3), (0.0, 100.0, 80), (0.25, 0.5, 1)])
def test_ball_query_by_definition(low, high, count):
    points, centres = cloud(2, 50), torch.cat([cloud(2, 8, seed=1), torch.full((2, 1, 3), 60.0)], 1)
    points[1, 3] = float("nan")
    found = torch.full((2, 9, count), -5, dtype=torch.int)
    ext.ball_query_forward(centres, points, found, b=2, n=50, m=9, min_radius=low, max_radius=high, nsample=count)
    for sample, centre in itertools.product(range(2), range(9)):
        expected = ball_by_definition(centres[sample, centre].tolist(), points[sample].tolist(), low, high, count)
        assert found[sample, centre].tolist() == expected


def test_stacked_samples_are_queried_and_grouped_apart():
    counts, own = torch.tensor([20, 0, 31], dtype=torch.int), torch.tensor([4, 1, 6], dtype=torch.int)
    points, centres = cloud(51), cloud(11, seed=1)
    centres[2] = 90.0  # has no neighbour
    index = torch.full((11, 5), 7, dtype=torch.int)
    ext.stack_ball_query_forward(centres, own, points, counts, index, max_radius=1.0, nsample=5)
    features = torch.randn(51, 3, dtype=torch.float64, requires_grad=True)
    grouped = ops.stack_group_points(features, counts, index, own)
    row = 0
    for start, (cloud_size, centre_count) in zip((0, 20, 20), zip(counts.tolist(), own.tolist())):
        part = points[start : start + cloud_size].tolist()
        for _ in range(centre_count):
            assert index[row].tolist() == ball_by_definition(centres[row].tolist(), part, 0.0, 1.0, 5, empty=-1)
            for column, i in enumerate(index[row].tolist()):
                value = features[start + i] if 0 <= i < cloud_size else torch.zeros(3, dtype=torch.float64)
                assert torch.equal(grouped[row, :, column], value)
            row += 1
    assert torch.autograd.gradcheck(lambda f: ops.stack_group_points(f, counts, index, own), features)
    grad, written = torch.randn(grouped.shape, dtype=torch.float64), torch.zeros(51, 3, dtype=torch.float64)
    ext.stack_group_points_backward(grad, index, own, counts, written, b=3, c=3, m=11, n=51, nsample=5)
    torch.testing.assert_close(written, torch.autograd.grad(grouped, features, grad)[0])


def test_grouping_by_definition():
    features = torch.randn(2, 3, 9, dtype=torch.float64, requires_grad=True)
    index = torch.randint(0, 9, (2, 5, 4), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    grouped = ops.group_points(features, index)
    for b, p, s in itertools.product(range(2), range(5), range(4)):
        assert torch.equal(grouped[b, :, p, s], features[b, :, index[b, p, s]])
    assert torch.equal(ops.gather_points(features, index[..., 0]), grouped[..., 0])
    assert torch.autograd.gradcheck(lambda f: ops.group_points(f, index), features)
    grad, written = torch.randn(grouped.shape, dtype=torch.float64), torch.zeros(2, 3, 9, dtype=torch.float64)
    ext.group_points_backward(grad, index, written, b=2, c=3, n=9, npoints=5, nsample=4)
    torch.testing.assert_close(written, torch.autograd.grad(grouped, features, grad)[0])
    assert ops.group_points(features, index[:, :0]).shape == (2, 3, 0, 4)
    with pytest.raises(ValueError, match=r"features \[B, C, N\] and indices \[B, P, S\]"):
        ops.group_points(features, index[:1])


def furthest_by_definition(distances, count):
    nearest, chosen = [1e10] * len(distances), [0]
    for _ in range(count - 1):
        nearest = [d if d < n else n for d, n in zip(distances[chosen[-1]], nearest)]
        chosen.append(max(range(len(nearest)), key=lambda i: (nearest[i], -i)))
    return chosen[:count]


@pytest.mark.parametrize(("total", "count"), [(40, 12), (5, 9), (1, 3), (40, 1), (40, 0)])
def test_furthest_points_by_definition(total, count):
    points = cloud(2, total, step=2)
    if total == 40:
        points[1, 6] = float("nan")
    matrix = [[[squared(p, q) for q in sample] for p in sample] for sample in points.tolist()]
    expected = [furthest_by_definition(m, count) for m in matrix]
    chosen = torch.full((2, count), -1, dtype=torch.int)
    ext.furthest_point_sampling_forward(points, None, chosen, b=2, n=total, m=count)
    assert chosen.tolist() == expected
    assert ops.furthest_point_sample_with_dist(torch.tensor(matrix), count).tolist() == expected
    assert ops.furthest_point_sampling(points.transpose(1, 2).contiguous().transpose(1, 2), count).tolist() == expected


def test_nothing_to_choose_from_is_said():
    with pytest.raises(ValueError, match=r"\[B, N >= 1, 3\], got \[2, 0, 3\]"):
        ops.furthest_point_sampling(torch.zeros(2, 0, 3), 1)
    with pytest.raises(ValueError, match=r"\[B, N, N\], N >= 1, got \[2, 3, 4\]"):
        ops.furthest_point_sample_with_dist(torch.zeros(2, 3, 4), 1)


@pytest.mark.parametrize("size", [1 << 22, 60])
def test_assign_score_by_definition(monkeypatch, size):
    monkeypatch.setattr("mx_driving.ops.assign_score_withk.SIZE", size, raising=False)
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(2, 3, 2, 2, generator=draw, dtype=torch.float64).requires_grad_()
    points, centres = (torch.randn(2, 5, 2, 3, generator=draw, dtype=torch.float64).requires_grad_() for _ in range(2))
    index = torch.randint(0, 5, (2, 3, 2), generator=draw)
    index[0, 1, 1] = 5  # beyond the last point
    result = ops.assign_score_withk(scores, points, centres, index)
    for b, p, k in itertools.product(range(2), range(3), range(2)):
        expected = torch.zeros(3, dtype=torch.float64)
        if index[b, p, k] < 5:
            relative = points[b, index[b, p, k]] - centres[b, index[b, p, 0]]
            expected = (scores[b, p, k].unsqueeze(1) * relative).sum(0)
        torch.testing.assert_close(result[b, :, p, k], expected)
    leaves = (scores, points, centres)
    assert torch.autograd.gradcheck(lambda *x: ops.assign_score_withk(*x, index), leaves)
    grad = torch.randn(result.shape, generator=draw, dtype=torch.float64)
    written = [torch.zeros_like(x) for x in (points, centres, scores)]
    inputs = (grad, points, centres, scores, index)
    ext.assign_score_withk_backward(*inputs, *written, B=2, N0=5, N1=3, M=2, K=2, O=3, aggregate=0)
    for mine, reference in zip(written, torch.autograd.grad(result, (points, centres, scores), grad)):
        torch.testing.assert_close(mine, reference)


def test_chamfer_distance_by_definition():
    a, b = (cloud(2, n, seed=n)[..., :2].double().requires_grad_() for n in (7, 9))
    matrix = (a.unsqueeze(2) - b.unsqueeze(1)).square().sum(3)
    dist1, dist2, idx1, idx2 = ops.chamfer_distance(a, b)
    torch.testing.assert_close(dist1, matrix.amin(2))
    torch.testing.assert_close(dist2, matrix.amin(1))
    assert torch.equal(matrix.gather(2, idx1.long().unsqueeze(2))[..., 0], dist1)
    assert torch.equal(matrix.gather(1, idx2.long().unsqueeze(1))[:, 0], dist2)
    smooth = [torch.randn(2, n, 2, dtype=torch.float64, requires_grad=True) for n in (7, 9)]
    assert torch.autograd.gradcheck(lambda x, y: ops.chamfer_distance(x, y)[:2], smooth)
    written = [torch.full((2, 7), 3.0), torch.full((2, 9), 3.0), torch.zeros(2, 7).int(), torch.zeros(2, 9).int()]
    ext.chamfer_distance_forward(a.detach().float(), b.detach().float(), *written)
    for mine, reference in zip(written, (dist1, dist2, idx1, idx2)):
        assert torch.equal(mine.double(), reference.double())
