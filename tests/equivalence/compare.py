"""Differences between what stock code and patched code showed."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import torch
from torch import Tensor

from equivalence.observe import Seen


def distance(one: Tensor, other: Tensor) -> float:
    """Return the length of the difference relative to the length of the first; infinity if NaN or infinity moved."""
    a, b = one.double().flatten(), other.double().flatten()
    finite = a.isfinite()
    if not torch.equal(finite, b.isfinite()) or not torch.equal(
        a[~finite].nan_to_num(nan=7.0), b[~finite].nan_to_num(nan=7.0)
    ):
        return float("inf")
    a, b = a[finite], b[finite]
    length, gap = a.norm().item(), (a - b).norm().item()
    return 0.0 if gap == 0 else gap / max(length, 1e-30)


def _layout(tensor: Tensor) -> Tuple[Any, ...]:
    # The stride of a dimension of one element says nothing.
    strides = tuple(step for size, step in zip(tensor.shape, tensor.stride()) if size > 1)
    return tuple(tensor.shape), tensor.dtype, strides if tensor.numel() else ()


def differences(stock: Seen, patched: Seen, allowed: float, noise: Dict[str, float]) -> List[str]:
    """Return one line for each difference.

    Args:
        allowed: relative distance that rounding may make anywhere.
        noise: larger distances that were seen to come from rounding, by name.
    """
    found = [f"{name}: only in stock" for name in stock if name not in patched]
    found += [f"{name}: only in patched" for name in patched if name not in stock]
    for name in (name for name in stock if name in patched):
        expected, got = stock[name], patched[name]
        if not isinstance(expected, Tensor) or not isinstance(got, Tensor):
            if expected is not got and repr(expected) != repr(got):
                found.append(f"{name}: expected {_short(expected)}, got {_short(got)}")
        elif _layout(expected) != _layout(got):
            found.append(f"{name}: expected shape, dtype and strides {_layout(expected)}, got {_layout(got)}")
        else:
            gap, limit = distance(expected, got), max(allowed, noise.get(name, 0.0))
            if gap > limit:
                found.append(f"{name}: differs by {gap:.1e} relative to its length, allowed {limit:.1e}")
    return found


def _short(value: Any) -> str:
    text = "a tensor" if isinstance(value, Tensor) else repr(value)
    return text if len(text) < 300 else f"{text[:300]}..."
