"""A street with traffic: what stands where, how large it is and how it moves.

The street runs along x; the ego car drives on its right-hand side (y < 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Sequence, Tuple

import numpy as np

from .camera import UNIT_CORNERS, pose, rotation_z

CLASSES = (
    "car", "truck", "trailer", "bus", "construction_vehicle",
    "bicycle", "motorcycle", "pedestrian", "traffic_cone", "barrier",
)  # fmt: skip
ATTRIBUTES = (
    "cycle.with_rider", "cycle.without_rider", "pedestrian.moving", "pedestrian.standing",
    "pedestrian.sitting_lying_down", "vehicle.moving", "vehicle.parked", "vehicle.stopped", "None",
)  # fmt: skip

# Mean length, width and height of the classes, metres.
SIZES = {
    "car": (4.6, 1.9, 1.7), "truck": (6.9, 2.5, 2.8), "trailer": (11.0, 2.6, 3.6), "bus": (11.0, 2.8, 3.4),
    "construction_vehicle": (6.2, 2.6, 3.1), "bicycle": (1.7, 0.6, 1.4), "motorcycle": (2.1, 0.8, 1.5),
    "pedestrian": (0.7, 0.7, 1.75), "traffic_cone": (0.42, 0.42, 0.9), "barrier": (0.5, 2.4, 1.0),
}  # fmt: skip

LANE = 3.5  # metres
EGO_Y = -LANE / 2
EGO_SPEED = 7.0  # metres per second
FRAME_TIME = 0.5  # seconds between nuScenes key frames
KERB, WALK, FACADE = 9.5, 13.5, 17.0  # |y| at which the kerb, the pavement's end and the houses are, metres
SPAN = (-55.0, 75.0)  # extent of the street in x that is populated, metres

# The street's frame in the global one: nuScenes' maps are hundreds of metres large and at any angle.
STREET2GLOBAL = pose(rotation_z(np.deg2rad(31.0)), np.array([612.0, 1483.0, 0.0]))


@dataclass(frozen=True)
class Actor:
    """Something that stands on the street and has a box.

    Attributes:
        category: one of ``CLASSES``, or of the scenery ("house", "tree") which is drawn but not annotated.
        position (x, y): centre at time 0 in the street's frame, metres.
        size (length, width, height): metres.
        yaw: heading, radians.
        speed: metres per second along the heading.
        attribute: one of ``ATTRIBUTES``.
        tint: seed of its colour.
    """

    category: str
    position: Tuple[float, float]
    size: Tuple[float, float, float]
    yaw: float
    speed: float
    attribute: str
    tint: int

    def center(self, time: float) -> np.ndarray:
        """Centre of the box in the street's frame at ``time`` seconds (ndarray[3])."""
        along = self.speed * time
        x, y = self.position
        return np.array([x + along * np.cos(self.yaw), y + along * np.sin(self.yaw), self.size[2] / 2])

    def corners(self, time: float) -> np.ndarray:
        """Corners in the street's frame (ndarray[8, 3]), in the order of ``UNIT_CORNERS``."""
        return (UNIT_CORNERS * self.size) @ rotation_z(self.yaw).T + self.center(time)

    def velocity(self) -> np.ndarray:
        """Velocity in the street's frame (ndarray[3]), metres per second."""
        return self.speed * np.array([np.cos(self.yaw), np.sin(self.yaw), 0.0])


def ego_pose(time: float) -> np.ndarray:
    """Pose of the ego car in the street's frame at ``time`` seconds: it sways a little within its lane."""
    sway = 0.15 * np.sin(0.8 * time)
    yaw = np.arctan2(0.15 * 0.8 * np.cos(0.8 * time), EGO_SPEED)
    return pose(rotation_z(yaw), np.array([EGO_SPEED * time, EGO_Y + sway, 0.0]))


def _attribute(category: str, speed: float, rng: np.random.Generator) -> str:
    if category in ("traffic_cone", "barrier"):
        return "None"
    if category in ("bicycle", "motorcycle"):
        return "cycle.with_rider" if speed else "cycle.without_rider"
    if category == "pedestrian":
        return "pedestrian.moving" if speed else "pedestrian.standing"
    if speed:
        return "vehicle.moving"
    return str(rng.choice(["vehicle.parked", "vehicle.stopped"]))


def _row(
    rng: np.random.Generator, y: float, yaw: float, speed: float, deck: Sequence[str], gaps: Tuple[float, float]
) -> List[Actor]:
    """Fill a strip along the street with the classes of ``deck`` in turn; one speed for all, so none collide."""
    actors: List[Actor] = []
    x, turn = SPAN[0] + rng.uniform(0, gaps[1]), int(rng.integers(len(deck)))
    while x < SPAN[1]:
        category = deck[turn % len(deck)]
        size = tuple(float(mean * rng.uniform(0.92, 1.08)) for mean in SIZES[category])
        heading = yaw + (np.pi / 2 if category == "barrier" else 0.0) + rng.normal(0, 0.02)
        extent = max(size[:2])
        x += extent / 2
        keeps_clear = y != EGO_Y or abs(x) > 9.0 + extent / 2  # metres ahead of and behind the ego car
        if keeps_clear:
            place = (float(x), float(y + rng.normal(0, 0.12)))
            kind = _attribute(category, speed, rng)
            actors.append(Actor(category, place, size, float(heading), speed, kind, int(rng.integers(1 << 30))))
        x += extent / 2 + rng.uniform(*gaps)
        turn += 1
    return actors


def _scenery(rng: np.random.Generator) -> List[Actor]:
    """Houses and trees: drawn, occluding, never annotated."""
    actors = []
    for side in (-1, 1):
        x = SPAN[0] - 30
        while x < SPAN[1] + 40:
            length, height = rng.uniform(9, 18), rng.uniform(7, 17)
            place = (float(x + length / 2), side * (FACADE + 5.0))
            actors.append(Actor("house", place, (length, 10.0, height), 0.0, 0.0, "None", int(rng.integers(1 << 30))))
            x += length + rng.choice([0.0, 0.0, 4.0])
        for tree_x in np.arange(SPAN[0], SPAN[1], 17.0) + rng.uniform(0, 17):
            size = (2.6, 2.6, float(rng.uniform(4.5, 6.0)))
            place = (float(tree_x), side * (WALK + 1.2))
            actors.append(Actor("tree", place, size, 0.0, 0.0, "None", int(rng.integers(1 << 30))))
    return actors


def build_world(seed: int) -> List[Actor]:
    """Populate the street; the same ``seed`` gives the same street."""
    rng = np.random.default_rng(seed)
    traffic = ["car", "truck", "car", "bus", "car", "motorcycle", "car", "trailer"]
    beside = ["car", "motorcycle", "car"]  # a bus beside the ego car would fill a camera's whole picture
    roadside = ["car", "traffic_cone", "traffic_cone", "barrier", "barrier", "construction_vehicle", "car", "bicycle"]
    walkers = ["pedestrian", "pedestrian", "bicycle"]
    ahead, back = 0.0, np.pi
    return [
        *_row(rng, EGO_Y, ahead, EGO_SPEED, traffic, (7.0, 14.0)),
        *_row(rng, EGO_Y - LANE, ahead, 5.0, beside, (7.0, 16.0)),
        *_row(rng, LANE / 2, back, 8.0, beside, (8.0, 18.0)),
        *_row(rng, LANE * 1.5, back, 6.0, traffic, (8.0, 18.0)),
        *_row(rng, -8.2, ahead, 0.0, roadside, (1.5, 5.0)),
        *_row(rng, 8.2, back, 0.0, roadside, (1.5, 5.0)),
        *_row(rng, -10.8, ahead, 1.3, walkers, (3.0, 9.0)),
        *_row(rng, 10.8, back, 1.2, walkers, (3.0, 9.0)),
        *_row(rng, 12.3, back, 0.0, ["pedestrian"], (6.0, 20.0)),
        *_scenery(rng),
    ]
