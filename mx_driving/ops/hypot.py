"""Length of the hypotenuse."""

from __future__ import annotations

import torch
from torch import Tensor


def hypot(x: Tensor, y: Tensor) -> Tensor:
    """``sqrt(x ** 2 + y ** 2)``, broadcast.

    Args:
        x (Tensor[...]), y (Tensor[...]): shapes that may be added.

    Returns:
        Tensor[...]: torch's own ``hypot``, under the name that migrated models use; differentiable, NaN at (0, 0).
    """
    return torch.hypot(x, y)
