"""``mx_driving.ops.npu_points_in_box_all`` of DrivingSDK."""

from mx_driving.peer.boxes import npu_points_in_box_all as npu_points_in_box_all
from mx_driving.peer.boxes import points_in_boxes_all as points_in_boxes_all
