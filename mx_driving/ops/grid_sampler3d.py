"""Samples of a volume."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def grid_sampler3d(
    features: Tensor, grid: Tensor, interpolation: str = "bilinear", padding: str = "zeros", align: bool = True
) -> Tensor:
    """Sample a volume at fractional places; torch's own ``grid_sample``, aligned to corners unless told otherwise.

    Args:
        features (Tensor[N, C, D, H, W]): the volume.
        grid (Tensor[N, Do, Ho, Wo, 3]): places ``(x, y, z)`` in [-1, 1].
        interpolation (str): ``"bilinear"`` or ``"nearest"``.
        padding (str): ``"zeros"``, ``"border"`` or ``"reflection"``.
        align (bool): whether -1 and 1 are the centres of the outermost voxels.

    Returns:
        Tensor[N, C, Do, Ho, Wo]: differentiable to both.
    """
    return functional.grid_sample(features, grid, interpolation, padding, align)
