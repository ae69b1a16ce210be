"""``nuscenes_dataset``: predictions become nuScenes boxes by conversions of whole arrays (mmdet3d 0.17 to 1.0)."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from mx_driving._core import ANYWHERE, PatchRecord, Replace
from mx_driving.patches._nuscenes_boxes import attributes, convert, ordinary


def _lidar(original: Callable, detection: Any, with_velocity: bool = True) -> Any:
    if not ordinary(detection, "boxes_3d", with_velocity):
        return original(detection, with_velocity)
    return convert(original, detection, "boxes_3d", camera=False, with_velocity=with_velocity)


def _lidar_before_1_0(original: Callable, detection: Any) -> Any:
    if not ordinary(detection, "boxes_3d"):
        return original(detection)
    # Until 0.18 boxes are (w, l, h) and turned about the other way, from another zero: nuScenes' order needs no change.
    return convert(original, detection, "boxes_3d", camera=False, order=[0, 1, 2], turned=lambda yaw: -yaw - np.pi / 2)


def _camera(original: Callable, detection: Any) -> Any:
    if not ordinary(detection, "boxes_3d"):
        return original(detection)
    made = convert(original, detection, "boxes_3d", camera=True)
    sizes = detection["boxes_3d"].dims.numpy()
    sizes[:, [0, 1, 2]] = sizes[:, [2, 0, 1]]  # the original turns the sizes of the boxes it was handed
    return made, attributes(detection, "attrs_3d")


_DATASET = "mmdet3d.datasets.nuscenes_dataset"

PATCH = PatchRecord(
    name="nuscenes_dataset",
    what="the same for mmdet3d 0.17 - 1.0",
    what_zh="同上，用于 mmdet3d 0.17 - 1.0",
    targets=(
        Replace(f"{_DATASET}:output_to_nusc_box", _lidar, wrap=True, requires=("mmdet3d>=1.0.0rc0",)),
        Replace(f"{_DATASET}:output_to_nusc_box", _lidar_before_1_0, wrap=True, requires=("mmdet3d<1.0.0rc0",)),
        Replace("mmdet3d.datasets.nuscenes_mono_dataset:output_to_nusc_box", _camera, wrap=True),
    ),
    requires=("mmdet3d>=0.17,<1.1",),
    devices=ANYWHERE,
    why="the stock loop makes four tensor accesses and up to three quaternions for each box",
    upstream="mmdet3d 1.0 is closed; 1.x has the same loop, see nuscenes_metric",
    remove_when="mmdet3d 1.0 is no longer supported",
)
