"""What a script for CUDA needs on an NPU, done when ``mx_driving.runner_hooks`` is imported.

``custom_imports`` runs before the model is built, and scripts of the mmcv 1.x line call ``.cuda()`` long before
``before_run``: so this cannot wait for a hook. Without an NPU nothing happens.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

import torch

from mx_driving.device import npu_problem

_log = logging.getLogger("mx_driving")
_done = False


def set_up() -> bool:
    """Route CUDA calls (and nccl) to the NPU, with private formats and just-in-time compilation off; tell if done."""
    global _done
    if _done or npu_problem():
        return _done
    # torch_npu's own rewriting of torch.cuda; it offers no way back, so it stays until the process ends.
    importlib.import_module("torch_npu.contrib.transfer_to_npu")
    allow_internal_format(False)
    _npu().set_compile_mode(jit_compile=False)
    _log.info("NPU: CUDA calls go to the NPU, private formats and jit compilation are off")
    _done = True
    return True


def allow_internal_format(allowed: bool) -> None:
    """Let torch_npu use its private memory formats, or not."""
    _npu().config.allow_internal_format = allowed


def _npu() -> Any:
    return getattr(torch, "npu")  # noqa: B009 - torch_npu adds it: no type checker knows
