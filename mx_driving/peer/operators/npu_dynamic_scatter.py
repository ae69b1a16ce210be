"""``mx_driving.ops.npu_dynamic_scatter`` of DrivingSDK."""

from mx_driving.peer.voxels import dynamic_scatter as dynamic_scatter
from mx_driving.peer.voxels import npu_dynamic_scatter as npu_dynamic_scatter
