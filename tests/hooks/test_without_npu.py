"""Where there is no NPU, importing the hooks changes nothing of torch."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, torch, torch.distributed as dist
owners = {"torch": torch, "Tensor": torch.Tensor, "Module": torch.nn.Module, "cuda": torch.cuda, "dist": dist,
          "profiler": torch.profiler, "jit": torch.jit}
before = {name: dict(vars(owner)) for name, owner in owners.items()}
import mx_driving.runner_hooks
from mx_driving.training import npu_setup
set_up = npu_setup.hold("test")
npu_setup.release("test")
changed = [f"{name}.{key}" for name, old in before.items() for key, value in old.items()
           if vars(owners[name]).get(key) is not value]
print(json.dumps({"set_up": set_up, "changed": changed, "looked_at": sum(map(len, before.values()))}))
"""


def test_importing_the_hooks_changes_nothing_of_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120)
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["looked_at"] > 1000
    assert (seen["set_up"], seen["changed"]) == (False, [])
