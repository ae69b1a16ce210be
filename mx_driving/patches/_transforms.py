"""What a replacement asks about its tensors before it answers in the place of torch's own operators."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

_PLAIN = (Tensor, nn.Parameter)


def torch_is_needed(*tensors: Tensor) -> bool:
    """Tell whether only torch's own operators can answer this call; about a microsecond.

    An operator of ours has a kernel and a gradient for plain dense tensors. It has no rule for ``torch.func``'s
    transforms, forward-mode gradients, subclasses and private layouts, and no name that an exported graph may hold.
    ``torch.compile`` traces this function to a constant, inside of a transform too.
    """
    if (
        torch._C._get_tracing_state() is not None  # torch.jit.trace, TorchScript's ONNX export
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
    ):
        return True
    return any(type(tensor) not in _PLAIN or tensor.layout is not torch.strided for tensor in tensors)


try:
    torch.is_autocast_enabled("cpu")
    _TAKES_DEVICE = True
except TypeError:  # before torch 2.4
    _TAKES_DEVICE = False


def autocast_is_on(device_type: str) -> bool:
    """Tell whether autocast is on for ``"cpu"`` or ``"npu"``."""
    if _TAKES_DEVICE:
        return torch.is_autocast_enabled(device_type)
    if device_type == "cpu":
        return torch.is_autocast_cpu_enabled()
    return getattr(torch, device_type).is_autocast_enabled()
