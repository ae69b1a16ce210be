"""``mx_driving.ops.multi_scale_deformable_attn`` of DrivingSDK."""

from mx_driving.peer.attention import MultiScaleDeformableAttnFunction as MultiScaleDeformableAttnFunction
from mx_driving.peer.attention import multi_scale_deformable_attn as multi_scale_deformable_attn
from mx_driving.peer.attention import (
    npu_multi_scale_deformable_attn_function as npu_multi_scale_deformable_attn_function,
)
