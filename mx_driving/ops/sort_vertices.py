"""Vertices of convex polygons put into order."""

from __future__ import annotations

import torch
from torch import Tensor

LENGTH = 9  # of the list: a polygon of two rectangles has at most 8 vertices, and the first one again
CORNERS = 8  # the first candidates are corners of the two rectangles, the others crossings


def sort_vertices(vertices: Tensor, mask: Tensor, num_valid: Tensor) -> Tensor:
    """List the valid vertices of each polygon anticlockwise, closed and filled up.

    Args:
        vertices (Tensor[B, N, V, 2]): candidates relative to the polygon's inside; V is 24 for two rectangles.
        mask (Tensor[B, N, V] of bool): which are vertices.
        num_valid (Tensor[B, N], integers): how many are.

    Returns:
        Tensor[B, N, 9] of int32: vertices by angle from the x axis on, then the first again, then a crossing that is
        none (its coordinates are 0, so it adds no area). Fewer than three vertices: that crossing alone. Of more than
        eight, which only repeated ones can make, those next to their predecessors are left out.

    Source: mmcv's ``diff_iou_rotated_sort_vertices_forward`` (Rotated_IoU of lilanxiao); a vertex that occurs twice
    stays in its place here, where mmcv's kernel puts vertex 0.
    """
    angle = torch.atan2(vertices[..., 1], vertices[..., 0])
    angle = torch.where(angle < 0, angle + 2 * torch.pi, angle)
    order = torch.where(mask, angle, torch.full_like(angle, 10.0)).sort(dim=2, stable=True)[1]
    order = _drop_repeated(vertices, mask, order)
    count = num_valid.long().clamp(max=LENGTH - 1).unsqueeze(2)
    filler = (~mask[..., CORNERS:]).to(torch.int8).argmax(2, keepdim=True) + CORNERS
    place = torch.arange(LENGTH, device=vertices.device)
    listed = torch.where(place == count, order[..., :1], order[..., :LENGTH])
    return torch.where((place > count) | (count < 3), filler, listed).to(torch.int32)


def _drop_repeated(vertices: Tensor, mask: Tensor, order: Tensor) -> Tensor:
    """Put behind, where more than eight are valid, those nearest to their predecessors; the others keep their order."""
    surplus = mask.sum(2, keepdim=True) - (LENGTH - 1)
    if not bool((surplus > 0).any()):
        return order
    points = vertices.gather(2, order.unsqueeze(3).expand_as(vertices))
    valid = mask.gather(2, order)
    last = points.gather(2, (valid.sum(2) - 1).clamp(min=0)[..., None, None].expand(-1, -1, 1, 2))
    before = torch.cat([last, points[:, :, :-1]], 2)
    gap = torch.where(valid, (points - before).square().sum(3), torch.full_like(points[..., 0], float("inf")))
    rank = gap.argsort(2).argsort(2)
    dropped = valid & (rank < surplus)
    return order.gather(2, (dropped | ~valid).to(torch.int8).sort(dim=2, stable=True)[1])
