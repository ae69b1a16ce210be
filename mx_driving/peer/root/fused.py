"""Image operators and attention: ``mx_driving.fused``, an older namespace of DrivingSDK."""

from mx_driving.peer import namespace, provided

NAMES = [
    "multi_scale_deformable_attn",
    "npu_max_pool2d",
    "modulated_deform_conv2d",
    "ModulatedDeformConv2dFunction",
    "npu_add_relu",
    "npu_multi_scale_deformable_attn_function",
    "npu_deformable_aggregation",
    "deform_conv2d",
    "DeformConv2dFunction",
    "MultiScaleDeformableAttnFunction",
    "npu_fused_bias_leaky_relu",
]

__all__ = [*provided(NAMES)]  # noqa: PLE0604
__getattr__ = namespace("fused", NAMES)
