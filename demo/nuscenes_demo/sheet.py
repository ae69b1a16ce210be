"""One picture with all cameras of a frame and the annotated boxes, for a person to check.

The boxes are drawn from the annotation file's numbers alone, so a wrong annotation is seen beside its object.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

import cv2
import numpy as np

from .camera import UNIT_CORNERS
from .world import CLASSES

LAYOUT = (("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT"), ("CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT"))
EDGES = [(a, b) for a in range(8) for b in range(a) if (UNIT_CORNERS[a] != UNIT_CORNERS[b]).sum() == 1]
HUES = [tuple(int(255 * c) for c in np.random.default_rng(3 + i).uniform(0.25, 1.0, 3)) for i in range(len(CLASSES))]


def instance_corners(instance: Dict[str, Any]) -> np.ndarray:
    """Corners in the camera frame of an entry of ``cam_instances`` (ndarray[8, 3]), metres."""
    x, y, z, length, height, width, yaw = instance["bbox_3d"]
    cos, sin = np.cos(yaw), np.sin(yaw)
    # Columns: where the box's length, width and height axes point in the camera frame (y is down).
    axes = np.array([[cos, -sin, 0.0], [0.0, 0.0, -1.0], [-sin, -cos, 0.0]])
    return (UNIT_CORNERS * [length, width, height]) @ axes.T + [x, y, z]


def draw_boxes(image: np.ndarray, intrinsic: np.ndarray, instances: Any) -> None:
    """Draw 3-D boxes as wire frames and 2-D boxes as thin rectangles into ``image``."""
    for instance in instances:
        hue = HUES[instance["bbox_label"]]
        x1, y1, x2, y2 = (round(value) for value in instance["bbox"])
        cv2.rectangle(image, (x1, y1), (x2, y2), (255, 255, 255), 1)
        corners = instance_corners(instance)
        # A wire that passes behind the camera has no picture.
        if corners[:, 2].min() > 0.1:
            pixels = corners @ intrinsic.T
            points = np.round(pixels[:, :2] / pixels[:, 2:]).astype(int)
            for a, b in EDGES:
                cv2.line(image, tuple(points[a].tolist()), tuple(points[b].tolist()), hue, 1, cv2.LINE_AA)
        name = CLASSES[instance["bbox_label"]]
        cv2.putText(image, name, (x1, max(y1 - 3, 8)), cv2.FONT_HERSHEY_SIMPLEX, 0.32, hue, 1, cv2.LINE_AA)


def write(path: Path, root: Path, sample: Dict[str, Any]) -> None:
    """Write the contact sheet of one sample of the data set at ``root``.

    Raises:
        OSError: if an image cannot be read back or the sheet cannot be written.
    """
    rows = []
    for channels in LAYOUT:
        row = []
        for channel in channels:
            info = sample["images"][channel]
            image = cv2.imread(str(root / "samples" / channel / info["img_path"]))
            if image is None:
                raise OSError(f"cannot read back {info['img_path']} of {channel}")
            draw_boxes(image, np.array(info["cam2img"]), sample["cam_instances"][channel])
            cv2.putText(image, channel, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 2, cv2.LINE_AA)
            row.append(image)
        rows.append(np.hstack(row))
    if not cv2.imwrite(str(path), np.vstack(rows)):
        raise OSError(f"cannot write {path}")
