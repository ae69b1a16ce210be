"""Run in the emulated machine: mmcv 1.x's wrappers with the patches, against the bare model on the CPU.

One process tries ``MMDataParallel``; two processes of torchrun try ``MMDistributedDataParallel`` over hccl.
"""

from __future__ import annotations

import copy
import os

import torch
import torch_npu  # noqa: F401 - brings the device
from mmcv.parallel import DataContainer, MMDataParallel, MMDistributedDataParallel

from mx_driving._core import PatchSet
from mx_driving.patches import load
from mx_driving.training.npu_setup import hold


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x, bias=None):
        assert x.device == self.linear.weight.device, (x.device, self.linear.weight.device)
        out = self.linear(x)
        return out if bias is None else out + bias

    def train_step(self, data, optimizer):
        return {"loss": self(data["x"], data["bias"]).square().mean()}

    val_step = train_step


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return [parameter.grad.cpu() for parameter in model.parameters()]


def ways(wrapped, x, bias):
    """Every way into the wrapper, with a container and with a bare tensor."""
    data = {"x": DataContainer([x], stack=False), "bias": bias}
    yield "forward", lambda: wrapped(x, bias=bias).square().mean()
    yield "train_step", lambda: wrapped.train_step(data, None)["loss"]
    yield "val_step", lambda: wrapped.val_step(data, None)["loss"]


def main():
    hold("test")
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    torch.npu.set_device(rank)
    torch.manual_seed(0)
    model, x, bias = Model(), torch.randn(4, 3), torch.randn(2, requires_grad=True)
    reference = gradients(model, model(x, bias).square().mean())
    expected_bias, bias.grad = bias.grad, None
    on_npu = copy.deepcopy(model).cuda()
    if size > 1:
        torch.distributed.init_process_group("nccl")  # as scripts have it
        assert torch.distributed.get_backend() == "hccl"
        wrapped = MMDistributedDataParallel(on_npu, device_ids=[torch.cuda.current_device()], broadcast_buffers=False)
    else:
        wrapped = MMDataParallel(on_npu, device_ids=[0])
        stated = wrapped.src_device_obj
    mine = x.chunk(size)[rank]
    names = ("dp", "ddp", "ddp_forward", "stream")
    with PatchSet([load(name) for name in names], device="npu", strict=True, roots=wrapped.modules()):
        for name, loss in ways(wrapped, mine, bias):
            for ours, theirs in zip(gradients(wrapped, loss()), reference):
                torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
            if size == 1:
                torch.testing.assert_close(bias.grad, expected_bias)  # back on the CPU, where the bare tensor is
            bias.grad = None
            print(f"WAY {name} ", flush=True)
    if size == 1:
        assert wrapped.src_device_obj == stated
    else:
        torch.distributed.destroy_process_group()


main()
