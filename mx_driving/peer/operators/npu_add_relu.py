"""``mx_driving.ops.npu_add_relu`` of DrivingSDK."""

from mx_driving.peer.images import npu_add_relu as npu_add_relu
