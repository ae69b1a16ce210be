"""The operators, as functions; importing this loads ``mx_driving._C``.

Every operator is ``torch.ops.mx_driving.<name>``: kernels for the CPU (and the NPU, where its adapter is built), shapes
for ``torch.compile``, and a gradient. On CUDA there is no kernel: the stock ones stay. The NPU kernels are loaded with
this if torch_npu is: torch before 2.5 does not load it by itself, so a script of yours imports torch_npu first.
"""

from mx_driving.ops import _library

_library.load()

from mx_driving.ops._deform_conv import (  # noqa: E402 - the library must be loaded first
    deform_conv2d,
    deform_conv2d_backward,
    modulated_deform_conv2d,
    modulated_deform_conv2d_backward,
)
from mx_driving.ops._ms_deform_attn import ms_deform_attn, ms_deform_attn_backward  # noqa: E402
from mx_driving.ops._resnet import add_relu, max_pool2d  # noqa: E402

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
