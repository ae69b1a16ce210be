"""The one place where an operator's tensors are brought to one dtype; the compiled operators take no mixture."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import torch
from torch import Tensor


def like_first(first: Tensor, *others: Optional[Tensor]) -> Tuple[Any, ...]:
    """Return ``others`` in the dtype of ``first``; as they are where it is not floating, an error named later."""
    if not first.is_floating_point():
        return others
    return tuple(None if tensor is None else tensor.type_as(first) for tensor in others)


def widest(*tensors: Tensor) -> Tuple[Tensor, ...]:
    """Return the tensors in the dtype that holds all of them; what is no floating tensor is not asked."""
    dtype = tensors[0].dtype
    if all(tensor.dtype == dtype for tensor in tensors):
        return tensors
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return tuple(tensor.to(dtype) for tensor in tensors)
