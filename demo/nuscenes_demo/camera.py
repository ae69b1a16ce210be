"""Six pinhole cameras on a car, and the projection of boxes into them.

Frames as in nuScenes: ego is x forward, y left, z up; a camera is x right, y down, z along its optical axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List

import numpy as np

NEAR = 0.2  # metres; nothing nearer to a camera is drawn or annotated
NATIVE_WIDTH = 1600  # pixels; the focal lengths below belong to this width

# name: position in the ego frame (metres), heading (degrees, left is positive), focal length (pixels).
RIG: Dict[str, tuple] = {
    "CAM_FRONT": ((1.70, 0.00, 1.51), 0.0, 1265.0),
    "CAM_FRONT_RIGHT": ((1.55, -0.49, 1.50), -56.0, 1260.0),
    "CAM_FRONT_LEFT": ((1.52, 0.49, 1.51), 55.0, 1270.0),
    "CAM_BACK": ((0.03, 0.00, 1.57), 180.0, 810.0),
    "CAM_BACK_LEFT": ((1.04, 0.48, 1.56), 109.0, 1255.0),
    "CAM_BACK_RIGHT": ((1.01, -0.48, 1.56), -110.0, 1260.0),
}

# Corners of the unit cube and its faces, seen from outside against the clock: x is length, y width, z height.
UNIT_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


@dataclass(frozen=True)
class Camera:
    """A calibrated pinhole camera.

    Attributes:
        name: nuScenes' channel name.
        intrinsic (ndarray[3, 3]): pixels.
        cam2ego (ndarray[4, 4]): rigid, metres.
        width, height: image size in pixels.
    """

    name: str
    intrinsic: np.ndarray
    cam2ego: np.ndarray
    width: int
    height: int

    def scaled(self, factor: int) -> Camera:
        """Return the same camera with ``factor`` times the pixels along each side."""
        intrinsic = self.intrinsic * np.array([[factor], [factor], [1.0]])
        return Camera(self.name, intrinsic, self.cam2ego, self.width * factor, self.height * factor)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Project points of the camera frame (ndarray[N, 3], depth > 0) to pixels (ndarray[N, 2])."""
        homogeneous = points @ self.intrinsic.T
        return homogeneous[:, :2] / homogeneous[:, 2:]

    def frustum(self) -> np.ndarray:
        """Inward planes ``(n, d)``, ``n . x >= d``, of what the image shows (ndarray[5, 4])."""
        edges = np.array([[1, 0, 0], [-1, 0, self.width], [0, 1, 0], [0, -1, self.height]], dtype=float)
        planes = np.hstack([edges @ self.intrinsic, np.zeros((4, 1))])
        return np.vstack([[0.0, 0.0, 1.0, NEAR], planes])


def rotation_z(yaw: float) -> np.ndarray:
    """Rotation about the z axis by ``yaw`` radians (ndarray[3, 3])."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Join a rotation and a translation to a 4x4 matrix."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply a 4x4 pose to points (ndarray[N, 3])."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def build_rig(width: int) -> List[Camera]:
    """Return the six cameras for images ``width`` pixels wide (16:9).

    Raises:
        ValueError: if ``width`` is not a positive multiple of 16, for which the height would not be whole.
    """
    if width <= 0 or width % 16:
        raise ValueError(f"width must be a positive multiple of 16, got {width}: take 400 or 800")
    height, scale = width * 9 // 16, width / NATIVE_WIDTH
    optical = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])  # camera axes in a forward-looking ego
    cameras = []
    for name, (position, heading, focal) in RIG.items():
        intrinsic = np.array([[focal * scale, 0, width / 2], [0, focal * scale, height * 0.53], [0, 0, 1.0]])
        cam2ego = pose(rotation_z(np.deg2rad(heading)) @ optical, np.array(position))
        cameras.append(Camera(name, intrinsic, cam2ego, width, height))
    return cameras


def clip_polygon(points: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Cut a convex polygon (ndarray[N, 3]) by planes ``n . x >= d`` (Sutherland-Hodgman); may return no point."""
    for plane in planes:
        signed = points @ plane[:3] - plane[3]
        kept: List[np.ndarray] = []
        for index in range(len(points)):
            here, before = signed[index], signed[index - 1]
            if (here >= 0) != (before >= 0):
                kept.append(points[index - 1] + (points[index] - points[index - 1]) * before / (before - here))
            if here >= 0:
                kept.append(points[index])
        points = np.array(kept).reshape(-1, 3)
    return points


def box_bounds(camera: Camera, corners: np.ndarray) -> np.ndarray | None:
    """Pixel bounds of the part of a box that the image shows.

    Args:
        corners (ndarray[8, 3]): corners in the camera frame, in the order of ``UNIT_CORNERS``.

    Returns:
        ndarray[4] ``x1, y1, x2, y2``, or None when the box is out of sight.
    """
    planes = camera.frustum()
    shown = np.vstack([clip_polygon(corners[list(face)], planes) for face in FACES])
    if not len(shown):
        return None
    pixels = camera.project(shown)
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
