"""Takes down everything that a call shows: results, gradients, what it wrote to, random states."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Tuple

import torch
from torch import Tensor, nn

from equivalence.case import random_states, tensors

Seen = Dict[str, Any]
"""By name: a tensor (a copy) or a value that compares."""


def copy(tensor: Tensor) -> Tensor:
    """Return a copy with the layout kept, of a tensor in any mode and with any history."""
    with torch.inference_mode(False), torch.no_grad():
        plain = tensor.detach()
        return plain.to_dense() if plain.layout is not torch.strided else plain.clone()


def results(value: Any, name: str = "result") -> Seen:
    """Return the tensors of a result, and what is to be known of them."""
    seen: Seen = {}
    for place, tensor in tensors(value, name):
        seen[place] = copy(tensor)
        seen[f"{place} is"] = (tensor.requires_grad, tensor.is_inference(), tensor.layout, tensor.device.type)
    return seen


def loss_of(value: Any) -> Tensor:
    """Return one number in which every floating tensor of a result has a weight of its own in each place."""
    total = torch.zeros(())
    for _, tensor in tensors(value):
        if tensor.is_floating_point() and tensor.requires_grad:
            weights = torch.linspace(-1.0, 1.5, tensor.numel(), dtype=torch.float64).reshape(tensor.shape)
            total = total + (tensor * weights.to(tensor.dtype)).sum().to(total.dtype)
    return total


def leaves_of(inputs: Tuple) -> Dict[str, Tensor]:
    """Return the floating tensors of the inputs, by place."""
    return {place: tensor for place, tensor in tensors(inputs, "input") if tensor.is_floating_point()}


def gradients(module: nn.Module, leaves: Dict[str, Tensor]) -> Seen:
    """Return all gradients that were accumulated."""
    named: Iterable[Tuple[str, Tensor]] = (*leaves.items(), *module.named_parameters())
    return {f"gradient of {name}": None if leaf.grad is None else copy(leaf.grad) for name, leaf in named}


def traces(module: nn.Module, inputs: Tuple) -> Seen:
    """Return what the call may have written to: inputs, buffers, random states."""
    seen: Seen = {f"{place} afterwards": copy(tensor) for place, tensor in tensors(inputs, "input")}
    seen.update({f"buffer {name} afterwards": copy(buffer) for name, buffer in module.named_buffers()})
    return {**seen, **random_states()}
