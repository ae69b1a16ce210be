"""``nuscenes_metric``: predictions become nuScenes boxes by conversions of whole arrays (mmdet3d 1.x)."""

from __future__ import annotations

from typing import Any, Callable

from mx_driving._core import ANYWHERE, PatchRecord, Replace
from mx_driving.patches._nuscenes_boxes import attributes, convert, ordinary

FRAMES = {"LiDARInstance3DBoxes": False, "CameraInstance3DBoxes": True}


def _output_to_nusc_box(original: Callable, detection: Any) -> Any:
    frame = type(detection["bboxes_3d"]).__name__
    if frame not in FRAMES or not ordinary(detection, "bboxes_3d"):
        return original(detection)
    return convert(original, detection, "bboxes_3d", FRAMES[frame]), attributes(detection, "attr_labels")


PATCH = PatchRecord(
    name="nuscenes_metric",
    what="predictions to nuScenes boxes by arrays",
    what_zh="预测结果按数组整体转换为 nuScenes 框",
    targets=(Replace("mmdet3d.evaluation.metrics.nuscenes_metric:output_to_nusc_box", _output_to_nusc_box, wrap=True),),
    requires=("mmdet3d>=1.1,<1.5",),
    devices=ANYWHERE,
    why="the stock loop makes four tensor accesses and up to three quaternions for each box",
    upstream="unchanged in mmdet3d 1.4.0",
    remove_when="mmdet3d converts arrays",
)
