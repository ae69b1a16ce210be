"""Points in boxes, common areas and suppression, against mmcv's CPU kernel and plain definitions."""

from __future__ import annotations

import math

import pytest
import torch

from mx_driving import ops
from mx_driving.mmcv_ext import boxes3d as ext

pytestmark = pytest.mark.usefixtures("either_path")


def some_boxes(count, seed=0, spread=12.0):
    """Boxes near each other, turned anyhow; every fifth one straight and on whole numbers."""
    draw = torch.Generator().manual_seed(seed)
    centre = (torch.rand(count, 3, generator=draw) - 0.5) * spread
    size = torch.rand(count, 3, generator=draw) * 4 + 0.5
    boxes = torch.cat([centre, size, (torch.rand(count, 1, generator=draw) - 0.5) * 7], 1)
    boxes[::5] = boxes[::5].round()
    boxes[::5, 3:6] = boxes[::5, 3:6].clamp(min=2)
    boxes[::5, 6] = 0
    return boxes


def some_points(count, seed=1):
    """Points around the boxes; every fifth on whole numbers, so on faces."""
    points = (torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) - 0.5) * 14
    points[::5] = points[::5].round()
    return points


@pytest.mark.parametrize(("points", "boxes"), [(400, 30), (1, 1), (0, 3), (7, 0), (50, 200)])
def test_points_in_boxes_equal_mmcv(points, boxes):
    mmcv_ext = pytest.importorskip("mmcv._ext")
    cloud, own = some_points(points), some_boxes(boxes)
    if points > 6:
        cloud[3], cloud[4, 2] = float("nan"), float("nan")
    theirs = torch.zeros(boxes, points, dtype=torch.int)
    mmcv_ext.points_in_boxes_cpu_forward(own, cloud, theirs)
    ours = torch.zeros_like(theirs)
    ext.points_in_boxes_cpu_forward(own, cloud, ours)
    assert torch.equal(ours, theirs)
    every = ops.points_in_boxes_all(cloud[None], own[None])
    assert torch.equal(every[0], theirs.t())
    first = torch.full((1, points), 9, dtype=torch.int)
    ext.points_in_boxes_part_forward(own[None], cloud[None], first)
    inside = theirs.t().bool()
    expected = [row.nonzero()[0, 0].item() if row.any() else -1 for row in inside]
    assert first[0].tolist() == expected


def test_points_are_taken_in_parts(monkeypatch):
    cloud, own = some_points(101), some_boxes(9)
    whole = ops.points_in_boxes_all(cloud[None], own[None]), ops.points_in_boxes_part(cloud[None], own[None])
    monkeypatch.setattr("mx_driving.ops._boxes3d.CHUNK", 20)
    assert torch.equal(ops.points_in_boxes_all(cloud[None], own[None]), whole[0])
    assert torch.equal(ops.points_in_boxes_part(cloud[None], own[None]), whole[1])


def clipped_area(a, b):
    """Area of two turned rectangles' intersection, by clipping one at the edges of the other, in Python's doubles."""

    def corners(x, y, _z, dx, dy, _dz, angle):
        c, s = math.cos(angle), math.sin(angle)
        signs = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
        return [(x + u * dx * c - v * dy * s, y + u * dx * s + v * dy * c) for u, v in signs]

    polygon, clip = corners(*a), corners(*b)
    for (x1, y1), (x2, y2) in zip(clip, clip[1:] + clip[:1]):

        def side(p, x1=x1, y1=y1, x2=x2, y2=y2):
            return (x2 - x1) * (p[1] - y1) - (y2 - y1) * (p[0] - x1)

        kept = []
        for p, q in zip(polygon, polygon[1:] + polygon[:1]):
            sp, sq = side(p), side(q)
            if sp >= 0:
                kept.append(p)
            if sp * sq < 0:
                t = sp / (sp - sq)
                kept.append((p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])))
        polygon = kept
    return abs(sum(p[0] * q[1] - q[0] * p[1] for p, q in zip(polygon, polygon[1:] + polygon[:1]))) / 2


def test_common_areas_by_definition():
    a, b = some_boxes(25), some_boxes(20, seed=3)
    areas = torch.full((25, 20), -1.0)
    ext.iou3d_boxes_overlap_bev_forward(a, b, areas)
    expected = torch.tensor([[clipped_area(p, q) for q in b.tolist()] for p in a.tolist()])
    # The margin of a centimetre takes corners in that lie outside: at most a centimetre along the perimeter.
    assert (areas - expected).abs().max() < 0.15
    assert ((areas - expected).abs() < 1e-4).float().mean() > 0.9
    assert (expected > 0.1).sum() > 50


def test_common_area_of_equal_and_of_nested_boxes():
    box = torch.tensor([[100.0, -80.0, 0.0, 4.0, 2.0, 1.5, 0.3]])
    inner = box.clone()
    inner[:, 3:5] = 1.0
    assert ops.boxes_overlap_bev(box, box).item() == pytest.approx(8.0, rel=1e-4)
    assert ops.boxes_overlap_bev(box, inner).item() == pytest.approx(1.0, rel=1e-4)
    assert ops.boxes_overlap_bev(box, box + 50).item() == 0
    assert ops.boxes_overlap_bev(box[:0], box).shape == (0, 1)


def test_common_areas_in_double_far_from_the_origin_and_in_parts(monkeypatch):
    boxes = some_boxes(40)
    shifted = boxes.clone()
    shifted[:, :2] += 512.0
    near, far = ops.boxes_overlap_bev(boxes.double(), boxes.double()), ops.boxes_overlap_bev(shifted, shifted)
    assert (near - far).abs().max() < 0.05
    monkeypatch.setattr("mx_driving.ops._boxes3d.CHUNK", 100)
    monkeypatch.setattr("mx_driving.ops.boxes_overlap_bev.PAIRS", 7, raising=False)
    assert torch.equal(ops.boxes_overlap_bev(shifted, shifted), far)


def greedy_by_definition(ious, threshold):
    """One step per box."""
    kept = []
    for row in range(len(ious)):
        if not any(ious[better][row] > threshold for better in kept):
            kept.append(row)
    return kept


def straight(boxes):
    """Pairwise IoU, headings ignored."""
    low = torch.maximum(boxes[:, None, :2] - boxes[:, None, 3:5] / 2, boxes[:, :2] - boxes[:, 3:5] / 2)
    high = torch.minimum(boxes[:, None, :2] + boxes[:, None, 3:5] / 2, boxes[:, :2] + boxes[:, 3:5] / 2)
    common = (high - low).clamp(min=0).prod(2)
    areas = boxes[:, 3] * boxes[:, 4]
    return common / (areas[:, None] + areas - common).clamp(min=1e-8)


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [0, 1, 120])
def test_suppression_is_the_greedy_pass(count, threshold):
    boxes = some_boxes(count)
    scores = torch.rand(count, generator=torch.Generator().manual_seed(4))
    scores[::3] = 0.5  # ties keep the order of the rows
    order = torch.sort(scores, descending=True, stable=True)[1]
    overlap = ops.boxes_overlap_bev(boxes[order], boxes[order])
    areas = boxes[order, 3] * boxes[order, 4]
    turned = overlap / (areas[:, None] + areas - overlap).clamp(min=1e-8)
    assert (
        ops.nms3d(boxes, scores, threshold).tolist() == order[greedy_by_definition(turned.tolist(), threshold)].tolist()
    )
    expected = greedy_by_definition(straight(boxes[order]).tolist(), threshold)
    assert ops.nms3d_normal(boxes, scores, threshold).tolist() == order[expected].tolist()
    keep, total = torch.zeros(count, dtype=torch.long), torch.zeros((), dtype=torch.long)
    ext.iou3d_nms3d_normal_forward(boxes[order].contiguous(), keep, total, nms_overlap_thresh=threshold)
    assert keep[:total].tolist() == expected


def test_a_long_chain_of_suppressions():
    boxes = torch.zeros(300, 7)
    boxes[:, 0] = torch.arange(300) * 0.5
    boxes[:, 3:6] = 1.0  # each meets its two neighbours alone with a third of the union
    assert ops.nms3d(boxes, -boxes[:, 0], 0.2).tolist() == list(range(0, 300, 2))


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"points \[B, N, 3\] and boxes \[B, M, 7\], got \[1, 2, 4\]"):
        ops.points_in_boxes_all(torch.zeros(1, 2, 4), torch.zeros(1, 1, 7))
    with pytest.raises(ValueError, match="one batch size, got 1 and 2"):
        ops.points_in_boxes_part(torch.zeros(1, 2, 3), torch.zeros(2, 1, 7))
    with pytest.raises(ValueError, match=r"boxes_b must be \[N, 7\], got \[3, 5\]"):
        ops.boxes_overlap_bev(torch.zeros(3, 7), torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"nms3d_normal: expected boxes \[N, 7\] and scores \[N\]"):
        ops.nms3d_normal(torch.zeros(3, 7), torch.zeros(4), 0.1)


def cells_by_definition(rois, pts, size, limit):
    """Points of every cell, one by one: {(roi, x, y, z): [points]}."""
    cells = {}
    for r, (cx, cy, cz, dx, dy, dz, angle) in enumerate(rois.tolist()):
        for i, (x, y, z) in enumerate(pts.tolist()):
            c, s = math.cos(angle), math.sin(angle)
            u, v = (x - cx) * c + (y - cy) * s, (y - cy) * c - (x - cx) * s
            if abs(z - cz - dz / 2) <= dz / 2 and abs(u) < dx / 2 and abs(v) < dy / 2:
                place = ((u + dx / 2) / (dx / size[0]), (v + dy / 2) / (dy / size[1]), (z - cz) / (dz / size[2]))
                key = (r, *(min(int(p), n - 1) for p, n in zip(place, size)))
                cells.setdefault(key, [])
                if len(cells[key]) < limit:
                    cells[key].append(i)
    return cells


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pooling_into_cells_by_definition(monkeypatch, mode, limit):
    monkeypatch.setattr("mx_driving.ops._boxes3d.CHUNK", 500)
    rois, pts = some_boxes(6, spread=4.0).double(), some_points(300).double() * 0.4
    features = torch.randn(300, 3, dtype=torch.float64).requires_grad_()
    pooled = ops.roiaware_pool3d(rois, pts, features, (2, 3, 2), limit + 1, mode)
    expected = torch.zeros_like(pooled)
    cells = cells_by_definition(rois, pts, (2, 3, 2), limit)
    assert len(cells) > 20
    for key, members in cells.items():
        expected[key] = features[members].amax(0) if mode == 0 else features[members].mean(0)
    torch.testing.assert_close(pooled, expected)
    assert torch.autograd.gradcheck(
        lambda f: ops.roiaware_pool3d(rois, pts, f, (2, 3, 2), limit + 1, mode), features, fast_mode=True
    )
    grad, written = torch.randn_like(pooled), torch.full_like(features, 2.0)
    argmax = torch.full(pooled.shape, -7, dtype=torch.int)
    table = torch.zeros(*pooled.shape[:4], limit + 1, dtype=torch.int)
    out = torch.zeros_like(pooled)
    ext.roiaware_pool3d_forward(rois, pts, features.detach(), argmax, table, out, pool_method=mode)
    assert {key: table[key][1 : 1 + table[key][0]].tolist() for key in cells} == cells
    ext.roiaware_pool3d_backward(table, argmax, grad, written, pool_method=mode)
    torch.testing.assert_close(written, torch.autograd.grad(pooled, features, grad)[0])


def test_of_equal_maxima_the_first_wins_and_nan_never():
    rois, pts = torch.tensor([[0.0, 0, 0, 2, 2, 2, 0]]), torch.tensor([[0.0, 0, 1]] * 4)
    features = torch.tensor([[float("nan")], [2.0], [2.0], [float("-inf")]], requires_grad=True)
    pooled = ops.roiaware_pool3d(rois, pts, features, 1, 9)
    pooled.sum().backward()
    assert pooled.item() == 2.0
    assert features.grad.flatten().tolist() == [0, 1, 0, 0]
    assert ops.roiaware_pool3d(rois, pts[3:], features[3:], 1, 9).item() == 0  # as mmcv: nothing exceeds -inf
    assert ops.roiaware_pool3d(rois[:0], pts, features, 2, 9).shape == (0, 2, 2, 2, 1)
    assert ops.roiaware_pool3d(rois, pts[:0], features[:0], 2, 9).abs().sum() == 0
    with pytest.raises(ValueError, match=r"mode 0 or 1, got out_size \[2, 0, 1\]"):
        ops.roiaware_pool3d(rois, pts, features, (2, 0, 1), 9)


@pytest.mark.parametrize("count", [1, 4, 60])
def test_points_of_boxes_by_definition(count):
    boxes, cloud = some_boxes(8).view(2, 4, 7), some_points(240).view(2, 120, 3)
    features = torch.randn(2, 120, 2)
    pooled, empty = torch.zeros(2, 4, count, 5), torch.full((2, 4), 9, dtype=torch.int)
    ext.roipoint_pool3d_forward(cloud, boxes, features, pooled, empty)
    for b in range(2):
        inside = ops.points_in_boxes_all(cloud, boxes)[b].t()
        for m in range(4):
            members = inside[m].nonzero()[:count, 0].tolist()
            assert empty[b, m] == (not members)
            for place in range(count):
                expected = torch.zeros(5)
                if members:
                    i = members[place % len(members)]
                    expected = torch.cat([cloud[b, i], features[b, i]])
                assert torch.equal(pooled[b, m, place], expected)
    assert 0 < int(empty.sum()) < 8
    assert ops.roipoint_pool3d(cloud[:, :0], features[:, :0], boxes, 3)[1].sum() == 8


def test_differentiable_iou_of_mmcv_runs_on_ours(monkeypatch):
    """mmcv's differentiable IoU against clipping, with equal boxes, touching ones and one that holds the other."""
    module = pytest.importorskip("mmcv.ops.diff_iou_rotated")
    monkeypatch.setattr(
        module.ext_module, "diff_iou_rotated_sort_vertices_forward", ext.diff_iou_rotated_sort_vertices_forward
    )
    boxes = some_boxes(60)
    other = some_boxes(60, seed=8, spread=6.0)
    boxes[1] = other[1]
    boxes[2], other[2] = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0], [1.0, 0, 0, 1, 1, 1, 0.5]])
    boxes[3], other[3] = torch.tensor([[0.0, 0, 0, 4, 2, 1, 0], [9.0, 0, 0, 1, 1, 1, 0.5]])
    boxes[4], other[4] = torch.tensor([[0.0, 0, 0, 2, 2, 1, 0], [1.0, 1, 0, 2, 2, 1, 0]])
    columns = [0, 1, 3, 4, 6]
    a, b = boxes[None][..., columns].requires_grad_(), other[None][..., columns].requires_grad_()
    iou = module.diff_iou_rotated_2d(a, b)[0]
    common = torch.tensor([clipped_area(p, q) for p, q in zip(boxes.tolist(), other.tolist())])
    expected = common / (boxes[:, 3] * boxes[:, 4] + other[:, 3] * other[:, 4] - common)
    torch.testing.assert_close(iou, expected, rtol=1e-3, atol=1e-4)
    iou.sum().backward()
    assert (a.grad.abs().sum(2)[0][expected > 0.05] > 0).all()


def test_more_than_eight_vertices_lose_the_repeated_ones():
    angles = torch.arange(8) * torch.pi / 4 + 0.1
    octagon = torch.stack([angles.cos(), angles.sin()], 1)
    vertices = torch.zeros(1, 1, 24, 2)
    vertices[0, 0, :8], vertices[0, 0, 8:12] = octagon, octagon[:4] + 1e-7
    mask = torch.zeros(1, 1, 24, dtype=torch.bool)
    mask[..., :12] = True
    index = ops.sort_vertices(vertices, mask, mask.sum(2))[0, 0].tolist()
    corners = [i % 8 for i in index]
    assert corners[:8] == list(range(8))
    assert index[8] == index[0]
    assert ops.sort_vertices(vertices, mask & False, mask.sum(2) * 0)[0, 0].tolist() == [8] * 9
