"""Profiling of chosen iterations: windows, backends and a readable summary."""

from mx_driving.profiling.recorders import Recorder, open_recorder
from mx_driving.profiling.windows import Window, parse_windows

__all__ = ["Recorder", "Window", "open_recorder", "parse_windows"]
