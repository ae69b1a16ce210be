"""``mx_driving.ops.grid_sampler2d_v2`` of DrivingSDK."""

from mx_driving.peer.images import grid_sampler2d_v2 as grid_sampler2d_v2
