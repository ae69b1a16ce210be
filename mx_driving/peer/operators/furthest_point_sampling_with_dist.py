"""``mx_driving.ops.furthest_point_sampling_with_dist`` of DrivingSDK."""

from mx_driving.peer.points import furthest_point_sample_with_dist as furthest_point_sample_with_dist
