"""CUDA calls go to the NPU: torch_npu's own ``transfer_to_npu``, and mends of what it breaks.

It rewrites every string in the arguments of about a hundred functions of torch that holds "cuda", a path as well as a
device, and it offers no way back: routing and mends stay until the process ends.
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any, Callable, Tuple

from mx_driving._core import PatchRecord, PatchSet, Replace


def route_cuda_calls() -> None:
    """Switch the routing on; a second call changes nothing."""
    # The import sets the process's warning filters to its own taste: a user's stay as they are.
    with warnings.catch_warnings():
        importlib.import_module("torch_npu.contrib.transfer_to_npu")
    PatchSet([MENDS], device="npu", strict=True).apply()


def _no_capability(original: Callable, *args: Any, **kwargs: Any) -> Tuple[int, int]:
    return original(*args, **kwargs) or (0, 0)


def _path_at(position: int) -> Callable:
    """Return a wrapper of a routed function that leaves one argument, a path, as it is; the others are rewritten."""

    def call(routed: Callable, *args: Any, **kwargs: Any) -> Any:
        path = args[position] if len(args) > position else None
        if not isinstance(path, str) or "cuda" not in path:
            return routed(*args, **kwargs)
        real = routed.__wrapped__  # type: ignore[attr-defined]  # the routing's wrappers are made by functools.wraps

        def rest(*others: Any, **kwargs: Any) -> Any:
            return real(*others[:position], path, *others[position:], **kwargs)

        transfer: Any = importlib.import_module("torch_npu.contrib.transfer_to_npu")
        return transfer._wrapper_cuda(rest)(*args[:position], *args[position + 1 :], **kwargs)

    return call


def _backend_first(routed: Callable, *args: Any, **kwargs: Any) -> Any:
    """Leave an address and a group's name as they are: of strings given by name, only devices are rewritten."""
    if not any(isinstance(arg, str) and "cuda" in arg for arg in args[1:]):
        return routed(*args, **kwargs)
    names = (
        "backend",
        "init_method",
        "timeout",
        "world_size",
        "rank",
        "store",
        "group_name",
        "pg_options",
        "device_id",
    )
    return routed(**dict(zip(names, args)), **kwargs)


def _cast_on_npu(original: Callable, value: Any, device_type: str, dtype: Any) -> Any:
    # A decorator of torch.amp that was applied before the routing asks for tensors on "cuda".
    return original(value, "npu" if device_type == "cuda" else device_type, dtype)


MENDS = PatchRecord(
    name="transfer_to_npu",
    targets=(
        Replace("torch.cuda:get_device_capability", _no_capability, wrap=True),
        Replace("torch:load", _path_at(0), wrap=True),
        Replace("torch:from_file", _path_at(0), wrap=True),
        Replace("torch.distributed:init_process_group", _backend_first, wrap=True),
        Replace("torch_npu.profiler:_KinetoProfile.export_memory_timeline", _path_at(1), wrap=True),
        Replace("torch.amp.autocast_mode:_cast", _cast_on_npu, wrap=True, requires=("torch>=2.4",)),
    ),
    devices=("npu",),
    why="paths with 'cuda' in them are rewritten, so saving works and resuming fails; functions that were decorated by "
    "custom_fwd before the routing keep half precision; torch 2.13 asks for a capability and gets None",
    upstream="torch_npu 2.13 with transfer_to_npu",
    remove_when="torch_npu rewrites devices only",
)
"""Belongs to the routing and lasts as long; no entry of the catalogue, since nobody can do without it."""
