"""Run in the emulated machine: small trainings on ``npu:0`` next to the same on the CPU.

``training_cases.py <case>`` prints the largest difference of the trained parameters.
"""

from __future__ import annotations

import copy
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    """The kinds of layer that a detector's backbone is made of."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.body = nn.Sequential(nn.Conv2d(8, 16, 1, groups=2, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(self.body(self.stem(x)), 1).flatten(1))


def difference(a, b):
    return max((x - y.cpu()).abs().max().item() for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def train(model, optimizer, device, steps=3):
    torch.manual_seed(1)
    images, labels = torch.randn(steps, 4, 3, 32, 32), torch.randint(0, 5, (steps, 4))
    for image, label in zip(images, labels):
        loss = F.cross_entropy(model(image.to(device)), label.to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def optimizer_case(make):
    torch.manual_seed(0)
    on_cpu = Net()
    on_npu = copy.deepcopy(on_cpu).to("npu:0")
    train(on_cpu, make(on_cpu.parameters()), "cpu")
    train(on_npu, make(on_npu.parameters()), "npu:0")
    return difference(on_cpu, on_npu)


def grad_scaler():
    """Two good steps and one with an infinite gradient: the scale halves and the parameters stay."""
    model = nn.Linear(8, 4).to("npu:0")
    optimizer, scaler = torch.optim.SGD(model.parameters(), 0.1), torch.npu.amp.GradScaler(init_scale=1024.0)
    for factor in (1.0, 1.0, float("inf")):
        before = model.weight.detach().cpu().clone()
        with torch.autocast("npu", dtype=torch.float16):
            loss = model(torch.ones(3, 8).to("npu:0")).float().pow(2).mean() * factor
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        moved = (model.weight.detach().cpu() - before).abs().max().item()
        assert (moved > 0) == (factor == 1.0), (factor, moved)
    assert scaler.get_scale() == 512.0, scaler.get_scale()
    return 0.0


def machine():
    """What is not an operator: pinned memory, streams, events, checkpoints, memory statistics."""
    assert torch.ones(3).pin_memory().is_pinned()
    stream, start, end = torch.npu.Stream(), torch.npu.Event(enable_timing=True), torch.npu.Event(enable_timing=True)
    start.record()
    with torch.npu.stream(stream):
        x = torch.ones(5).to("npu:0") * 2
    torch.npu.current_stream().wait_stream(stream)
    end.record()
    torch.npu.synchronize()
    assert start.elapsed_time(end) >= 0
    assert torch.npu.memory_allocated() >= x.numel() * 4
    assert torch.npu.get_device_properties(0).name == "Ascend910B1"
    return (x.cpu() - 2).abs().max().item()


def hccl():
    """One of two processes of torchrun: collectives, and gradients equal to those of one process."""
    import torch.distributed as dist

    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(1)
    torch.npu.set_device(rank)
    dist.init_process_group("hccl")
    device = f"npu:{rank}"
    collectives(dist, rank, size, device)
    torch.manual_seed(0)
    reference = Net().eval()  # eval: the statistics of a batch norm would differ between half and whole batches
    model = nn.parallel.DistributedDataParallel(copy.deepcopy(reference).to(device), device_ids=[rank])
    images = torch.randn(2 * size, 3, 32, 32)
    model(images[2 * rank : 2 * rank + 2].to(device)).square().mean().backward()
    reference(images).square().mean().backward()
    for ours, single in zip(model.module.parameters(), reference.parameters()):
        torch.testing.assert_close(ours.grad.cpu(), single.grad, rtol=1e-5, atol=1e-7)
    dist.destroy_process_group()
    return 0.0


def collectives(dist, rank, size, device):
    total = torch.full((4,), rank + 1.0, device=device)
    dist.all_reduce(total)
    assert total.cpu().tolist() == [3.0] * 4
    largest = torch.tensor([float(rank)], device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    assert largest.item() == size - 1
    parts = [torch.zeros(2, device=device) for _ in range(size)]
    dist.all_gather(parts, torch.full((2,), float(rank), device=device))
    assert [part[0].item() for part in parts] == [0.0, 1.0]
    root = torch.full((2,), float(rank), device=device)
    dist.broadcast(root, 1)
    assert root.cpu().tolist() == [1.0, 1.0]
    slice_ = torch.zeros(1, device=device)
    dist.reduce_scatter(slice_, [torch.full((1,), float(i), device=device) for i in range(size)])
    assert slice_.item() == rank * size
    message = torch.full((3,), 7.0, device=device)
    if rank == 0:
        dist.send(message, 1)
    else:
        message.zero_()
        dist.recv(message, 0)
    assert message.cpu().tolist() == [7.0] * 3
    names = [None] * size
    dist.all_gather_object(names, f"rank{rank}")
    assert names == ["rank0", "rank1"]
    dist.barrier()


CASES = {
    "sgd": lambda: optimizer_case(lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-4)),
    "adam": lambda: optimizer_case(lambda p: torch.optim.Adam(p, 1e-2)),
    "adamw": lambda: optimizer_case(lambda p: torch.optim.AdamW(p, 1e-2)),
    "adamw_foreach": lambda: optimizer_case(lambda p: torch.optim.AdamW(p, 1e-2, foreach=True)),
    "grad_scaler": grad_scaler,
    "machine": machine,
    "hccl": hccl,
}

if __name__ == "__main__":
    import torch_npu  # noqa: F401

    torch.set_num_threads(2)
    print("difference", CASES[sys.argv[1]]())
