"""All targets of one CenterPoint head."""

from __future__ import annotations

from typing import Sequence, Tuple, Union

import torch
from torch import Tensor

from mx_driving.ops.draw_gaussian_to_heatmap import draw_gaussian_to_heatmap
from mx_driving.ops.gaussian import gaussian


def assign_target_of_single_head(
    boxes: Tensor,
    cur_class_id: Tensor,
    num_classes: int,
    out_size_factor: int,
    gaussian_overlap: float,
    min_radius: int,
    voxel_size: Union[Sequence[float], Tensor],
    pc_range: Union[Sequence[float], Tensor],
    feature_map_size: Union[Sequence[int], Tensor],
    norm_bbox: bool = True,
    with_velocity: bool = True,
    flip_angle: bool = False,
    max_objs: int = 500,
) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Make the heatmap and the regression targets of one head.

    Args:
        boxes (Tensor[N, W]), cur_class_id (Tensor[N], integers from 1): the objects; none is allowed.
        num_classes (int): classes of the head.
        voxel_size, pc_range, feature_map_size (x and y first): as the like-named arguments of :func:`gaussian`.
        out_size_factor, gaussian_overlap, min_radius, norm_bbox, with_velocity, flip_angle, max_objs: of
            :func:`gaussian`.

    Returns:
        Tensor[num_classes, Y, X]: heatmap.
        Tensor[max_objs, W + 1], Tensor[max_objs] of int64, Tensor[max_objs] of uint8: boxes, places and mask of
        :func:`gaussian`.

    Source: CenterPoint, arXiv 2006.11275, sec. 4.
    """
    size_x, size_y = int(feature_map_size[0]), int(feature_map_size[1])
    if boxes.shape[0] == 0:
        return (
            boxes.new_zeros((num_classes, size_y, size_x)),
            boxes.new_zeros((max_objs, boxes.shape[1] + 1)),
            torch.zeros(max_objs, dtype=torch.int64, device=boxes.device),
            torch.zeros(max_objs, dtype=torch.uint8, device=boxes.device),
        )
    steps = (float(voxel_size[0]), float(voxel_size[1]), float(pc_range[0]), float(pc_range[1]), size_x, size_y)
    cell, radius, mask, ind, anno_box = gaussian(
        boxes, out_size_factor, gaussian_overlap, min_radius, *steps, norm_bbox, with_velocity, flip_angle, max_objs
    )
    heatmap = draw_gaussian_to_heatmap(mask, cur_class_id[:max_objs], cell.t(), radius, size_x, size_y, num_classes)
    return heatmap, anno_box, ind, mask
