"""``mx_driving.ops.box_iou`` of DrivingSDK."""

from mx_driving.peer.boxes import box_iou_rotated as box_iou_rotated
