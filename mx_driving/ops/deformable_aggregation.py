"""Features of several cameras and scales sampled at key points, and fused with weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


def deformable_aggregation(
    mc_ms_feat: Tensor, spatial_shape: Tensor, scale_start_index: Tensor, sampling_location: Tensor, weights: Tensor
) -> Tensor:
    """Sample every map at every key point, and sum over points, cameras and scales with weights.

    Args:
        mc_ms_feat (Tensor[B, S, C]): features of all maps, flattened one behind the other.
        spatial_shape (Tensor[cam, scale, 2], integers): ``(H, W)`` of each map.
        scale_start_index (Tensor[cam, scale], integers): its first row in S.
        sampling_location (Tensor[B, A, P, cam, 2]): ``(x, y)`` of the P key points of A anchors, as fractions of the
            image; a point that is not strictly inside of (0, 1) is left out.
        weights (Tensor[B, A, P, cam, scale, G]): one weight for each of G groups of channels.

    Returns:
        Tensor[B, A, C]: differentiable to features, locations and weights.

    Raises:
        ValueError: if G does not divide C, or the numbers of cameras and scales differ.

    Source: Sparse4D, arXiv 2211.10581, sec. 3.3; v2, arXiv 2305.14018, sec. 3.2.
    """
    shapes, starts = spatial_shape.tolist(), scale_start_index.tolist()
    channels, groups = mc_ms_feat.shape[2], weights.shape[5]
    cameras, scales = len(shapes), len(shapes[0]) if shapes else 0
    if channels % groups or weights.shape[3:5] != (cameras, scales) or sampling_location.shape[3] != cameras:
        raise ValueError(
            f"deformable_aggregation: expected weights [B, A, P, {cameras}, {scales}, G], G dividing {channels}, and "
            f"{cameras} cameras in the locations, got {list(weights.shape)} and {list(sampling_location.shape)}"
        )
    result = mc_ms_feat.new_zeros((mc_ms_feat.shape[0], sampling_location.shape[1], channels))
    for camera, sizes in enumerate(shapes):
        for scale, (height, width) in enumerate(sizes):
            start = starts[camera][scale]
            part = mc_ms_feat[:, start : start + height * width]
            # Samples are taken anew in the backward pass: those of all maps at once would be gigabytes.
            result = result + checkpoint(
                _one_map,
                part,
                height,
                width,
                sampling_location[:, :, :, camera],
                weights[:, :, :, camera, scale],
                use_reentrant=False,
                preserve_rng_state=False,
            )
    return result


def _one_map(rows: Tensor, height: int, width: int, location: Tensor, weights: Tensor) -> Tensor:
    """Contribution of one map: Tensor[B, A, C]."""
    batch, anchors, points, groups = weights.shape
    image = rows.transpose(1, 2).reshape(batch, -1, height, width)
    sampled = functional.grid_sample(image, 2 * location - 1, align_corners=False)  # [B, C, A, P]
    inside = ((location > 0) & (location < 1)).all(3, keepdim=True)
    share = torch.where(inside, weights, torch.zeros_like(weights)).permute(0, 3, 1, 2)
    grouped = sampled.reshape(batch, groups, -1, anchors, points) * share.unsqueeze(2)
    return grouped.sum(4).flatten(1, 2).transpose(1, 2)
