"""``mx_driving.modules.roi_point_pool_3d`` of DrivingSDK."""

from mx_driving.peer.points import RoIPointPool3d as RoIPointPool3d
