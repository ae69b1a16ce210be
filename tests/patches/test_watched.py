"""Whatever sees or changes a module's call is noticed, and torch has no list of hooks that is not looked at."""

from __future__ import annotations

import contextlib

import pytest
import torch
import torch.utils.flop_counter
from torch import nn
from torch.nn.modules import module as torch_module

from mx_driving.patches import _watched
from mx_driving.patches._watched import followed, watched

KINDS = [(nn.ReLU, lambda: nn.ReLU(inplace=True)), (nn.MaxPool2d, lambda: nn.MaxPool2d(3, 2, 1))]


def test_every_hook_dictionary_of_this_torch_is_known():
    """A torch that adds one fails here: look at what it is for, then add its name."""
    assert set(_watched.INSTANCE_HOOKS) <= {
        "_backward_hooks",
        "_backward_pre_hooks",
        "_forward_hooks",
        "_forward_hooks_always_called",
        "_forward_hooks_with_kwargs",
        "_forward_pre_hooks",
        "_forward_pre_hooks_with_kwargs",
    }
    assert set(_watched.GLOBAL_HOOKS) <= {
        "_global_backward_hooks",
        "_global_backward_pre_hooks",
        "_global_forward_hooks",
        "_global_forward_hooks_always_called",
        "_global_forward_hooks_with_kwargs",
        "_global_forward_pre_hooks",
    }
    named = {name for name in (*vars(nn.Module()), *vars(torch_module)) if "hook" in name and name.startswith("_")}
    others = {name for name in named if "state_dict" in name or "registration" in name or "is_full" in name}
    functions = {"_WrappedHook", "_has_any_global_hook"}
    assert named - others - functions <= {*_watched.INSTANCE_HOOKS, *_watched.GLOBAL_HOOKS}


@contextlib.contextmanager
def replaced(owner, name, value):
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


@contextlib.contextmanager
def registered(register, *arguments, **keywords):
    handle = register(*arguments, **keywords)
    try:
        yield
    finally:
        handle.remove()


def nothing(*args):
    return None


WATCHERS = {
    "forward hook": lambda m: registered(m.register_forward_hook, nothing),
    "forward hook with keywords": lambda m: registered(m.register_forward_hook, nothing, with_kwargs=True),
    "forward hook that is always called": lambda m: registered(m.register_forward_hook, nothing, always_call=True),
    "forward pre-hook": lambda m: registered(m.register_forward_pre_hook, nothing),
    "backward hook": lambda m: registered(m.register_full_backward_hook, nothing),
    "backward hook of old": lambda m: registered(m.register_backward_hook, nothing),
    "backward pre-hook": lambda m: registered(m.register_full_backward_pre_hook, nothing),
    "global forward hook": lambda m: registered(torch_module.register_module_forward_hook, nothing),
    "global forward pre-hook": lambda m: registered(torch_module.register_module_forward_pre_hook, nothing),
    "global backward hook": lambda m: registered(torch_module.register_module_full_backward_hook, nothing),
    "global backward pre-hook": lambda m: registered(torch_module.register_module_full_backward_pre_hook, nothing),
    "forward on the instance": lambda m: replaced(m, "forward", lambda x: x),
    "forward on the class": lambda m: replaced(type(m), "forward", lambda self, x: x),
    "_call_impl on the instance": lambda m: replaced(m, "_call_impl", lambda x: x),
    "__call__ on the class": lambda m: replaced(type(m), "__call__", lambda self, x: x),
    "__call__ on Module": lambda m: replaced(nn.Module, "__call__", lambda self, x: x),
    "_call_impl on Module": lambda m: replaced(nn.Module, "_call_impl", lambda self, x: x),
    "a compiled call": lambda m: replaced(m, "_compiled_call_impl", lambda x: x),
}


@pytest.mark.parametrize(("kind", "make"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
@pytest.mark.parametrize("watcher", WATCHERS.values(), ids=WATCHERS)
def test_each_way_of_seeing_a_call_is_noticed(kind, make, watcher):
    module = make()
    assert not watched(module, kind)
    with watcher(module):
        assert watched(module, kind)
    assert not watched(module, kind)


def test_a_subclass_is_another_module():
    class Mine(nn.ReLU):
        pass

    assert watched(Mine(), nn.ReLU)
    assert watched(nn.ReLU6(), nn.ReLU)


def test_transforms_are_noticed():
    seen = []

    def f(x):
        seen.append(followed())
        return (x * x).sum()

    x = torch.rand(3)
    f(x)
    torch.func.grad(f)(x)
    torch.func.vmap(f)(x[None])
    torch.func.jvp(f, (x,), (x,))
    with torch.autograd.forward_ad.dual_level():
        f(x)
    with torch.utils.flop_counter.FlopCounterMode(display=False):
        f(x)
    torch.jit.trace(f, x, check_trace=False)
    assert seen == [False, True, True, True, True, True, True]
    f(x)
    assert not seen[-1]
