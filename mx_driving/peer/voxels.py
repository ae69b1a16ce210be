"""Voxels under the peer's names."""

from __future__ import annotations

from typing import Any, Sequence, Tuple, Union

from torch import Tensor, nn

from mx_driving.ops import dynamic_scatter, dynamic_voxelize, hard_voxelize, unique_voxel

__all__ = ["Voxelization", "dynamic_scatter", "npu_dynamic_scatter", "unique_voxel", "voxelization"]

npu_dynamic_scatter = dynamic_scatter


def voxelization(
    points: Tensor,
    voxel_size: Sequence[float],
    coors_range: Sequence[float],
    max_points: int = -1,
    max_voxels: int = -1,
    deterministic: bool = True,
    layout: str = "XYZ",
) -> Any:
    """Gather points into voxels.

    Args:
        points (Tensor[N, F]): x, y and z in metres come first.
        voxel_size, coors_range (sequences of 3 and 6 floats): in metres.
        max_points, max_voxels (int): limits; -1 for either: only the cells of the points are found.
        deterministic (bool): no effect; the result always is.
        layout (str): ``"XYZ"``: columns of ``coors`` are x, y, z; anything else: z, y, x.

    Returns:
        (int, Tensor[V, max_points, F], Tensor[V, 3], Tensor[V]): count, voxels, ``coors``, points in each voxel;
        without limits Tensor[N, 3] alone, always z, y, x. mmcv returns no count and always z, y, x.
    """
    if -1 in (max_points, max_voxels):
        return dynamic_voxelize(points, voxel_size, coors_range)
    voxels, coors, counts = hard_voxelize(points, voxel_size, coors_range, max_points, max_voxels)
    return len(coors), voxels, coors.flip(1) if layout == "XYZ" else coors, counts


class Voxelization(nn.Module):
    """:func:`voxelization` as a module; ``max_voxels`` may be a pair for training and testing."""

    def __init__(
        self,
        voxel_size: Sequence[float],
        point_cloud_range: Sequence[float],
        max_num_points: int,
        max_voxels: Union[int, Tuple[int, int]] = 20000,
        deterministic: bool = True,
        layout: str = "XYZ",
    ) -> None:
        super().__init__()
        self.voxel_size = voxel_size
        self.point_cloud_range = point_cloud_range
        self.max_num_points = max_num_points
        self.max_voxels = (max_voxels, max_voxels) if isinstance(max_voxels, int) else tuple(max_voxels)
        self.deterministic = deterministic
        self.layout = layout

    def forward(self, points: Tensor) -> Any:
        """Return what :func:`voxelization` returns."""
        most = self.max_voxels[0 if self.training else 1]
        size, extent = self.voxel_size, self.point_cloud_range
        return voxelization(points, size, extent, self.max_num_points, most, self.deterministic, self.layout)
