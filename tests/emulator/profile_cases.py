"""Run in the emulated machine: windows of the NPU recorder. ``profile_cases.py <folder>`` records three levels."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch_npu  # noqa: F401 - brings the device

from mx_driving.profiling import Window, make_recorder
from mx_driving.training.npu_setup import hold

hold("test")  # transfer_to_npu puts torch_npu's profiler under the names of torch's: both must still work
model = torch.nn.Conv2d(3, 4, 3).npu()


def iteration():
    model(torch.ones(1, 3, 8, 8).npu()).sum().backward()


for level in (0, 1, 2):
    # The last one is cut short, as by a stop of the training in its second iteration.
    recorder = make_recorder("npu", Window(4, 7 if level == 2 else 6), Path(sys.argv[1], f"level{level}"), level, {})
    for step in (4, 5):
        recorder.begin(step)
        iteration()
    assert recorder.lost() is None
    print("WRITTEN", *recorder.finish())
    iteration()  # outside: must be in no trace
