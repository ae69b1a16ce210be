"""What is run: a module or model, its inputs, and how it is called."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Tuple

import numpy as np
import torch
from torch import Tensor, nn

EPS = {torch.float64: 2.0**-52, torch.float32: 2.0**-23, torch.bfloat16: 2.0**-8}
"""Steps between neighbouring numbers, relative: the rounding that two ways of computing may differ by."""


@dataclass(frozen=True)
class Case:
    """A module or model under comparison.

    Args:
        build: returns a new module; the random state is the same at each call.
        inputs: returns the call's inputs, a tuple of tensors or of anything that holds some.
        call: ``call(module, *inputs)``; a tensor, or anything that holds some.
        disturbed: relative size of random changes to parameters and inputs; not zero where the harness asks how far
            rounding alone carries.
    """

    build: Callable[[], nn.Module]
    inputs: Callable[[], Tuple]
    call: Callable[..., Any] = lambda module, *inputs: module(*inputs)
    disturbed: float = 0.0

    def made(self, train: bool = True, dtype: torch.dtype = torch.float32) -> Tuple[nn.Module, Tuple]:
        """Return module and inputs, the same at each call, and leave the random state the same."""
        seed()
        module = self.build().to(dtype)
        module.train(train)  # which backbones of mmdet override, returning nothing
        inputs = convert(self.inputs(), lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
        if self.disturbed:
            with torch.no_grad():
                for tensor in (*module.parameters(), *dict(tensors(inputs)).values()):
                    if tensor.is_floating_point():
                        tensor.mul_(1 + self.disturbed * (2 * torch.rand_like(tensor) - 1))
        seed()
        return module, inputs


def seed() -> None:
    """Set all three random states."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


def random_states() -> Dict[str, str]:
    """Return the three random states, in a form that compares."""
    state = np.random.get_state()
    return {
        "random state of torch": str(hash(torch.get_rng_state().numpy().tobytes())),
        "random state of numpy": str(hash(state[1].tobytes() + bytes(str(state[2]), "ascii"))),
        "random state of Python": str(hash(random.getstate())),
    }


def tensors(value: Any, name: str = "") -> Iterator[Tuple[str, Tensor]]:
    """Yield every tensor in a tree of sequences, mappings and objects with attributes, by its place."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key in value:
            yield from tensors(value[key], f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from tensors(item, f"{name}[{index}]")
    elif hasattr(value, "tensor") and isinstance(value.tensor, Tensor):  # boxes of mmdet and mmdet3d
        yield f"{name}.tensor", value.tensor
    elif hasattr(value, "all_items"):  # data elements of mmengine
        for key, item in value.all_items():
            yield from tensors(item, f"{name}.{key}")


def convert(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a tree of sequences and mappings with its tensors changed; other objects stay as they are."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: convert(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [convert(item, change) for item in value]
    return tuple(convert(item, change) for item in value) if type(value) is tuple else value
