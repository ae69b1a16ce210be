"""Pooling of boxes: values and gradients against the compiled mmcv, or a plain reference where it has no CPU kernel."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from mx_driving import ops


def images_and_boxes(random, count=9, batch=2, channels=3, size=(13, 17), dtype=torch.float32):
    images = torch.randn(batch, channels, *size, generator=random, dtype=dtype)
    corner = torch.rand(count, 2, generator=random, dtype=dtype) * 60 - 8
    boxes = torch.cat([corner, corner + torch.rand(count, 2, generator=random, dtype=dtype) * 50], 1)
    return images, torch.cat([torch.randint(0, batch, (count, 1), generator=random).to(dtype), boxes], 1)


def value_and_gradient(call, images):
    images = images.detach().clone().requires_grad_()
    out = call(images)
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).sum().backward()
    return out.detach(), images.grad


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [0, 1, 2, 5])
@pytest.mark.parametrize("mode", ["avg", "max"])
def test_roi_align(both, random, mode, ratio, aligned):
    images, boxes = images_and_boxes(random)
    boxes[0, 1:] = torch.tensor([-40.0, -40.0, -30.0, -30.0])  # outside
    boxes[1, 1:] = torch.tensor([3.0, 3.0, 3.0, 3.0])  # no area
    boxes[2, 1:] = torch.tensor([0.0, 0.0, 68.0, 52.0])  # all of the image
    boxes[3, 1:] = torch.tensor([0.0, 0.0, 400.0, 52.0])  # larger than a window of shared pixels
    call = lambda m: value_and_gradient(  # noqa: E731
        lambda x: m.roi_align(x, boxes, (4, 3), 0.25, ratio, mode, aligned), images
    )
    theirs, found = both("roi_align", call)
    torch.testing.assert_close(found, theirs, rtol=1e-5, atol=1e-5)


def test_roi_align_without_boxes(both, random):
    images, boxes = images_and_boxes(random)
    theirs, found = both("roi_align", lambda m: value_and_gradient(lambda x: m.roi_align(x, boxes[:0], (2, 2)), images))
    torch.testing.assert_close(found, theirs)


def test_roi_align_reads_any_layout(random):
    images, boxes = images_and_boxes(random)
    expected = ops.roi_align(images, boxes, (3, 3), 0.25)
    turned = images.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(ops.roi_align(turned, boxes, (3, 3), 0.25), expected)
    assert torch.equal(ops.roi_align(images.to(memory_format=torch.channels_last), boxes, (3, 3), 0.25), expected)


@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_gradient(random, ratio):
    images, boxes = images_and_boxes(random, 3, 1, 2, (6, 5), torch.float64)
    assert gradcheck(lambda x: ops.roi_align(x, boxes, (2, 2), 0.1, ratio), (images.requires_grad_(),))


def test_roi_align_refuses_boxes_that_are_turned_inside_out(random):
    images, _ = images_and_boxes(random)
    with pytest.raises(ValueError, match="got one of negative size; sort them"):
        ops.roi_align(images, torch.tensor([[0.0, 9.0, 9.0, 2.0, 2.0]]), (2, 2))


def plain_roi_pool(images, rois, size, scale):
    out = images.new_zeros(len(rois), images.shape[1], *size)
    for k, (batch, *corners) in enumerate(rois.tolist()):
        x1, y1, x2, y2 = corners[0] * scale, corners[1] * scale, (corners[2] + 1) * scale, (corners[3] + 1) * scale
        for i in range(size[0]):
            for j in range(size[1]):
                rows = range(*bounds(y1, y2, i, size[0], images.shape[2]))
                columns = range(*bounds(x1, x2, j, size[1], images.shape[3]))
                if rows and columns and x2 > x1 and y2 > y1:
                    out[k, :, i, j] = images[int(batch)][:, rows][:, :, columns].amax((1, 2))
    return out


def bounds(start, end, number, bins, limit):
    step = (end - start) / bins
    first, last = torch.tensor(number * step + start).floor(), torch.tensor((number + 1) * step + start).ceil()
    return int(first.clamp(0, limit)), int(last.clamp(0, limit))


def test_roi_pool(ours, random):
    images, boxes = images_and_boxes(random, dtype=torch.float64)
    boxes[0, 1:] = torch.tensor([-40.0, -40.0, -30.0, -30.0])
    boxes[1, 1:] = torch.tensor([9.0, 9.0, 2.0, 2.0])
    module = ours("roi_pool")
    found = value_and_gradient(lambda x: module.roi_pool(x, boxes, (4, 3), 0.25), images)
    expected = value_and_gradient(lambda x: plain_roi_pool(x, boxes, (4, 3), 0.25), images)
    torch.testing.assert_close(found, expected)
    assert gradcheck(lambda x: module.roi_pool(x, boxes[2:4], (2, 2), 0.25), (images.clone().requires_grad_(),))


def test_roi_pool_without_boxes(ours, random):
    images, boxes = images_and_boxes(random)
    assert ours("roi_pool").roi_pool(images, boxes[:0], (2, 2), 1.0).shape == (0, 3, 2, 2)
