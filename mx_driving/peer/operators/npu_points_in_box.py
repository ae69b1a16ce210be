"""``mx_driving.ops.npu_points_in_box`` of DrivingSDK."""

from mx_driving.peer.boxes import npu_points_in_box as npu_points_in_box
from mx_driving.peer.boxes import points_in_box as points_in_box
