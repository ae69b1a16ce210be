"""Draw the street into a camera with an exact depth buffer (numpy and OpenCV only)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple

import cv2
import numpy as np

from .camera import FACES, UNIT_CORNERS, Camera, clip_polygon, rotation_z, transform
from .shapes import SHAPES, block_corners, color
from .world import FACADE, KERB, LANE, WALK, Actor

# Drawn at twice the size and averaged down: OpenCV's own anti-aliasing would leak across the depth buffer.
SUPERSAMPLE = 2
SUN = np.array([0.35, -0.55, 0.76])  # direction to the sun in the street's frame, unit length
SKY_TOP, HORIZON = np.array([0.86, 0.68, 0.50]), np.array([0.90, 0.87, 0.84])
FOG = 130.0  # metres at which two thirds of the contrast are gone
FACADE_CELL = np.array([2.4, 3.1])  # metres between windows, along and up


@dataclass
class Canvas:
    """Picture under construction.

    Attributes:
        image (ndarray[H, W, 3]): blue, green, red in [0, 1].
        depth (ndarray[H, W]): metres along the optical axis.
        owner (ndarray[H, W]): index of the actor that is seen, -1 for none.
        rays (ndarray[H, W, 3]): through the pixel centres, in the camera frame, with depth 1.
    """

    image: np.ndarray
    depth: np.ndarray
    owner: np.ndarray
    rays: np.ndarray


def _noise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # A hash instead of a random generator: the grain must stay where it is while the car drives over it.
    cell = np.sin(np.floor(x) * 12.9898 + np.floor(y) * 78.233) * 43758.5453
    return cell - np.floor(cell)


def _ground_color(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Colour of the street at points of its frame (metres): asphalt with lane marks, pavement, grass."""
    across = np.abs(y)
    shade = 0.30 + 0.03 * _noise(x * 3, y * 3) + 0.03 * _noise(x * 0.7, y * 0.7)
    dashed = (np.abs(across - LANE) < 0.08) & (np.mod(x, 9.0) < 4.0)
    solid = (np.abs(across - 0.12) < 0.06) | (np.abs(across - 2 * LANE) < 0.08)
    shade = np.where(dashed | solid, 0.82, shade)
    tile = (np.mod(x, 1.0) < 0.04) | (np.mod(y, 1.0) < 0.04)
    shade = np.where(across > KERB, np.where(tile, 0.48, 0.57 + 0.04 * _noise(x, y)), shade)
    shade = np.where(np.abs(across - KERB) < 0.15, 0.70, shade)
    colors = shade[..., None] * np.array([1.0, 0.99, 0.98])
    grass = np.array([0.24, 0.45, 0.36]) * (0.85 + 0.3 * _noise(x * 2, y * 2))[..., None]
    return np.where((across > WALK)[..., None] & (across < FACADE + 40)[..., None], grass, colors)


def _fill(camera: Camera, quad: np.ndarray) -> Tuple[Tuple[slice, slice], np.ndarray] | None:
    """Rasterise a planar quad (ndarray[4, 3], camera frame): window of the image and the mask (bool) within it."""
    polygon = clip_polygon(quad, camera.frustum())
    if len(polygon) < 3:
        return None
    pixels = camera.project(polygon)
    left, top = np.maximum(np.floor(pixels.min(0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(pixels.max(0)).astype(int) + 1, (camera.width, camera.height))
    if left >= right or top >= bottom:
        return None
    mask = np.zeros((bottom - top, right - left), np.uint8)
    # Pixel centres are at +0.5 here and at whole numbers in OpenCV; coordinates are in 1/16 pixels.
    fixed = np.round((pixels - (left, top) - 0.5) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 1, lineType=cv2.LINE_8, shift=4)
    return (slice(top, bottom), slice(left, right)), mask.astype(bool)


def _shadows(camera: Camera, street2cam: np.ndarray, actors: Sequence[Actor], time: float) -> np.ndarray:
    """Where the ground is below or just beside an actor (ndarray[H, W], bool)."""
    dark = np.zeros((camera.height, camera.width), bool)
    for actor in actors:
        center = actor.center(time) * [1, 1, 0]
        # Not further than this from what throws it: without a sun's shadow map, a long shadow would climb no wall.
        center[:2] -= SUN[:2] / SUN[2] * min(actor.size[2], 2.0) * 0.35
        flat = UNIT_CORNERS[[0, 2, 6, 4]] * [actor.size[0] * 1.1, actor.size[1] * 1.2, 0]
        filled = _fill(camera, transform(street2cam, flat @ rotation_z(actor.yaw).T + center))
        if filled is not None:
            window, mask = filled
            dark[window] |= mask
    return dark


def _fade(colors: np.ndarray, depth: np.ndarray) -> np.ndarray:
    haze = 1.0 - np.exp(-depth / FOG)[..., None]
    return colors * (1 - haze) + HORIZON * haze


def _backdrop(camera: Camera, cam2street: np.ndarray, dark: np.ndarray) -> Canvas:
    """Sky and ground, by the intersection of every pixel's ray with the plane z = 0; ``dark``: shadows' pixels."""
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.intrinsic).T
    directions = rays @ cam2street[:3, :3].T
    slope = directions[..., 2] / np.linalg.norm(directions, axis=-1)
    image = HORIZON + (SKY_TOP - HORIZON) * np.clip(slope * 2.2, 0, 1)[..., None]
    depth = np.full(u.shape, np.inf)
    below = directions[..., 2] < -1e-3
    depth[below] = -cam2street[2, 3] / directions[below][:, 2]
    points = cam2street[:3, 3] + directions[below] * depth[below][:, None]
    ground = _ground_color(points[:, 0], points[:, 1])
    ground[dark[below]] *= 0.45
    image[below] = _fade(ground, depth[below])
    return Canvas(image, depth, np.full(u.shape, -1, dtype=np.int32), rays)


def _windows(points: np.ndarray) -> np.ndarray:
    """Brightness of a house's wall at points of the street's frame: darker panes on a regular grid."""
    along = np.mod(points[:, 0], FACADE_CELL[0]) / FACADE_CELL[0]
    up = np.mod(points[:, 2], FACADE_CELL[1]) / FACADE_CELL[1]
    pane = (np.abs(along - 0.5) < 0.27) & (np.abs(up - 0.55) < 0.28) & (points[:, 2] > 0.4)
    return np.where(pane, 0.42, 1.0)


def _draw_face(
    canvas: Canvas, camera: Camera, cam2street: np.ndarray, quad: np.ndarray, paint: np.ndarray, owner: int, wall: bool
) -> None:
    """Fill one planar face (ndarray[4, 3], camera frame) where it is nearer than what is there."""
    normal = np.cross(quad[1] - quad[0], quad[2] - quad[0])
    plane = normal @ quad[0]
    # Seen from behind, or so thin that its plane is not defined.
    if plane >= -1e-9:
        return
    filled = _fill(camera, quad)
    if filled is None:
        return
    window, mask = filled
    depth = plane / np.minimum(canvas.rays[window] @ normal, -1e-12)
    nearer = mask & (depth < canvas.depth[window])
    light = 0.55 + 0.45 * max(0.0, float(cam2street[:3, :3] @ normal @ SUN) / float(np.linalg.norm(normal)))
    colors = np.broadcast_to(paint * light, (int(nearer.sum()), 3))
    if wall:
        points = (canvas.rays[window][nearer] * depth[nearer][:, None]) @ cam2street[:3, :3].T + cam2street[:3, 3]
        colors = colors * _windows(points)[:, None]
    canvas.image[window][nearer] = _fade(colors, depth[nearer])
    canvas.depth[window][nearer] = depth[nearer]
    canvas.owner[window][nearer] = owner


def _out_of_sight(camera: Camera, street2cam: np.ndarray, actor: Actor, time: float) -> bool:
    """Tell whether the whole box lies outside of one plane of the frustum."""
    corners, planes = transform(street2cam, actor.corners(time)), camera.frustum()
    return bool((corners @ planes[:, :3].T < planes[:, 3]).all(axis=0).any())


def draw(camera: Camera, cam2street: np.ndarray, actors: Sequence[Actor], time: float) -> Canvas:
    """Render the street.

    Args:
        camera: the camera to draw for.
        cam2street (ndarray[4, 4]): its pose in the street's frame.
        actors: everything on the street.
        time: seconds since the first frame.

    Returns:
        Canvas: image and owner at the camera's size times ``SUPERSAMPLE``.
    """
    large = camera.scaled(SUPERSAMPLE)
    street2cam = np.linalg.inv(cam2street)
    standing = [actor for actor in actors if actor.category != "house"]
    canvas = _backdrop(large, cam2street, _shadows(large, street2cam, standing, time))
    for owner, actor in enumerate(actors):
        if _out_of_sight(large, street2cam, actor, time):
            continue
        turn, center = rotation_z(actor.yaw), actor.center(time)
        for block in SHAPES[actor.category]:
            corners = transform(street2cam, (block_corners(block) * actor.size) @ turn.T + center)
            paint = color(block[-1], actor.tint)
            for face in FACES:
                _draw_face(canvas, large, cam2street, corners[list(face)], paint, owner, block[-1] == "facade")
    return canvas


def to_pixels(canvas: Canvas) -> np.ndarray:
    """Average a canvas down to the camera's size, 8 bits per channel (ndarray[h, w, 3], blue, green, red)."""
    height, width = canvas.depth.shape
    size = (width // SUPERSAMPLE, height // SUPERSAMPLE)
    return (cv2.resize(np.clip(canvas.image, 0, 1), size, interpolation=cv2.INTER_AREA) * 255 + 0.5).astype(np.uint8)
