"""Predicted boxes as nuScenes boxes, converted as whole arrays; for all patches of mmdet3d's nuScenes code."""

from __future__ import annotations

import sys
from typing import Any, Callable, List, Optional, Tuple

import numpy as np
import torch

INTEGERS = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64)


def _turns_about_z(yaw: np.ndarray) -> np.ndarray:
    """Return unit quaternions ``(w, x, y, z)``, array[N, 4], of turns by ``yaw`` radians about z."""
    half = yaw.astype(np.float64) / 2
    zeros = np.zeros_like(half)
    return np.stack([np.cos(half), zeros, zeros, np.sin(half)], axis=1)


def _camera_turns(yaw: np.ndarray) -> np.ndarray:
    """Turn by ``-yaw`` about z, then by a quarter about x: mmdet3d's camera frame to nuScenes' box frame."""
    w, _, _, z = _turns_about_z(-yaw).T
    return np.sqrt(0.5) * np.stack([w, w, -z, z], axis=1)


def _velocities(boxes: Any, axes: List[int], with_velocity: bool) -> np.ndarray:
    if not with_velocity:
        return np.zeros((len(boxes), 3), dtype=int)  # as the original, whose velocity is then (0, 0, 0)
    velocity = np.zeros((len(boxes), 3))
    velocity[:, axes] = boxes.tensor[:, 7:9].numpy()
    return velocity


def _assemble(scope: Any, columns: Tuple[np.ndarray, ...], scores: np.ndarray, labels: np.ndarray) -> List[Any]:
    centers, sizes, turns, velocity = columns
    box_class, turn_class = scope["NuScenesBox"], scope["pyquaternion"].Quaternion
    made = []
    # The two constructors check and copy argument by argument; the arrays have been checked as a whole.
    for row, (label, score) in enumerate(zip(labels.tolist(), scores.tolist())):
        turn, box = turn_class.__new__(turn_class), box_class.__new__(box_class)
        turn.q = turns[row]
        box.center, box.wlh, box.orientation, box.velocity = centers[row], sizes[row], turn, velocity[row]
        box.label, box.score, box.name, box.token = label, score, None, None
        made.append(box)
    return made


def ordinary(detection: Any, key: str, with_velocity: bool = True) -> bool:
    """Tell whether a detection holds as many finite boxes as scores and labels, of the kinds that models predict.

    Anything else is for the original: its errors, and what it makes of NaN, of labels that are no integers and of boxes
    without velocities, are its own.
    """
    boxes, scores, labels = detection[key].tensor, detection["scores_3d"], detection["labels_3d"]
    kinds = (boxes.dim() == 2 and boxes.is_floating_point(), scores.is_floating_point(), labels.dtype in INTEGERS)
    if not all(kinds) or not scores.shape == labels.shape == boxes.shape[:1]:
        return False
    columns = boxes.size(1) >= 9 if with_velocity else boxes.size(1) >= 7
    return columns and bool(boxes.isfinite().all()) and not bool(scores.isnan().any())


def convert(
    original: Callable,
    detection: Any,
    key: str,
    camera: bool,
    with_velocity: bool = True,
    order: Optional[List[int]] = None,
    turned: Callable[[np.ndarray], np.ndarray] = lambda yaw: yaw,
) -> List[Any]:
    """Return nuScenes boxes for an ordinary detection.

    Args:
        original: mmdet3d's function; its module has imported the two classes that are built.
        detection: a mapping with ``key``, ``scores_3d`` (Tensor[N]) and ``labels_3d`` (Tensor[N]).
        key: where the boxes (lidar or camera, N of them) are.
        camera: whether they are in the camera's frame.
        with_velocity: whether columns 7 and 8 of the boxes are velocities, in m/s.
        order: columns of the boxes' sizes that are nuScenes' width, length and height; by the frame if None.
        turned: turns the boxes' yaw, in radians, into nuScenes'.

    Source: ``output_to_nusc_box`` of mmdet3d, in nuscenes_metric.py (1.x), nuscenes_dataset.py and
        nuscenes_mono_dataset.py (0.17-1.0).
    """
    boxes, yaw = detection[key], turned(detection[key].yaw.numpy())
    order = order or ([2, 0, 1] if camera else [1, 0, 2])
    columns = (
        boxes.gravity_center.numpy(),
        np.ascontiguousarray(boxes.dims.numpy()[:, order]),
        _camera_turns(yaw) if camera else _turns_about_z(yaw),
        _velocities(boxes, [0, 2] if camera else [0, 1], with_velocity),
    )
    scope = vars(sys.modules[original.__module__])
    return _assemble(scope, columns, detection["scores_3d"].numpy(), detection["labels_3d"].numpy())


def attributes(detection: Any, key: str) -> Optional[np.ndarray]:
    """Return predicted attribute labels, array[N], or None."""
    return detection[key].numpy() if key in detection else None
