"""Run a training script on an emulated Ascend NPU: the real ``torch_npu`` wheel, CANN's libraries emulated on the CPU.

``python -m mx_driving.emulator [--devices 2] -- python train.py cfg.py`` builds the emulated libraries on first use and
starts the command with them. It proves plumbing (routing, argument order, strides, dtypes, autograd glue, queues),
never Ascend numerics, what CANN would refuse, or speed. Nothing here is loaded unless that command is given.
"""

from __future__ import annotations

from mx_driving.emulator.builder import build
from mx_driving.emulator.errors import EmulatorError
from mx_driving.emulator.launch import Machine, child_environment

__all__ = ["EmulatorError", "Machine", "build", "child_environment"]
