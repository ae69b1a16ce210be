"""``mx_driving.ops.grid_sampler3d_v1`` of DrivingSDK."""

from mx_driving.peer.images import grid_sampler3d_v1 as grid_sampler3d_v1
