"""``mx_driving.modules.voxelization`` of DrivingSDK."""

from mx_driving.peer.voxels import Voxelization as Voxelization
