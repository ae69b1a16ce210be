"""Points, voxels and BEV pooling: ``mx_driving.point``, an older namespace of DrivingSDK."""

from mx_driving.peer import namespace, provided

NAMES = [
    "bev_pool_v3",
    "Voxelization",
    "bev_pool",
    "bev_pool_v2",
    "npu_voxel_pooling_train",
    "furthest_point_sample_with_dist",
    "furthest_point_sampling",
    "group_points",
    "npu_dynamic_scatter",
    "npu_furthest_point_sampling",
    "npu_group_points",
    "voxelization",
]

__all__ = [*provided(NAMES)]  # noqa: PLE0604
__getattr__ = namespace("point", NAMES)
