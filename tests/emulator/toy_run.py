"""Run in the emulated machine: a small real mmengine training whose model indexes by masks and convolves.

``toy_run.py <work_dir> <arguments of NPUPatchHook as JSON> [type of OptimWrapper]`` prints what the process's options
are at each stage.
"""

from __future__ import annotations

import json
import sys

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

# After mmengine, which switches jit off by itself when it is imported: so that it can be seen who does what.
torch.npu.set_compile_mode(jit_compile=True)
torch.npu.config.allow_internal_format = True

import mx_driving.runner_hooks  # noqa: E402, F401 - what custom_imports does, before anything is built


def options():
    import torch_npu

    formats = torch_npu._C._npu_getOption("ALLOW_INTERNAL_FORMAT").decode()
    return {"formats": formats, "jit_off": torch.npu.is_jit_compile_false()}


class Toy(BaseModel):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, inputs, mode="tensor"):
        rows = self.conv(inputs).flatten(1)
        seen["dtype"] = str(rows.dtype)
        keep = rows.detach().sum(1) > -1e9
        flat = rows.flatten()
        rows, flat = rows.float(), flat.float()
        return {"loss": rows[keep].square().mean() + flat[flat > 0].mean() + rows[torch.zeros_like(keep).long()].mean()}


class Watch(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        seen["during"] = options()


seen = {"at import": options(), "device": str(torch.zeros(1).cuda().device)}
runner = Runner(
    Toy(),
    sys.argv[1],
    train_dataloader=DataLoader([{"inputs": torch.ones(3, 8, 8) * i} for i in range(4)], 2),
    train_cfg={"by_epoch": True, "max_epochs": 1},
    optim_wrapper={"type": (*sys.argv[3:], "OptimWrapper")[0], "optimizer": {"type": "SGD", "lr": 0.01}},
    custom_hooks=[{"type": "NPUPatchHook", **json.loads(sys.argv[2])}, Watch()],
)
runner.train()
seen["after"] = options()
print("SEEN" + json.dumps(seen))
