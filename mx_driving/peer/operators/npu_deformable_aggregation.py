"""``mx_driving.ops.npu_deformable_aggregation`` of DrivingSDK."""

from mx_driving.peer.attention import deformable_aggregation as deformable_aggregation
from mx_driving.peer.attention import npu_deformable_aggregation as npu_deformable_aggregation
