"""The recorder of a window on an NPU, by the real ``torch_npu.profiler``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, List, Mapping

from mx_driving.profiling.windows import Window


class NPURecorder:
    """Records one window with torch_npu.profiler.

    Args:
        window: iterations to record.
        directory: where ``iters_<start>_<stop>/`` goes, as ``tensorboard_trace_handler`` writes it.
        level: 0 NPU activity only (ProfilerLevel Level0), 1 NPU and CPU (Level1), 2 with call stacks as well (Level2).
        options: further arguments of ``torch_npu.profiler.profile``, such as ``record_shapes``.
    """

    def __init__(self, window: Window, directory: Path, level: int, options: Mapping[str, Any]):
        self.window = window
        self._folder = directory / f"iters_{window.start}_{window.stop}"
        self._profiler = importlib.import_module("torch_npu").profiler
        self._folder.mkdir(parents=True, exist_ok=True)
        self._profile = self._profiler.profile(
            activities=self._activities(level),
            schedule=lambda step: self._profiler.ProfilerAction.RECORD,
            on_trace_ready=self._profiler.tensorboard_trace_handler(str(self._folder)),
            experimental_config=self._profiler._ExperimentalConfig(
                profiler_level=getattr(self._profiler.ProfilerLevel, f"Level{level}")
            ),
            with_stack=level == 2,
            **options,
        )
        self._profile.step_num = window.start

    def _activities(self, level: int) -> List[Any]:
        kinds = self._profiler.ProfilerActivity
        return [kinds.NPU] if level == 0 else [kinds.NPU, kinds.CPU]

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def step(self) -> None:
        """Mark the border between two iterations."""
        self._profile.step()

    def stop(self) -> List[Path]:
        """End the recording and write the trace; return its folder."""
        # Ending in RECORD is what torch_npu warns of as an "Incorrect schedule"; this is the action that ends a window.
        self._profile.current_action = self._profiler.ProfilerAction.RECORD_AND_SAVE
        self._profile.stop()
        return [self._folder]
