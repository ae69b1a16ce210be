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
        directory: where ``iters_<start>_<stop>/`` goes. ``tensorboard_trace_handler`` makes a folder
            ``<host>_<process>_<time>_ascend_pt`` in it; its ``ASCEND_PROFILER_OUTPUT`` holds ``trace_view.json``
            (Chrome, MindStudio Insight) and tables of operators and kernels (``.csv``).
        level: 0 NPU activity only (ProfilerLevel Level0), 1 NPU and CPU (Level1), 2 with call stacks as well (Level2).
        options: further arguments of ``torch_npu.profiler.profile``, such as ``record_shapes``.
    """

    def __init__(self, window: Window, directory: Path, level: int, options: Mapping[str, Any]):
        self.window = window
        self._folder = directory / f"iters_{window.start}_{window.stop}"
        self._profiler = importlib.import_module("torch_npu").profiler
        self._folder.mkdir(parents=True, exist_ok=True)
        self._action = self._profiler.ProfilerAction.RECORD
        self._profile = self._profiler.profile(
            activities=self._activities(level),
            schedule=lambda step: self._action,
            on_trace_ready=self._profiler.tensorboard_trace_handler(str(self._folder)),
            experimental_config=self._configuration(level),
            with_stack=level == 2,
            **options,
        )
        self._profile.step_num = window.start

    def _activities(self, level: int) -> List[Any]:
        kinds = self._profiler.ProfilerActivity
        return [kinds.NPU] if level == 0 else [kinds.NPU, kinds.CPU]

    def _configuration(self, level: int) -> Any:
        metrics = self._profiler.AiCMetrics
        return self._profiler._ExperimentalConfig(
            profiler_level=getattr(self._profiler.ProfilerLevel, f"Level{level}"),
            # Level 0 has no metrics of the cores, and torch_npu warns when it has to drop its default.
            aic_metrics=metrics.AiCoreNone if level == 0 else metrics.PipeUtilization,
        )

    def start(self) -> None:
        """Begin to record."""
        self._profile.start()

    def step(self) -> None:
        """Mark the border between two iterations."""
        self._profile.step()

    def stop(self) -> List[Path]:
        """End the recording and write the trace; return its folder."""
        # torch_npu warns when it is stopped while it records. A step from the action that ends a window to none is how
        # a schedule ends one, and this window may be cut short by a stop of the training.
        self._profile.current_action = self._profiler.ProfilerAction.RECORD_AND_SAVE
        self._action = self._profiler.ProfilerAction.NONE
        self._profile.step()
        self._profile.stop()
        return [self._folder]
