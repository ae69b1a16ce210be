"""Recorders of one window: they differ by device and have the same steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol

import torch
from torch import profiler

from mx_driving.profiling.marks import IterationMarks
from mx_driving.profiling.npu import NPURecorder
from mx_driving.profiling.others import other_profiler
from mx_driving.profiling.stock import export_trace
from mx_driving.profiling.summary import write_summary
from mx_driving.profiling.windows import Window

LEVELS = (0, 1, 2)
OPTIONS = ("record_shapes", "profile_memory", "with_stack", "with_flops", "with_modules")
"""What may be asked of a profiler beyond the level, by the names that torch and torch_npu share."""


class Recorder(Protocol):
    """Records one window on one kind of device."""

    window: Window

    def begin(self, iteration: int) -> None:
        """Begin an iteration: switch the profiler on with the first, keep what it sees from ``window.start`` on."""

    def lost(self) -> Optional[str]:
        """Name the profiler that took this one's place; None as long as it records."""
        ...

    def finish(self) -> List[Path]:
        """Switch the profiler off and write what was kept; return what was written.

        Raises:
            OSError: it could not be written.
        """
        ...

    def discard(self) -> None:
        """Write nothing; after ``lost``, leave the other profiler alone."""


class TorchRecorder:
    """Records one window with torch.profiler.

    Args:
        window: iterations to record.
        directory: where ``iters_<start>_<stop>.pt.trace.json`` (Chrome and TensorBoard) and the summary go.
        level: 0 device activity only, 1 device and CPU, 2 with call stacks as well. On a CPU the device is the CPU.
        options: arguments of ``torch.profiler.profile`` that override the level's, see ``OPTIONS``.
    """

    def __init__(self, window: Window, directory: Path, level: int, options: Mapping[str, Any]):
        self.window = window
        self.directory = directory
        self._profile = profiler.profile(activities=self._activities(level), **{"with_stack": level == 2, **options})
        self._marks = IterationMarks()
        self._prepared = self._recording = False

    def _activities(self, level: int) -> List[profiler.ProfilerActivity]:
        if not torch.cuda.is_available():
            return [profiler.ProfilerActivity.CPU]
        device = [profiler.ProfilerActivity.CUDA]
        return device if level == 0 else [*device, profiler.ProfilerActivity.CPU]

    def begin(self, iteration: int) -> None:
        """Begin an iteration; see Recorder."""
        # A schedule would do the same, but torch <= 2.2 marks the steps of one with the number before.
        if not self._prepared:
            self._profile.prepare_trace()
            self._prepared = True
        if iteration < self.window.start:
            return
        if not self._recording:
            self._profile.start_trace()
            self._recording = True
        self._marks.begin(iteration)

    def lost(self) -> Optional[str]:
        """Name the profiler that took this one's place; see Recorder."""
        other = other_profiler(self._profile.profiler)
        if other is None and self._recording and not torch.autograd._profiler_enabled():
            return "a profiler that has ended since"
        return other

    def finish(self) -> List[Path]:
        """End the recording and write trace and summary; return their paths."""
        self._marks.end()
        if not self._recording:
            self.discard()
            return []
        self._profile.stop_trace()
        self.directory.mkdir(parents=True, exist_ok=True)
        stem = f"iters_{self.window.start}_{self.window.stop}"
        # First, for Python says why it cannot write.
        summary = write_summary(self._profile, self.directory / f"{stem}.summary.txt", self.window)
        trace = self.directory / f"{stem}.pt.trace.json"
        export_trace(self._profile, trace)
        return [trace, summary]

    def discard(self) -> None:
        """Write nothing; see Recorder."""
        self._marks.end()
        if not self._prepared:
            return
        if self.lost() is None:
            if not self._recording:
                self._profile.start_trace()
            self._profile.stop_trace()
        else:
            self._profile.profiler.entered = False  # it is over: later windows are not to take it for another's


RECORDERS: Dict[str, Callable[..., Recorder]] = {
    "cpu": TorchRecorder,
    "cuda": TorchRecorder,
    "mps": TorchRecorder,
    "npu": NPURecorder,
}


def make_recorder(device: str, window: Window, directory: Path, level: int, options: Mapping[str, Any]) -> Recorder:
    """Return the recorder for the device; it begins with its first iteration."""
    return RECORDERS[device](window, directory, level, options)
