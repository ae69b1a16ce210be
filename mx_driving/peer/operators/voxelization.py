"""``mx_driving.ops.voxelization`` of DrivingSDK."""

from mx_driving.peer.voxels import voxelization as voxelization
