"""Losses under the names and arguments of mmcv's extension; results are written into the tensors given."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops.sigmoid_focal_loss import sigmoid_focal_loss, sigmoid_focal_loss_derivative
from mx_driving.ops.softmax_focal_loss import softmax_focal_loss, softmax_focal_loss_derivative


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each element; see :func:`mx_driving.ops.sigmoid_focal_loss`."""
    output.copy_(sigmoid_focal_loss(input, target, gamma, alpha, weight))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each element's loss with respect to its logit."""
    grad_input.copy_(sigmoid_focal_loss_derivative(input, target, gamma, alpha, weight))


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each row; ``input`` holds probabilities. See :func:`mx_driving.ops.softmax_focal_loss`."""
    output.copy_(softmax_focal_loss(input, target, gamma, alpha, weight))


def softmax_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivatives by the logits, and the factor that a row's share into ``buff``."""
    factor, grad = softmax_focal_loss_derivative(input, target, gamma, alpha, weight)
    buff.copy_(factor)
    grad_input.copy_(grad)
