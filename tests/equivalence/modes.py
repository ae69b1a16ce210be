"""The ways of running a module that stock code supports; each returns what there was to see.

Each is a plain function: the harness runs it on stock code and again with the patches in force.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any, Callable, ContextManager, Dict, Iterator, List

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.utils import checkpoint
from torch.utils import mkldnn as torch_mkldnn

from equivalence.case import Case, convert, tensors
from equivalence.observe import Seen, copy, gradients, leaves_of, loss_of, results, traces

Mode = Callable[[Case], Seen]
Call = Callable[..., Any]


def _run(
    case: Case,
    train: bool = True,
    dtype: torch.dtype = torch.float32,
    around: Callable[[], ContextManager] = contextlib.nullcontext,
    differentiate: bool = True,
    wrap: Callable[[Call], Call] = lambda call: call,
    prepare: Callable[[nn.Module], Any] = lambda module: None,
    change_input: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> Seen:
    module, inputs = case.made(train, dtype)
    inputs = convert(inputs, change_input)
    extra = prepare(module)
    leaves = leaves_of(inputs) if differentiate else {}
    for leaf in leaves.values():
        leaf.requires_grad_()
    with around():
        value = wrap(case.call)(module, *inputs)
    seen = results(value)
    if differentiate:
        loss_of(value).backward()
        seen.update(gradients(module, leaves))
    seen.update(traces(module, inputs))
    return {**seen, **(extra() if extra is not None else {})}


def training(case: Case) -> Seen:
    """Training mode, float32, forward and backward."""
    return _run(case)


def evaluation(case: Case) -> Seen:
    """Evaluation mode with gradients."""
    return _run(case, train=False)


def float64(case: Case) -> Seen:
    """Double precision."""
    return _run(case, dtype=torch.float64)


def autocast(case: Case) -> Seen:
    """Mixed precision: bfloat16 on a CPU."""
    return _run(case, around=lambda: torch.autocast("cpu", torch.bfloat16))


def no_grad(case: Case) -> Seen:
    """Evaluation without gradients."""
    return _run(case, train=False, around=torch.no_grad, differentiate=False)


def inference_mode(case: Case) -> Seen:
    """Evaluation in inference mode."""
    return _run(case, train=False, around=torch.inference_mode, differentiate=False)


def training_without_gradients(case: Case) -> Seen:
    """What a history pass does: training mode, nothing recorded, parameters want gradients."""
    return _run(case, around=torch.no_grad, differentiate=False)


def channels_last(case: Case) -> Seen:
    """Images and convolutions in channels-last order."""

    def arrange(tensor: Tensor) -> Tensor:
        return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor

    return _run(
        case, prepare=lambda module: module.to(memory_format=torch.channels_last) and None, change_input=arrange
    )


def frozen(case: Case) -> Seen:
    """Parameters without gradients; only the inputs have some."""
    return _run(case, prepare=lambda module: module.requires_grad_(False) and None)


def checkpointed(case: Case) -> Seen:
    """The whole call recomputed in the backward pass."""

    def wrap(call: Call) -> Call:
        return lambda *args: checkpoint.checkpoint(call, *args, use_reentrant=False)

    return _run(case, wrap=wrap)


def checkpointed_reentrant(case: Case) -> Seen:
    """The older kind of checkpoint, which mmcv's models use."""

    def wrap(call: Call) -> Call:
        return lambda module, *inputs: checkpoint.checkpoint(call, module, *inputs, use_reentrant=True)

    return _run(case, wrap=wrap)


def _shapes(value: Any) -> str:
    return str([tuple(tensor.shape) for _, tensor in tensors(value)])


def hooks(case: Case) -> Seen:
    """Every kind of hook on every module: who was called, in which order, with what."""
    calls: List[str] = []

    def prepare(module: nn.Module) -> Callable[[], Seen]:
        for name, part in module.named_modules():
            part.register_forward_pre_hook(lambda m, x, n=name: calls.append(f"pre {n} {_shapes(x)}"))
            part.register_forward_hook(lambda m, x, y, n=name: calls.append(f"forward {n} {_shapes(y)}"))
        return lambda: {"calls": calls}

    return _run(case, prepare=prepare)


def backward_hooks(case: Case) -> Seen:
    """Backward hooks on every module that neither writes to its input nor is written to."""
    calls: List[str] = []

    def prepare(module: nn.Module) -> Callable[[], Seen]:
        for name, part in module.named_modules():
            # torch refuses full hooks around operators that write in place, as residual blocks do.
            if hasattr(part, "inplace"):
                part.inplace = False
                part.register_full_backward_pre_hook(lambda m, g, n=name: calls.append(f"{n} {_shapes(g)}"))
                part.register_full_backward_hook(lambda m, g, h, n=name: calls.append(f"{n} {_shapes(g)} {_shapes(h)}"))
        return lambda: {"calls": calls}

    return _run(case, prepare=prepare)


def global_hooks(case: Case) -> Seen:
    """Hooks for all modules of the process."""
    calls: List[str] = []

    @contextlib.contextmanager
    def around() -> Iterator[None]:
        handles = [
            torch_module.register_module_forward_pre_hook(lambda m, x: calls.append(f"pre {type(m).__name__}")),
            torch_module.register_module_forward_hook(
                lambda m, x, y: calls.append(f"forward {type(m).__name__} {_shapes(y)}")
            ),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    return {**_run(case, around=around), "calls": calls}


def kept_outputs(case: Case) -> Seen:
    """Outputs of convolutions and norms, kept by hooks and looked at afterwards: who wrote to them shows."""
    kept: Dict[str, Tensor] = {}

    def prepare(module: nn.Module) -> Callable[[], Seen]:
        for name, part in module.named_modules():
            if isinstance(part, (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.Linear)):
                part.register_forward_hook(lambda m, x, y, n=name: kept.update({n: y}))
        return lambda: {f"kept output of {name}": copy(tensor) for name, tensor in kept.items()}

    return _run(case, train=False, around=torch.no_grad, differentiate=False, prepare=prepare)


def replaced_forwards(case: Case) -> Seen:
    """``forward`` of every part without parameters replaced on the instance, as feature viewers and quantisers do."""
    calls: List[str] = []

    def prepare(module: nn.Module) -> Callable[[], Seen]:
        for name, part in module.named_modules():
            if not list(part.parameters()) and not list(part.children()):

                def forward(*args: Any, _stock: Call = part.forward, _name: str = name, **kwargs: Any) -> Any:
                    calls.append(_name)
                    value = _stock(*args, **kwargs)
                    return value * 0.5 if isinstance(value, Tensor) and value.is_floating_point() else value

                part.forward = forward  # type: ignore[method-assign]
        return lambda: {"calls": calls}

    return _run(case, prepare=prepare)


def double_backward(case: Case) -> Seen:
    """A gradient penalty: the gradient of the gradient's length."""
    module, inputs = case.made(train=False)
    leaves = leaves_of(inputs)
    for leaf in leaves.values():
        leaf.requires_grad_()
    wanted = [*leaves.values(), *(p for p in module.parameters() if p.requires_grad)]
    value = case.call(module, *inputs)
    first = torch.autograd.grad(loss_of(value), wanted, create_graph=True, allow_unused=True)
    penalty = sum((grad.square().sum() for grad in first if grad is not None), torch.zeros(()))
    penalty.backward()
    return {"penalty": copy(penalty), **gradients(module, leaves)}


def _functional(case: Case) -> Any:
    module, inputs = case.made(train=False)
    parameters = {name: p.detach() for name, p in module.named_parameters()}

    class Call(nn.Module):
        """The case's call as a module, which ``functional_call`` can give other parameters."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: Any) -> Any:
            """Call the case."""
            return case.call(self.module, *inputs)

    whole = Call()

    def loss(parameters: Dict[str, Tensor], *inputs: Any) -> Tensor:
        named = {f"module.{name}": p for name, p in parameters.items()}
        value = torch.func.functional_call(whole, named, inputs)
        total = torch.zeros(())
        for _, tensor in tensors(value):
            if tensor.is_floating_point():
                total = total + (tensor * torch.linspace(-1.0, 1.5, tensor.shape[-1])).sum()
        return total

    return loss, parameters, inputs


def functional_gradient(case: Case) -> Seen:
    """``torch.func.grad`` with respect to the parameters."""
    loss, parameters, inputs = _functional(case)
    return results(torch.func.grad(loss)(parameters, *inputs), "gradient")


def gradients_per_sample(case: Case) -> Seen:
    """``vmap(grad)``: the gradient of each sample of the batch."""
    loss, parameters, inputs = _functional(case)

    def of_sample(parameters: Dict[str, Tensor], *sample: Any) -> Any:
        return torch.func.grad(loss)(parameters, *convert(sample, lambda tensor: tensor.unsqueeze(0)))

    axes = (None, *(0 for _ in inputs))
    return results(torch.func.vmap(of_sample, in_dims=axes, randomness="same")(parameters, *inputs), "gradient")


def forward_gradient(case: Case) -> Seen:
    """``jvp``: the derivative along a direction of the inputs, in forward mode."""
    loss, parameters, inputs = _functional(case)
    directions = convert(inputs, lambda tensor: torch.linspace(-1, 1, tensor.numel()).reshape(tensor.shape))
    return results(torch.func.jvp(lambda *x: loss(parameters, *x), inputs, directions), "derivative")


def traced(case: Case) -> Seen:
    """TorchScript's tracer, which ONNX export uses: the graph's operators and its result on other numbers."""
    module, inputs = case.made(train=False)
    parts = [part for part in inputs if isinstance(part, Tensor)]

    class Call(nn.Module):
        """The case's call with nothing but tensors in its result."""

        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *inputs: Tensor) -> Any:
            """Call the case."""
            return tuple(tensor for _, tensor in tensors(case.call(self.module, *inputs)))

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = torch.jit.trace(Call(), tuple(parts), check_trace=False)
        value = graph(*(part * 0.5 for part in parts))
    kinds = sorted({node.kind() for node in graph.inlined_graph.nodes()})
    return {**results(value), "operators of the graph": kinds}


def compiled(case: Case) -> Seen:
    """``torch.compile`` without code generation: tracing, functionalisation, the joint graph."""

    def wrap(call: Call) -> Call:
        torch._dynamo.reset()
        return torch.compile(call, backend="aot_eager")

    return _run(case, wrap=wrap)


def compiled_autograd(case: Case) -> Seen:
    """The backward pass traced and compiled, the forward pass as it is."""
    enable = torch._dynamo.compiled_autograd._enable
    module, inputs = case.made(train=False)
    leaves = leaves_of(inputs)
    for leaf in leaves.values():
        leaf.requires_grad_()
    value = case.call(module, *inputs)
    with enable(torch.compile(backend="eager")):
        loss_of(value).backward()
    return gradients(module, leaves)


def mkldnn(case: Case) -> Seen:
    """Inference in oneDNN's private layout."""
    module, inputs = case.made(train=False)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        private = torch_mkldnn.to_mkldnn(module)
        value = case.call(private, *convert(inputs, lambda tensor: tensor.to_mkldnn()))
    return results(value)


MODES: Dict[str, Mode] = {
    mode.__name__: mode
    for mode in (
        *(training, evaluation, float64, autocast, no_grad, inference_mode, training_without_gradients),
        *(channels_last, frozen, checkpointed, checkpointed_reentrant),
        *(hooks, backward_hooks, global_hooks, kept_outputs, replaced_forwards),
        *(double_backward, functional_gradient, gradients_per_sample, forward_gradient),
        *(traced, compiled, compiled_autograd, mkldnn),
    )
}
"""By name, in the order of a report."""

MAY_GAIN = {
    "autocast",  # mmcv's operators on a CPU take no bfloat16
    *("double_backward", "functional_gradient", "gradients_per_sample", "forward_gradient"),
    *("traced", "compiled", "compiled_autograd", "mkldnn"),
}
"""Where stock code may raise and patched code work: more than stock can is no difference."""
