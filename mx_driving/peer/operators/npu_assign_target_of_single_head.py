"""``mx_driving.ops.npu_assign_target_of_single_head`` of DrivingSDK."""

from mx_driving.peer.bev import npu_assign_target_of_single_head as npu_assign_target_of_single_head
