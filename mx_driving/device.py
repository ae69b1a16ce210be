"""Which device a run is on; beside the layers, since the rehearsal has to know before any hook is imported."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from typing import Any

import torch

_log = logging.getLogger("mx_driving")

HINT = "source CANN's set_env.sh, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0 to work on the CPU"


def npu_problem() -> str:
    """Return why there is no NPU to use, or an empty string if there is one."""
    if importlib.util.find_spec("torch_npu") is None:
        return "torch_npu is not installed"
    try:
        importlib.import_module("torch_npu")
    except (ImportError, OSError, RuntimeError) as exc:
        reason = (str(exc) or type(exc).__name__).splitlines()[0]
        return f"torch_npu is installed but does not import ({reason}); {HINT}"
    npu: Any = getattr(torch, "npu")  # noqa: B009 - torch_npu adds it: no type checker knows
    return "" if npu.is_available() else "torch_npu sees no NPU"


def resolve(device: str) -> str:
    """Return ``npu``, ``cuda``, ``mps`` (stock kernels stay on these two) or ``cpu``, and check an explicit choice.

    Raises:
        RuntimeError: ``npu`` was asked for and there is none.
    """
    if device == "cpu":
        return device
    problem = npu_problem()
    if not problem:
        return "npu"
    if device == "npu":
        raise RuntimeError(f"device='npu': {problem}")
    if "does not import" in problem:
        _log.warning("%s: going on without an NPU", problem)
    if torch.cuda.is_available():
        return "cuda"
    # Runners choose Apple's GPU by themselves: our CPU kernels must not be put under its tensors.
    return "mps" if torch.backends.mps.is_available() else "cpu"
