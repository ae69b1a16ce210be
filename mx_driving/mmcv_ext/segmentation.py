"""Operators on feature maps under the names and arguments of mmcv's extension; results go into the tensors given."""

from __future__ import annotations

import torch
from torch import Tensor

from mx_driving import ops
from mx_driving.ops.psa_mask import psa_mask_backward


def carafe_naive_forward(
    features: Tensor, masks: Tensor, output: Tensor, kernel_size: int, group_size: int, scale_factor: int
) -> None:
    """Write the larger image; see :func:`mx_driving.ops.carafe`."""
    output.copy_(ops.carafe(features, masks, kernel_size, group_size, scale_factor))


def carafe_naive_backward(
    top_grad: Tensor, features: Tensor, masks: Tensor, bottom_grad: Tensor, mask_grad: Tensor, kernel_size: int,
    group_size: int, scale_factor: int,
) -> None:  # fmt: skip
    """Add the gradients by image and kernels."""
    with torch.enable_grad():
        image, kernels = features.detach().requires_grad_(), masks.detach().requires_grad_()
        out = ops.carafe(image, kernels, kernel_size, group_size, scale_factor)
        grads = torch.autograd.grad(out, (image, kernels), top_grad)
    bottom_grad.add_(grads[0])
    mask_grad.add_(grads[1])


def carafe_forward(
    features: Tensor, masks: Tensor, rfeatures: Tensor, routput: Tensor, rmasks: Tensor, output: Tensor,
    kernel_size: int, group_size: int, scale_factor: int,
) -> None:  # fmt: skip
    """As :func:`carafe_naive_forward`; ``rfeatures`` keeps the image for the backward, other buffers are not used."""
    rfeatures.copy_(features)
    carafe_naive_forward(features, masks, output, kernel_size, group_size, scale_factor)


def carafe_backward(
    top_grad: Tensor, rfeatures: Tensor, masks: Tensor, rtop_grad: Tensor, rbottom_grad_hs: Tensor,
    rbottom_grad: Tensor, rmask_grad: Tensor, bottom_grad: Tensor, mask_grad: Tensor, kernel_size: int,
    group_size: int, scale_factor: int,
) -> None:  # fmt: skip
    """As :func:`carafe_naive_backward`."""
    carafe_naive_backward(top_grad, rfeatures, masks, bottom_grad, mask_grad, kernel_size, group_size, scale_factor)


def masked_im2col_forward(
    im: Tensor,
    mask_h_idx: Tensor,
    mask_w_idx: Tensor,
    col: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write the windows around chosen places; see :func:`mx_driving.ops.masked_im2col`."""
    col.copy_(ops.masked_im2col(im, mask_h_idx, mask_w_idx, (kernel_h, kernel_w), (pad_h, pad_w)))


def masked_col2im_forward(
    col: Tensor, mask_h_idx: Tensor, mask_w_idx: Tensor, im: Tensor, height: int, width: int, channels: int
) -> None:
    """Write columns Tensor[channels, M] to their places of the image."""
    im[0][:, mask_h_idx, mask_w_idx] = col


def psamask_forward(
    input: Tensor, output: Tensor, psa_type: int, num_: int, h_feature: int, w_feature: int, h_mask: int, w_mask: int,
    half_h_mask: int, half_w_mask: int,
) -> None:  # fmt: skip
    """Write the masks; see :func:`mx_driving.ops.psa_mask`."""
    output.copy_(ops.psa_mask(input, psa_type, (h_mask, w_mask)))


def psamask_backward(
    grad_output: Tensor, grad_input: Tensor, psa_type: int, num_: int, h_feature: int, w_feature: int, h_mask: int,
    w_mask: int, half_h_mask: int, half_w_mask: int,
) -> None:  # fmt: skip
    """Write the gradient."""
    grad_input.copy_(psa_mask_backward(grad_output, psa_type, (h_mask, w_mask)))


def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Write the mean of each channel of Tensor[N, C, S]."""
    mean.copy_(input.float().mean((0, 2)))


def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Write the mean square distance of each channel from ``mean``."""
    var.copy_((input.float() - mean.view(-1, 1)).square().mean((0, 2)))


def sync_bn_forward_output(
    input: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor,
    norm: Tensor, std: Tensor, output: Tensor, eps: float, momentum: float, group_size: int,
) -> None:  # fmt: skip
    """Normalise and update the running statistics."""
    std.copy_((var + eps).sqrt())
    norm.copy_((input.float() - mean.view(-1, 1)) / std.view(-1, 1))
    output.copy_(norm * weight.view(-1, 1) + bias.view(-1, 1) if weight.numel() else norm)
    if running_mean.numel():
        count = input.shape[0] * input.shape[2] * group_size
        unbiased = var * (count / (count - 1)) if count > 1 else var
        running_mean.copy_(momentum * mean + (1 - momentum) * running_mean)
        running_var.copy_(momentum * unbiased + (1 - momentum) * running_var)


def sync_bn_backward_param(grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor) -> None:
    """Write the gradients by weight and bias."""
    grad_weight.copy_((grad_output.float() * norm).sum((0, 2)))
    grad_bias.copy_(grad_output.float().sum((0, 2)))


def sync_bn_backward_data(
    grad_output: Tensor, weight: Tensor, grad_weight: Tensor, grad_bias: Tensor, norm: Tensor, std: Tensor,
    grad_input: Tensor,
) -> None:  # fmt: skip
    """Write the gradient by the input."""
    share = (norm * grad_weight.view(-1, 1) + grad_bias.view(-1, 1)) / (norm.shape[0] * norm.shape[2])
    grad_input.copy_((weight / std).view(-1, 1) * (grad_output.float() - share))
