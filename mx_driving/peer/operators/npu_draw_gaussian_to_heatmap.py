"""``mx_driving.ops.npu_draw_gaussian_to_heatmap`` of DrivingSDK."""

from mx_driving.peer.bev import npu_draw_gaussian_to_heatmap as npu_draw_gaussian_to_heatmap
