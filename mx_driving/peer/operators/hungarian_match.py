"""``mx_driving.ops.hungarian_match`` of DrivingSDK."""

from mx_driving.peer.training import hungarian_match as hungarian_match
