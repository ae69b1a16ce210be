"""``mx_driving.ops.npu_gaussian`` of DrivingSDK."""

from mx_driving.peer.bev import npu_gaussian as npu_gaussian
