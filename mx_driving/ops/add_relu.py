"""The end of a residual block in one pass over memory."""

from __future__ import annotations

from torch import Tensor

from mx_driving.ops._library import operators


def add_relu(x: Tensor, y: Tensor) -> Tensor:
    """``relu(x + y)`` in one pass: the end of a residual block.

    Args:
        x (Tensor[...]): the block's output.
        y (Tensor[...]): its shortcut, of a shape and dtype that may be added to ``x``.

    Returns:
        Tensor[...]: of the shape and dtype of ``x + y``.

    Raises:
        RuntimeError: if the shapes do not broadcast, or a tensor is not floating or not on the other's device.

    Example:
        >>> import torch
        >>> add_relu(torch.tensor([1.0, -3.0]), torch.tensor([1.0, 1.0]))
        tensor([2., 0.])
    """
    return operators().add_relu(x, y)


def add_relu_(x: Tensor, y: Tensor) -> Tensor:
    """``x.add_(y).relu_()`` in one pass, in place as the models' own blocks do it: no third feature map.

    Args:
        x (Tensor[...]): the block's output; overwritten.
        y (Tensor[...]): its shortcut, of the shape, dtype and device of ``x``.

    Returns:
        Tensor[...]: ``x``.

    Raises:
        RuntimeError: if the tensors differ in shape, dtype or device, are not floating, or ``x`` is a leaf that
            requires a gradient.
    """
    operators().add_relu_(x, y)
    return x
