"""``mx_driving.ops.fused_adamw_custom`` of DrivingSDK."""

from mx_driving.peer.training import fused_adamw_custom as fused_adamw_custom
