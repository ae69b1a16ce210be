"""Recorders of one window: they differ by device and have the same three steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Protocol

import torch
from torch import profiler

from mx_driving.profiling.npu import NPURecorder
from mx_driving.profiling.summary import write_summary
from mx_driving.profiling.windows import Window

LEVELS = (0, 1, 2)


class Recorder(Protocol):
    """Records one window on one kind of device."""

    window: Window

    def start(self) -> None:
        """Begin to record."""

    def step(self) -> None:
        """Mark the border between two iterations."""

    def stop(self) -> List[Path]:
        """End the recording and write it; return what was written."""
        ...


class TorchRecorder:
    """Records one window with torch.profiler.

    Args:
        window: iterations to record.
        directory: where ``iters_<start>_<stop>.pt.trace.json`` (Chrome and TensorBoard) and the summary go.
        level: 0 device activity only, 1 device and CPU, 2 with call stacks as well. On a CPU the device is the CPU.
        options: further arguments of ``torch.profiler.profile``, such as ``record_shapes``.
    """

    def __init__(self, window: Window, directory: Path, level: int, options: Mapping[str, Any]):
        self.window = window
        self.directory = directory
        # Without a schedule torch leaves the steps out of the trace.
        self._profile = profiler.profile(
            activities=self._activities(level), schedule=_always, with_stack=level == 2, **options
        )
        # torch names the steps after this counter: the trace shows the runner's iterations, not 0, 1, 2.
        self._profile.step_num = window.start

    def _activities(self, level: int) -> List[profiler.ProfilerActivity]:
        if not torch.cuda.is_available():
            return [profiler.ProfilerActivity.CPU]
        device = [profiler.ProfilerActivity.CUDA]
        return device if level == 0 else [*device, profiler.ProfilerActivity.CPU]

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def step(self) -> None:
        """Mark the border between two iterations."""
        self._profile.step()

    def stop(self) -> List[Path]:
        """End the recording and write trace and summary; return their paths."""
        self._profile.stop()
        self.directory.mkdir(parents=True, exist_ok=True)
        stem = f"iters_{self.window.start}_{self.window.stop}"
        trace = self.directory / f"{stem}.pt.trace.json"
        self._profile.export_chrome_trace(str(trace))
        return [trace, write_summary(self._profile, self.directory / f"{stem}.summary.txt", self.window)]


def _always(step: int) -> profiler.ProfilerAction:
    return profiler.ProfilerAction.RECORD


RECORDERS: Dict[str, Callable[..., Recorder]] = {
    "cpu": TorchRecorder,
    "cuda": TorchRecorder,
    "mps": TorchRecorder,
    "npu": NPURecorder,
}


def open_recorder(device: str, window: Window, directory: Path, level: int, options: Mapping[str, Any]) -> Recorder:
    """Start the recorder for the device and return it."""
    recorder = RECORDERS[device](window, directory, level, options)
    recorder.start()
    return recorder
