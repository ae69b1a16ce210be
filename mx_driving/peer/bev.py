"""Bird's-eye view pooling and CenterPoint's targets under the peer's names."""

from mx_driving.ops import assign_target_of_single_head as npu_assign_target_of_single_head
from mx_driving.ops import bev_pool, bev_pool_v2, bev_pool_v3
from mx_driving.ops import draw_gaussian_to_heatmap as npu_draw_gaussian_to_heatmap
from mx_driving.ops import gaussian as npu_gaussian
from mx_driving.ops import voxel_pooling_train as npu_voxel_pooling_train

__all__ = [
    "bev_pool",
    "bev_pool_v2",
    "bev_pool_v3",
    "npu_assign_target_of_single_head",
    "npu_draw_gaussian_to_heatmap",
    "npu_gaussian",
    "npu_voxel_pooling_train",
]
