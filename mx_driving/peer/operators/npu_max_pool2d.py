"""``mx_driving.ops.npu_max_pool2d`` of DrivingSDK."""

from mx_driving.peer.images import npu_max_pool2d as npu_max_pool2d
