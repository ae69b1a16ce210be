"""The recorder of a window on an NPU, by the real ``torch_npu.profiler``."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, List, Mapping, Optional

from mx_driving.profiling.marks import IterationMarks
from mx_driving.profiling.others import other_profiler
from mx_driving.profiling.windows import Window


class NPURecorder:
    """Records one window with torch_npu.profiler.

    Args:
        window: iterations to record.
        directory: where ``iters_<start>_<stop>/`` goes. ``tensorboard_trace_handler`` makes a folder
            ``<host>_<process>_<time>_ascend_pt`` in it; its ``ASCEND_PROFILER_OUTPUT`` holds ``trace_view.json``
            (Chrome, MindStudio Insight) and tables of operators and kernels (``.csv``).
        level: 0 NPU activity only (ProfilerLevel Level0), 1 NPU and CPU (Level1), 2 with call stacks as well (Level2).
        options: arguments of ``torch_npu.profiler.profile`` that override the level's, such as ``record_shapes``.
    """

    def __init__(self, window: Window, directory: Path, level: int, options: Mapping[str, Any]):
        self.window = window
        self._folder = directory / f"iters_{window.start}_{window.stop}"
        self._profiler = importlib.import_module("torch_npu").profiler
        self._folder.mkdir(parents=True, exist_ok=True)
        self._actions = self._profiler.ProfilerAction
        self._action = self._actions.WARMUP if window.warmup else self._actions.RECORD
        self._profile = self._profiler.profile(
            activities=self._activities(level),
            schedule=lambda step: self._action,
            on_trace_ready=self._profiler.tensorboard_trace_handler(str(self._folder)),
            experimental_config=self._configuration(level),
            **{"with_stack": level == 2, **options},
        )
        self._profile.record_steps = False  # the marks are ours: old releases number them from the step before
        self._marks = IterationMarks()
        self._started = False

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

    def begin(self, iteration: int) -> None:
        """Begin an iteration; see Recorder."""
        if iteration >= self.window.start:
            self._action = self._actions.RECORD
        if self._started:
            self._profile.step()
        else:
            self._profile.current_action = self._action
            self._profile.start()
            self._started = True
        if iteration >= self.window.start:
            self._marks.begin(iteration)

    def lost(self) -> Optional[str]:
        """Name the profiler that took this one's place; see Recorder."""
        return other_profiler(self._profile)

    def finish(self) -> List[Path]:
        """End the recording and write the trace; return its folder."""
        self._marks.end()
        if self._action is self._actions.WARMUP:
            self.discard()
            return []
        # torch_npu warns when it is stopped while it records. A step from the action that ends a window to none is how
        # a schedule ends one, and this window may be cut short by a stop of the training.
        self._profile.current_action = self._actions.RECORD_AND_SAVE
        self._action = self._actions.NONE
        self._profile.step()
        self._profile.stop()
        # torch_npu prints what goes wrong and goes on.
        if not any(self._folder.glob("*_ascend_pt")):
            raise OSError(f"torch_npu could not write to {self._folder}; is the disk full, or the folder gone?")
        return [self._folder]

    def discard(self) -> None:
        """Write nothing; see Recorder."""
        self._marks.end()
        if self.lost() is None:
            self._profile.stop()
        self._profile.stopped = True  # or it is stopped once more with its last reference
