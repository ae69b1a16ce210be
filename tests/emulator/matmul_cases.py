"""Run in the emulated machine: ``a @ b`` with and without the ``batch_matmul`` patch. Prints what agreed, as JSON."""

from __future__ import annotations

import json

import torch
import torch_npu  # noqa: F401 - brings the device

from mx_driving._core import PatchSet
from mx_driving.patches import load

torch.manual_seed(0)
CASES = {
    "projection": (torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 1)),
    "broadcast": (torch.randn(1, 2, 6, 1, 4, 4), torch.randn(3, 2, 1, 5, 4, 1)),
    "plain": (torch.randn(4, 4), torch.randn(4, 4)),
    "batch": (torch.randn(3, 4, 4), torch.randn(3, 4, 1)),
}


def on(device, a, b):
    """Return the result and both gradients, on the CPU."""
    a, b = (tensor.clone().to(device).requires_grad_() for tensor in (a, b))
    out = a @ b
    (out * out).sum().backward()
    return [tensor.detach().cpu() for tensor in (out, a.grad, b.grad)]


def agree():
    """Return the names of the cases whose results and gradients equal the CPU's."""
    pairs = {name: zip(on("npu:0", *case), on("cpu", *case)) for name, case in CASES.items()}
    return [name for name, both in pairs.items() if all(torch.allclose(x, y, atol=1e-5) for x, y in both)]


with PatchSet([load("batch_matmul")], device="npu", strict=True) as patches:
    status = patches.report["batch_matmul"].status
    patched = agree()
print("SEEN" + json.dumps({"status": status, "patched": patched, "after": agree(), "cases": list(CASES)}))
