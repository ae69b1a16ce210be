"""Registrations with torch's dispatcher: they reach every caller, C++ included, and leave other devices alone."""

from __future__ import annotations

from typing import Any, Callable

import torch

from mx_driving._core import PatchSkipped


def override(operator: str, key: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[[], None]:
    """Register a kernel of ours over the native one and return the function that takes it back.

    Args:
        operator: such as ``"aten::index.Tensor"``.
        key: dispatch key whose kernel is replaced.
        make: is handed ``native(keyset, *args)`` and returns our ``kernel(keyset, *args)``.

    Raises:
        PatchSkipped: this torch cannot call the native kernel, or the key has none.
    """
    get_kernel = getattr(torch.library, "get_kernel", None)
    if get_kernel is None:
        raise PatchSkipped(f"torch {torch.__version__} cannot call the native kernel (no torch.library.get_kernel)")
    kernel = make(get_kernel(operator, key).call_boxed)
    namespace, _, name = operator.partition("::")
    library = torch.library.Library(namespace, "IMPL")
    library.impl(name, kernel, key, with_keyset=True)
    return library._destroy
