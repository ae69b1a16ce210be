"""Lets a script that was written for CUDA run on a CPU, to rehearse it; importing this is the explicit wish.

    custom_imports = dict(imports=['mx_driving.rehearsal', 'mx_driving.runner_hooks'], allow_failed_imports=False)

``.cuda()`` returns the tensor or module itself, ``device_ids`` of distributed wrappers are dropped, and ``nccl``
becomes ``gloo``. On a machine with an accelerator nothing is changed. ``undo()`` takes it back.
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any, Callable, Optional

import torch

from mx_driving._core import PatchRecord, PatchSet, Report
from mx_driving._core.record import Replace
from mx_driving.device import npu_problem

_log = logging.getLogger("mx_driving")


def _stay(original: Callable, self: Any, *args: Any, **kwargs: Any) -> Any:
    return self


def _no_device(original: Callable, device: Any = None) -> None:
    return None


def _first_device(original: Callable) -> int:
    return 0


def _wrapper_on_cpu(original: Callable, self: Any, module: Any, device_ids: Any = None, *args: Any, **kw: Any) -> None:
    kw.pop("output_device", None)
    # output_device is the third positional argument.
    original(self, module, None, None, *args[1:], **kw)


def _gloo(original: Callable, backend: Any = None, *args: Any, **kwargs: Any) -> Any:
    return original("gloo" if backend == "nccl" else backend, *args, **kwargs)


def _mmcv_pytorch_launcher(original: Callable, backend: str, **kwargs: Any) -> None:
    # The stock function divides the rank by the number of CUDA devices, which is zero.
    importlib.import_module("torch.distributed").init_process_group(backend=backend, **kwargs)


PATCH = PatchRecord(
    name="rehearsal",
    targets=(
        Replace("torch:Tensor.cuda", _stay, wrap=True),
        Replace("torch.nn.modules.module:Module.cuda", _stay, wrap=True),
        Replace("torch.cuda:set_device", _no_device, wrap=True),
        Replace("torch.cuda:current_device", _first_device, wrap=True),
        Replace("torch.nn.parallel.distributed:DistributedDataParallel.__init__", _wrapper_on_cpu, wrap=True),
        Replace("torch.distributed.distributed_c10d:init_process_group", _gloo, wrap=True),
        Replace("mmcv.runner.dist_utils:_init_dist_pytorch", _mmcv_pytorch_launcher, wrap=True, requires=("mmcv<2",)),
    ),
    devices=("cpu",),
    why="scripts call .cuda() and nccl whatever the machine has",
    upstream="-",
    remove_when="every script asks for its device",
)

_active: Optional[PatchSet] = None


def has_accelerator() -> bool:
    """Tell whether there is a CUDA device or an NPU; torch_npu is imported to find out, as older torch does not."""
    return torch.cuda.is_available() or not npu_problem()


def begin() -> Optional[Report]:
    """Put the rehearsal in force unless there is an accelerator or it is in force; return what was changed."""
    global _active
    if has_accelerator() or _active is not None:
        return None
    _active = PatchSet([PATCH], strict=True)
    report = _active.apply()
    if os.environ.get("RANK", "0") == "0":
        _log.warning("rehearsal: no accelerator here; .cuda(), device_ids and nccl land on the CPU and gloo")
    return report


def undo() -> None:
    """Take the rehearsal back."""
    global _active
    if _active is not None:
        _active.undo()
        _active = None


begin()
