"""A plugin's private autograd Function, written the way BEVFormer writes its ``..._fp32``: it bypasses mmcv's class."""

from mmcv.utils import ext_loader
from torch.autograd.function import Function, once_differentiable

ext_module = ext_loader.load_ext("_ext", ["ms_deform_attn_backward", "ms_deform_attn_forward"])


class MultiScaleDeformableAttnFunction_fp32(Function):
    @staticmethod
    def forward(ctx, value, spatial_shapes, level_start_index, locations, weights, im2col_step):
        ctx.im2col_step = im2col_step
        output = ext_module.ms_deform_attn_forward(
            value, spatial_shapes, level_start_index, locations, weights, im2col_step=ctx.im2col_step
        )
        ctx.save_for_backward(value, spatial_shapes, level_start_index, locations, weights)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output):
        value, shapes, starts, locations, weights = ctx.saved_tensors
        grads = [tensor.new_zeros(tensor.shape) for tensor in (value, locations, weights)]
        ext_module.ms_deform_attn_backward(
            value, shapes, starts, locations, weights, grad_output.contiguous(), *grads, im2col_step=ctx.im2col_step
        )
        return grads[0], None, None, grads[1], grads[2], None
