"""Turned boxes: shares and rows as the compiled mmcv gives them."""

from __future__ import annotations

import pytest
import torch


def boxes_of(count, random, size=60.0):
    centre = torch.rand(count, 2, generator=random) * size
    sides = torch.rand(count, 2, generator=random) * 30 + 1
    return torch.cat([centre, sides, torch.rand(count, 1, generator=random) * 6 - 3], 1)


@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_shares(both, random, mode):
    first, second = boxes_of(40, random), boxes_of(30, random)
    second[:3] = first[:3]  # the same boxes
    second[3, 2] = 0  # no area
    first[4, 4], second[4] = 0.0, first[4] + torch.tensor([3.0, 0, 0, 0, 0])  # edges on one line
    for aligned, pair in ((False, (first, second)), (True, (first[:30], second)), (False, (first[:0], second))):
        theirs, found = both("box_iou_rotated", lambda m, p=pair, a=aligned: m.box_iou_rotated(*p, mode, a))
        torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 200])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5])
def test_suppression(both, random, count, threshold):
    boxes, scores = boxes_of(count, random, 200.0), torch.rand(count, generator=random)
    if not count:
        boxes = boxes.reshape(0, 5)
    theirs, found = both("nms", lambda m: m.nms_rotated(boxes, scores, threshold)[1])
    assert found is theirs is None or torch.equal(found, theirs)


def test_labels_keep_boxes_apart(ours, random):
    boxes = boxes_of(1, random).repeat(4, 1)
    scores, labels = torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([0, 1, 0, 1])
    assert ours("nms").nms_rotated(boxes, scores, 0.5, labels)[1].tolist() == [0, 1]
