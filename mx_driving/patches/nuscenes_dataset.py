"""``nuscenes_dataset``: predictions become nuScenes boxes by conversions of whole arrays (mmdet3d 0.17 to 1.0)."""

from __future__ import annotations

from typing import Any, Callable

from mx_driving._core import Patch, Replace
from mx_driving.patches._nuscenes_boxes import attributes, convert


def _lidar(original: Callable, detection: Any, with_velocity: bool = True) -> Any:
    return convert(original, detection, "boxes_3d", camera=False, with_velocity=with_velocity)


def _camera(original: Callable, detection: Any) -> Any:
    return convert(original, detection, "boxes_3d", camera=True), attributes(detection, "attrs_3d")


PATCH = Patch(
    name="nuscenes_dataset",
    targets=(
        Replace("mmdet3d.datasets.nuscenes_dataset:output_to_nusc_box", _lidar, wrap=True),
        Replace("mmdet3d.datasets.nuscenes_mono_dataset:output_to_nusc_box", _camera, wrap=True),
    ),
    requires=("mmdet3d>=0.17,<1.1",),
    why="the stock loop makes four tensor accesses and up to three quaternions for each box",
    upstream="mmdet3d 1.0 is closed; 1.x has the same loop, see nuscenes_metric",
    remove_when="mmdet3d 1.0 is no longer supported",
)
