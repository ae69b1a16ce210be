"""The operators, as functions; the compiled library behind them loads at the first call, or by :func:`load`.

Every operator is ``torch.ops.mx_driving.<name>``: kernels for the CPU (and the NPU, where its adapter is built), shapes
for ``torch.compile``, and a gradient. On CUDA there is no kernel: the stock ones stay. The NPU kernels are loaded with
the library if torch_npu is: torch before 2.5 does not load it by itself, so a script of yours imports torch_npu first.
"""

from mx_driving.ops._library import is_built as is_built
from mx_driving.ops._library import load as load
from mx_driving.ops.add_relu import add_relu
from mx_driving.ops.deform_conv2d import deform_conv2d, deform_conv2d_backward
from mx_driving.ops.max_pool2d import max_pool2d
from mx_driving.ops.modulated_deform_conv2d import modulated_deform_conv2d, modulated_deform_conv2d_backward
from mx_driving.ops.ms_deform_attn import ms_deform_attn, ms_deform_attn_backward

__all__ = [
    "add_relu",
    "deform_conv2d",
    "deform_conv2d_backward",
    "max_pool2d",
    "modulated_deform_conv2d",
    "modulated_deform_conv2d_backward",
    "ms_deform_attn",
    "ms_deform_attn_backward",
]
