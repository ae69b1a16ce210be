"""``mx_driving.ops.fused_bias_leaky_relu`` of DrivingSDK."""

from mx_driving.peer.images import npu_fused_bias_leaky_relu as npu_fused_bias_leaky_relu
