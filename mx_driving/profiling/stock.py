"""The profile that a runner's own ProfilerHook makes: ended whenever training ends, and never in a crash."""

from __future__ import annotations

import logging
import weakref
from pathlib import Path
from typing import Any, Optional

import torch
from torch.profiler import ProfilerAction

from mx_driving.profiling.others import other_profiler

KEPT = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def export_trace(profile: Any, path: Path) -> None:
    """Write a Chrome trace.

    Raises:
        OSError: torch could not write it. By itself torch says nothing, and an earlier run's file stays.
    """
    if path.exists():
        path.unlink()
    profile.export_chrome_trace(str(path))
    if not path.exists():
        raise OSError(f"torch could not write {path}; is the disk full, or the folder gone?")


def is_on(profile: Any) -> bool:
    """Tell whether a ``torch.profiler.profile`` is switched on: recording, or in its schedule's warm-up."""
    inner = profile.profiler
    return inner is not None and inner.entered and inner.kineto_results is None


def taken_by(profile: Any) -> Optional[str]:
    """Name the profiler that took the place of one that was switched on; None if none did."""
    if not is_on(profile):
        return None
    other = other_profiler(profile.profiler)
    if other is None and profile.current_action in KEPT and not torch.autograd._profiler_enabled():
        return "a profiler that has ended since"
    return other


def stop_with(owner: Any, profile: Any) -> None:
    """Switch the profile off with the last reference to its owner, or at exit: torch crashes when one is left on."""
    weakref.finalize(owner, _stop, profile)


def _stop(profile: Any) -> None:
    if is_on(profile) and profile.current_action in KEPT and taken_by(profile) is None:
        profile.stop_trace()


def end_profile(profile: Any, json_trace_path: Optional[str], logger: logging.Logger) -> None:
    """End the profile as the runners' own hooks do, and log in one line what cannot be written."""
    logger.info("profiler may take a few minutes...")
    other = taken_by(profile)
    if other is not None:
        logger.warning("ProfilerHook: the trace is lost, %s was started beside it", other)
        return
    nothing = profile.profiler is None
    try:
        profile.__exit__(None, None, None)
        if json_trace_path is not None and not nothing:
            export_trace(profile, Path(json_trace_path))
    except (OSError, RuntimeError, MemoryError) as exc:
        logger.error("ProfilerHook: the trace is lost, training goes on: %s", exc)
