"""Centres, radii and regression targets of CenterPoint heads."""

from __future__ import annotations

from typing import Tuple

import torch
from torch import Tensor


def gaussian(
    boxes: Tensor,
    out_size_factor: int,
    gaussian_overlap: float,
    min_radius: int,
    voxel_size_x: float,
    voxel_size_y: float,
    pc_range_x: float,
    pc_range_y: float,
    feature_map_size_x: int,
    feature_map_size_y: int,
    norm_bbox: bool = True,
    with_velocity: bool = True,
    flip_angle: bool = False,
    max_objs: int = 500,
) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Find the cell, the radius and the regression targets of each box.

    Args:
        boxes (Tensor[N, W]): ``(x, y, z, w, l, h, heading, ...)``, metres and radians; W is 9 with velocities.
        out_size_factor (int): voxels per cell of the head's map.
        gaussian_overlap (float): overlap that a box moved by the radius still has.
        min_radius (int): least radius, in cells.
        voxel_size_x, voxel_size_y, pc_range_x, pc_range_y (float): edges of a voxel and the range's lowest corner, in
            metres.
        feature_map_size_x, feature_map_size_y (int): cells of the map.
        norm_bbox (bool): the logarithm of the sizes instead of the sizes.
        with_velocity (bool): without effect; what follows the heading is copied.
        flip_angle (bool): cosine before sine.
        max_objs (int): most boxes; n is the smaller of N and this.

    Returns:
        Tensor[n, 2] of int32: cells ``(x, y)``, cut towards 0.
        Tensor[n] of int32: radii, in cells.
        Tensor[max_objs] of uint8: 1 for a box of positive size in the map.
        Tensor[max_objs] of int64: ``y * feature_map_size_x + x``; 0 where the mask is.
        Tensor[max_objs, W + 1]: offset in the cell (2), z, sizes (3), sine, cosine, the rest; 0 where the mask is.

    Raises:
        ValueError: if there is no box, or it has fewer than 7 columns.

    Source: CenterPoint, arXiv 2006.11275, sec. 4; the radius as mmdet3d's ``gaussian_radius``.
    """
    if boxes.dim() != 2 or boxes.shape[0] == 0 or boxes.shape[1] < 7:
        raise ValueError(f"gaussian: boxes must be [N >= 1, W >= 7], got {list(boxes.shape)}")
    boxes = boxes[:max_objs].float()
    x = (boxes[:, 0] - pc_range_x) / voxel_size_x / out_size_factor
    y = (boxes[:, 1] - pc_range_y) / voxel_size_y / out_size_factor
    width, length = boxes[:, 3] / voxel_size_x / out_size_factor, boxes[:, 4] / voxel_size_y / out_size_factor
    centre = torch.stack([x, y], 1)
    cell = centre.to(torch.int32)
    radius = gaussian_radius(width, length, gaussian_overlap).nan_to_num(0).to(torch.int32).clamp(min=min_radius)
    extent = torch.tensor([feature_map_size_x, feature_map_size_y], device=boxes.device)
    valid = (width > 0) & (length > 0) & ((cell >= 0) & (cell < extent)).all(1)
    turn = [torch.sin(boxes[:, 6:7]), torch.cos(boxes[:, 6:7])]
    sizes = boxes[:, 3:6].log() if norm_bbox else boxes[:, 3:6]
    target = torch.cat([centre - cell, boxes[:, 2:3], sizes, *(turn[::-1] if flip_angle else turn), boxes[:, 7:]], 1)
    mask = torch.zeros(max_objs, dtype=torch.uint8, device=boxes.device)
    ind = torch.zeros(max_objs, dtype=torch.int64, device=boxes.device)
    anno_box = boxes.new_zeros((max_objs, boxes.shape[1] + 1))
    count = boxes.shape[0]
    mask[:count] = valid
    ind[:count] = torch.where(valid, cell[:, 1].long() * feature_map_size_x + cell[:, 0], torch.zeros_like(ind[:count]))
    anno_box[:count] = torch.where(valid.unsqueeze(1), target, torch.zeros_like(target))
    return cell, radius, mask, ind, anno_box


def gaussian_radius(height: Tensor, width: Tensor, overlap: float) -> Tensor:
    """Least of three radii at which boxes Tensor[n] by Tensor[n] cells still overlap; the roots as in mmdet3d."""
    total, area = height + width, height * width
    first = _root(total, area * (1 - overlap) / (1 + overlap), 4)
    second = _root(2 * total, (1 - overlap) * area, 16)
    third = _root(-2 * overlap * total, (overlap - 1) * area, 16 * overlap)
    return torch.minimum(torch.minimum(first, second), third)


def _root(b: Tensor, c: Tensor, factor: float) -> Tensor:
    return (b + (b * b - factor * c).sqrt()) / 2
