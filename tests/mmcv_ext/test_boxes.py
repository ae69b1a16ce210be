"""2D suppression and overlaps are mmcv's: the same rows in the same order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mx_driving import ops


def boxes_of(count, random, size=100.0):
    corner = torch.rand(count, 2, generator=random) * size
    return torch.cat([corner, corner + torch.rand(count, 2, generator=random) * 30], 1)


CASES = {
    "none": lambda r: (torch.zeros(0, 4), torch.zeros(0)),
    "one": lambda r: (boxes_of(1, r), torch.rand(1, generator=r)),
    "few": lambda r: (boxes_of(40, r), torch.rand(40, generator=r)),
    "several blocks": lambda r: (boxes_of(1500, r), torch.rand(1500, generator=r)),
    "far apart": lambda r: (boxes_of(700, r, 5000.0), torch.rand(700, generator=r)),
    "equal scores": lambda r: (boxes_of(300, r), torch.randint(0, 4, (300,), generator=r) / 4),
    "equal boxes": lambda r: (boxes_of(1, r).repeat(50, 1), torch.rand(50, generator=r)),
    "whole numbers": lambda r: (boxes_of(200, r).round() + torch.tensor([0, 0, 1, 1]), torch.rand(200, generator=r)),
    "no area": lambda r: (boxes_of(40, r)[:, [0, 1, 0, 1]], torch.rand(40, generator=r)),
    "NaN": lambda r: (torch.where(torch.rand(60, 4, generator=r) < 0.1, torch.nan, boxes_of(60, r)), torch.rand(60)),
    "infinite": lambda r: (
        torch.where(torch.rand(60, 4, generator=r) < 0.1, torch.inf, boxes_of(60, r)),
        torch.rand(60),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_nms(both, random, case):
    boxes, scores = CASES[case](random)
    for threshold, offset in ((0.0, 0), (0.3, 1), (0.7, 0)):
        theirs, found = both("nms", lambda m, t=threshold, o=offset: m.nms(boxes, scores, t, o)[1])
        assert torch.equal(found, theirs)


def test_nms_takes_columns_that_lie_apart(random):
    boxes, scores = CASES["few"](random)
    wide = torch.cat([boxes, boxes], 1)[:, ::2].t().contiguous().t()
    assert torch.equal(ops.nms(wide, scores, 0.3), ops.nms(wide.contiguous(), scores, 0.3))


def test_nms_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"expected boxes \[N, 4\] and scores \[N\], got \[2, 5\], \[2\]"):
        ops.nms(torch.zeros(2, 5), torch.zeros(2), 0.5)


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("case", ["none", "one", "few", "equal scores", "equal boxes", "whole numbers"])
def test_soft_nms(both, random, case, method):
    boxes, scores = CASES[case](random)
    boxes, scores = boxes[:120], scores[:120]
    theirs, found = both("nms", lambda m: m.soft_nms(boxes, scores, 0.3, 0.5, 0.05, method))
    assert torch.equal(found[1], theirs[1])
    torch.testing.assert_close(found[0], theirs[0])


def test_soft_nms_names_its_methods():
    with pytest.raises(ValueError, match="expected a method out of naive, linear, gaussian, got 'lin'"):
        ops.soft_nms(torch.zeros(0, 4), torch.zeros(0), method="lin")


@pytest.mark.parametrize("case", ["none", "one", "few", "equal scores", "equal boxes", "far apart"])
def test_nms_match(both, random, case):
    boxes, scores = CASES[case](random)
    dets = torch.cat([boxes, scores.unsqueeze(1)], 1)
    theirs, found = both("nms", lambda m: m.nms_match(dets, 0.3))
    assert [np.asarray(group).tolist() for group in found] == [np.asarray(group).tolist() for group in theirs]


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_bbox_overlaps(random, mode, offset):
    ext = pytest.importorskip("mmcv._ext")
    first, second = boxes_of(30, random), boxes_of(20, random)
    second[3, 1] = torch.nan
    for aligned, pair in ((False, (first, second)), (True, (first[:20], second)), (False, (first[:0], second))):
        shape = (len(pair[0]),) if aligned else (len(pair[0]), len(pair[1]))
        expected = torch.zeros(shape)
        ext.bbox_overlaps(*pair, expected, mode=("iou", "iof").index(mode), aligned=aligned, offset=offset)
        torch.testing.assert_close(ops.bbox_overlaps(*pair, mode, aligned, offset), expected, equal_nan=True)
