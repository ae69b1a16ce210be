"""Does anything see or change this call? A patch that leaves out a module's call, or an operator, asks this first.

Where the answer is yes, the original runs. What is asked costs about a microsecond.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as _torch_module


def _hook_names(names: Any, start: str) -> Tuple[str, ...]:
    """Return torch's hook dictionaries among the names; those of state dicts and registrations see no call."""
    return tuple(
        name
        for name in names
        if name.startswith(start) and "_hooks" in name and "state_dict" not in name and "registration" not in name
    )


INSTANCE_HOOKS = _hook_names(vars(nn.Module()), "_")
"""Names of the hook dictionaries of a module, as this torch has them."""

GLOBAL_HOOKS = _hook_names(vars(_torch_module), "_global_")
"""Names of the hook dictionaries for all modules."""

# What an instance may carry to be called in another way than its class says; `compile()` sets the last.
_OWN_CALL = ("forward", "_call_impl", "_wrapped_call_impl", "_slow_forward", "__call__", "_compiled_call_impl")
_CALL = ("__call__", "_call_impl", "_slow_forward")


def _untouched(owner: Any, name: str, module: Any) -> Optional[Callable]:
    """Return the function if it is the one that stands in torch's file, None if it was replaced before this import."""
    function = vars(owner).get(name)
    code = getattr(function, "__code__", None)
    return function if code is not None and code.co_filename == module.__file__ else None


_CALLS = {name: _untouched(nn.Module, name, _torch_module) for name in _CALL}
_FORWARDS: Dict[type, Optional[Callable]] = {
    nn.ReLU: _untouched(nn.ReLU, "forward", nn.modules.activation),
    nn.MaxPool2d: _untouched(nn.MaxPool2d, "forward", nn.modules.pooling),
}

_is_compiling = getattr(torch.compiler, "is_compiling", lambda: False)
_functorch_level = torch._C._functorch.peek_interpreter_stack


def watched(module: Any, kind: type) -> bool:
    """Tell whether a call of the module does, or shows to anybody, more than ``kind``'s own ``forward``.

    Hooks of the module and of all modules, a subclass, a ``forward`` or a way of calling that was replaced on the
    instance or on a class, a compiled call.

    Args:
        kind: ``nn.ReLU`` or ``nn.MaxPool2d``.
    """
    own = vars(module)
    return (
        type(module) is not kind
        or vars(kind).get("forward") is not _FORWARDS[kind]
        or _FORWARDS[kind] is None
        or any(map(own.get, INSTANCE_HOOKS))
        or any(map(own.get, _OWN_CALL))
        or any(map(vars(_torch_module).get, GLOBAL_HOOKS))
        or any(vars(nn.Module).get(name) is not function or function is None for name, function in _CALLS.items())
        or any(name in vars(kind) for name in _CALL)
    )


def followed() -> bool:
    """Tell whether torch follows or changes operators at this moment, and has to meet its own ones.

    Tracing and ONNX export, compilation, functorch (``grad``, ``vmap``, ``jvp``), forward-mode gradients, modes that
    take each operator or function.
    """
    # First: inside a graph that is compiled this is a constant, and nothing after it is looked at.
    return bool(
        _is_compiling()
        or torch._C._get_tracing_state() is not None
        or _functorch_level() is not None
        or forward_ad._current_level >= 0
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
    )


def ordinary(tensor: Any) -> bool:
    """Tell whether it is a plain floating tensor in memory: no subclass, no private or sparse layout, no view."""
    return (
        type(tensor) is Tensor
        and tensor.layout is torch.strided
        and tensor.is_floating_point()
        and tensor.is_inference() == torch.is_inference_mode_enabled()
    )


def writable(tensor: Tensor) -> bool:
    """Tell whether an operator of ours may write an ordinary tensor: neither a view nor a leaf that gets a gradient."""
    return not tensor._is_view() and not (tensor.requires_grad and tensor.is_leaf)
