"""Profiling of chosen iterations: windows, backends and a readable summary."""

from mx_driving.profiling.others import other_profiler
from mx_driving.profiling.recorders import Recorder, make_recorder
from mx_driving.profiling.windows import Plan, Window, parse_windows, read_plan

__all__ = ["Plan", "Recorder", "Window", "make_recorder", "other_profiler", "parse_windows", "read_plan"]
