"""Profilers of somebody else: torch has room for one, and a second one crashes the process."""

from __future__ import annotations

import gc
import sys
from typing import Any, Optional

import torch
from torch.autograd import profiler


def _torch_is_on(profile: Any) -> bool:
    # Prepared (a schedule's warm-up) or recording, and its results not taken yet.
    return profile.enabled and profile.entered and profile.kineto_results is None


def _npu_is_on(profile: Any) -> bool:
    action = getattr(profile.current_action, "name", "NONE")
    return bool(profile.prof_if.prof_path) and not profile.stopped and action != "NONE"


def other_profiler(own: Any = None) -> Optional[str]:
    """Name the kind of a profiler that is switched on, its warm-up included, and is not ``own``; None if there is none.

    Args:
        own: a profiler's object that does not count, ``torch.autograd.profiler.profile`` or ``torch_npu.profiler``'s.
    """
    kinds = {profiler.profile: ("torch's profiler", _torch_is_on)}
    npu = sys.modules.get("torch_npu.profiler.profiler")
    if npu is not None:
        kinds[npu.profile] = ("torch_npu's profiler", _npu_is_on)
    # torch tells of recording in this thread alone, and of a schedule's warm-up to nobody: the objects are asked.
    # Without a call for each: inside a window with call stacks all calls are recorded, and there are a million objects.
    things = gc.get_objects()
    for thing in [thing for thing, kind in zip(things, map(type, things)) if kind in kinds]:
        name, is_on = kinds[type(thing)]
        if thing is not own and is_on(thing):
            return name
    if own is None and torch.autograd._profiler_enabled():
        return "a profiler of torch's"
    return None
