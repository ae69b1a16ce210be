"""Run in the emulated machine: ``x[mask]`` with and without the ``index`` patch. Prints what agreed, as JSON.

``index_cases.py old`` hides what torch needs to call the native kernel, as in releases before it came.
"""

from __future__ import annotations

import json
import sys

import torch
import torch_npu  # noqa: F401 - brings the device

from mx_driving._core import PatchSet
from mx_driving.patches import load

if sys.argv[1:] == ["old"]:
    del torch.library.get_kernel

torch.manual_seed(0)
MASK = torch.tensor([True, False, True, True])
CASES = {
    "rows": (torch.randn(4, 3), (MASK,)),
    "line": (torch.randn(4), (MASK,)),
    "nothing": (torch.randn(4, 3), (torch.zeros(4, dtype=torch.bool),)),
    "volume": (torch.randn(4, 3, 2), (MASK,)),
    "whole mask": (torch.randn(4, 3), (torch.randn(4, 3) > 0,)),
    "numbers": (torch.randn(4, 3), (torch.tensor([2, 0, 0]),)),
    "column": (torch.randn(3, 4), (slice(None), MASK)),
    "bytes": (torch.randn(4, 3), (MASK.byte(),)),
    "no columns": (torch.randn(4, 0), (MASK,)),
    "no rows": (torch.randn(0, 3), (MASK[:0],)),
    "long": (torch.arange(4), (MASK,)),
}


def on(device, tensor, index):
    """Return the result and the gradient, on the CPU."""
    leaf = tensor.clone().to(device)
    if leaf.is_floating_point():
        leaf.requires_grad_()
    out = leaf[tuple(part.to(device) if isinstance(part, torch.Tensor) else part for part in index)]
    if leaf.is_floating_point():
        (out * out).sum().backward()
        return out.detach().cpu(), leaf.grad.cpu()
    return out.cpu(), None


def agree():
    """Return the names of the cases whose results and gradients equal the CPU's."""
    same = []
    for name, (tensor, index) in CASES.items():
        (out, grad), (expected, expected_grad) = on("npu:0", tensor, index), on("cpu", tensor, index)
        if torch.equal(out, expected) and (grad is None or torch.equal(grad, expected_grad)):
            same.append(name)
    return same


mask, data = MASK.npu(), torch.randn(4, 3).npu()
with PatchSet([load("index")], device="npu", strict=True) as patches:
    status, reason = patches.report["index"].status, patches.report["index"].reason
    patched = agree()
    mismatch = ""
    try:
        data[mask[:3]]
    except IndexError as exc:
        mismatch = str(exc)
    try:
        data.cpu()[mask]
        apart = "indexed"
    except RuntimeError as exc:
        apart = str(exc)
    host_mask = data[MASK].cpu()  # a mask on the CPU, as data preparation leaves it
print("SEEN" + json.dumps({"status": status, "reason": reason, "patched": patched, "after": agree(),
                           "cases": list(CASES), "mismatch": mismatch, "apart": apart,
                           "host_mask": torch.equal(host_mask, data.cpu()[MASK])}))  # fmt: skip
