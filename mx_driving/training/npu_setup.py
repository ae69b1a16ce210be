"""What a script for CUDA needs on an NPU, from the import of ``mx_driving.runner_hooks`` to the end of the last run.

``custom_imports`` runs before the model is built, and scripts of the mmcv 1.x line call ``.cuda()`` long before
``before_run``: so this cannot wait for a hook. Without an NPU nothing happens.
"""

from __future__ import annotations

import importlib
from typing import Any, Dict, Optional

import torch

from mx_driving.device import npu_problem
from mx_driving.training.npu_routing import route_cuda_calls

BY_IMPORT = "mx_driving.runner_hooks"
"""Holds the set-up from the import of the hooks to the first run, which then holds it itself."""

_before: Optional[Dict[str, Any]] = None
"""The options as they were before the first holder; None while they are as they were."""

_holders: Dict[Any, bool] = {}
"""Who needs the set-up, the latest last, and whether private formats are allowed there."""


def hold(holder: Any, internal_format: bool = False) -> bool:
    """Set up on behalf of a holder and tell if it is done; without an NPU nothing happens.

    CUDA calls (and nccl) go to the NPU, just-in-time compilation is off, private memory formats are as the latest
    holder says. The routing is torch_npu's own ``transfer_to_npu``, which rewrites torch in about a hundred places and
    offers no way back: it stays until the process ends.

    Args:
        holder: hashable; holding twice counts once.
        internal_format: whether torch_npu may use its private memory formats.
    """
    global _before
    if _before is None:
        if npu_problem():
            return False
        before = {"formats": _formats_allowed(), "jit": not _npu().is_jit_compile_false()}
        route_cuda_calls()
        _before = before  # only now: a routing that failed is tried again, and no log says that it is done
        _npu().set_compile_mode(jit_compile=False)
    _holders.pop(holder, None)
    _holders[holder] = internal_format
    _allow_internal_format(internal_format)
    return True


def release(holder: Any) -> None:
    """Let go: what the latest holder that is left asked for is in force again; after the last, what was at first."""
    global _before
    if _holders.pop(holder, None) is None or _before is None:
        return
    if _holders:
        return _allow_internal_format(list(_holders.values())[-1])
    _allow_internal_format(_before["formats"])
    _npu().set_compile_mode(jit_compile=_before["jit"])
    _before = None


def _allow_internal_format(allowed: bool) -> None:
    _npu().config.allow_internal_format = allowed


def _formats_allowed() -> bool:
    # Not set means off: that is torch_npu's default.
    return importlib.import_module("torch_npu")._C._npu_getOption("ALLOW_INTERNAL_FORMAT") == b"enable"


def _npu() -> Any:
    return getattr(torch, "npu")  # noqa: B009 - torch_npu adds it: no type checker knows
