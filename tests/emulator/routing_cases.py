"""Run in the emulated machine: what the routing of CUDA calls must leave alone. Prints what was seen, as JSON.

``routing_cases.py FOLDER``: a folder whose name holds "cuda".
"""

from __future__ import annotations

import json
import sys

import torch

folder = sys.argv[1]


# A plugin that is imported before the hooks.
class AsSingle(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(cast_inputs=torch.float32, device_type="cuda")
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 1

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, grad):
        return grad


from mx_driving.training import npu_setup  # noqa: E402

npu_setup.hold("test")
seen = {}
path = f"{folder}/weights_cuda.pth"
torch.save({"w": torch.ones(2)}, path)
seen["positional"] = torch.load(path)["w"].tolist()
seen["mapped"] = str(torch.load(path, "cuda:0")["w"].device)
seen["by name"] = str(torch.load(path, map_location="cuda:0")["w"].device)
seen["device still routed"] = str(torch.ones(1, device="cuda:0").device)
torch.arange(3, dtype=torch.uint8).numpy().tofile(f"{folder}/bytes_cuda.bin")
seen["from_file"] = torch.from_file(f"{folder}/bytes_cuda.bin", size=3, dtype=torch.uint8).tolist()
torch.distributed.init_process_group("nccl", f"file://{folder}/rendezvous_cuda", None, 1, 0)
seen["backend"] = torch.distributed.get_backend()
with torch.autocast("cuda", dtype=torch.float16):
    half = torch.ones(2, 2, device="cuda:0", dtype=torch.float16)
    seen["decorated before"] = str(AsSingle.apply(half).dtype)
print("SEEN" + json.dumps(seen))
