"""``mx_driving.ops.npu_index_select`` of DrivingSDK."""

from mx_driving.peer.scatter import npu_index_select as npu_index_select
