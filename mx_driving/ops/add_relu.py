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
    """
    return operators().add_relu(x, y)
