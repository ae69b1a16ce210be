"""One of two gloo processes: what mmcv 1.x's distributed wrapper does with and without the patches, as JSON."""

from __future__ import annotations

import json
import sys

import torch
import torch.distributed as dist

# Before the group exists: its functions take the default group as a default argument and would keep it alive.
import torch.distributed.nn.functional
from mmcv.parallel import DataContainer, MMDistributedDataParallel

from mx_driving._core import PatchSet
from mx_driving.patches import load

SIZE = 6


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x, scale=1.0):
        return self.linear(x) * scale

    def train_step(self, data, optimizer):
        loss = self.linear(data["x"]).square().mean()
        return {"loss": loss, "log_vars": {"loss": loss.item()}, "num_samples": len(data["x"])}

    def val_step(self, data, optimizer):
        return self.train_step(data, optimizer)


def outcome(call):
    """Return the result, or the error's kind and text: the unpatched wrapper's failures are what is shown."""
    try:
        return call()
    except (AttributeError, TypeError, RuntimeError) as exc:
        return f"{type(exc).__name__}: {exc}"


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return [parameter.grad.flatten().tolist() for parameter in model.parameters()]


def exercise(wrapped, x):
    """Call the wrapper in its three ways, with mmcv's containers as its data sets make them."""
    data = {"x": DataContainer([x], stack=False)}
    return {
        "forward": outcome(lambda: gradients(wrapped, wrapped(x).square().mean())),
        "forward_container": outcome(lambda: wrapped(DataContainer([x], stack=False)).shape),
        "train_step": outcome(lambda: gradients(wrapped, wrapped.train_step(data, None)["loss"])),
        "val_step": outcome(lambda: wrapped.val_step(data, None)["num_samples"]),
    }


def compare(device_ids):
    torch.manual_seed(0)
    model, everything = Model(), torch.randn(SIZE, 3)
    # The model is wrapped before anything is patched, as in a run that is under way when the hook applies.
    wrapped = MMDistributedDataParallel(model, device_ids=None, broadcast_buffers=False)
    wrapped.device_ids = device_ids
    mine = everything.chunk(dist.get_world_size())[dist.get_rank()]
    found = {"stock": exercise(wrapped, mine)}
    with PatchSet([load("ddp"), load("ddp_forward")], strict=True, roots=wrapped.modules()) as patches:
        found["reached"] = patches.report["ddp"].in_model
        found["patched"] = exercise(wrapped, mine)
    found["restored"] = exercise(wrapped, mine)
    found["one_process"] = gradients(model, model(everything).square().mean())
    return found


def main():
    dist.init_process_group("gloo")
    found = compare(json.loads(sys.argv[1]))
    if dist.get_rank() == 0:
        print("RESULT" + json.dumps(found))
    # gloo's thread needs the interpreter to free its last all-reduce. Only a group that dies here, last reference and
    # all, waits for it with the interpreter free: inside the wrapper's end it hangs, inside Python's end it aborts.
    dist.destroy_process_group()


main()
