"""Bumps drawn into the heatmaps of a detection head."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving.ops._boxes3d import chunks


def draw_gaussian_to_heatmap(
    mask: Tensor,
    cur_class_id: Tensor,
    center_int: Tensor,
    radius: Tensor,
    feature_map_size_x: int,
    feature_map_size_y: int,
    num_classes: int,
) -> Tensor:
    """Draw a bump around each centre into the map of its class; where bumps meet the larger value stays.

    Args:
        mask (Tensor[>= n] of uint8): which objects are drawn.
        cur_class_id (Tensor[n], integers): classes, counted from 1.
        center_int (Tensor[2, n], integers): centres in cells, x then y.
        radius (Tensor[n], integers): in cells; a bump ends there, at three standard deviations.
        feature_map_size_x, feature_map_size_y (int): cells of a map.
        num_classes (int): maps.

    Returns:
        Tensor[num_classes, feature_map_size_y, feature_map_size_x].

    Raises:
        ValueError: if a drawn object's class is not in 1..num_classes.

    Source: CenterNet, arXiv 1904.07850, sec. 3; CenterPoint, arXiv 2006.11275.
    """
    size_x, size_y = int(feature_map_size_x), int(feature_map_size_y)
    heatmap = torch.zeros(num_classes * size_y * size_x, device=center_int.device)
    drawn = torch.nonzero(mask[: radius.shape[0]]).squeeze(1)
    if len(drawn) == 0:
        return heatmap.view(num_classes, size_y, size_x)
    label, reach = cur_class_id[drawn].long() - 1, radius[drawn].long()
    if int(label.min()) < 0 or int(label.max()) >= num_classes:
        raise ValueError(f"draw_gaussian_to_heatmap: classes must lie in 1..{num_classes}")
    centre = center_int[:, drawn].long()
    widest = int(reach.max())
    step = torch.arange(-widest, widest + 1, device=centre.device)
    for part in chunks(len(drawn), len(step) ** 2):
        near = step.abs() <= reach[part].unsqueeze(1)
        x, y = (axis[part].unsqueeze(1) + step for axis in centre)
        in_x, in_y = near & (x >= 0) & (x < size_x), near & (y >= 0) & (y < size_y)
        spread = (2 * reach[part] + 1).float() / 6
        squared = (step**2).float() / (2 * spread.square()).unsqueeze(1)
        value = torch.exp(-(squared.unsqueeze(2) + squared.unsqueeze(1)))
        cell = (label[part, None, None] * size_y + y.unsqueeze(2)) * size_x + x.unsqueeze(1)
        inside = in_y.unsqueeze(2) & in_x.unsqueeze(1)
        heatmap.scatter_reduce_(0, cell[inside], value[inside], "amax")
    return heatmap.view(num_classes, size_y, size_x)
