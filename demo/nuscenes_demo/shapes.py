"""What each class looks like: a few tapered blocks inside its box.

A block is ``(x0, x1, y0, y1, z0, z1, taper, material)`` in fractions of the box, whose centre is the origin;
``taper`` is the top's size relative to the bottom's.
"""

from __future__ import annotations

from typing import Dict, List, Tuple

import numpy as np

from .camera import UNIT_CORNERS

Block = Tuple[float, float, float, float, float, float, float, str]


def _wheels(radius: float, *axles: float) -> List[Block]:
    return [
        (x - radius * 0.5, x + radius * 0.5, y0, y1, -0.5, -0.5 + radius, 0.8, "tyre")
        for x in axles
        for y0, y1 in ((-0.5, -0.38), (0.38, 0.5))
    ]


_RIDER: List[Block] = [
    (-0.16, 0.1, -0.4, 0.4, -0.05, 0.34, 0.7, "cloth"),
    (-0.06, 0.08, -0.2, 0.2, 0.34, 0.5, 0.7, "skin"),
]

SHAPES: Dict[str, List[Block]] = {
    "car": [
        *_wheels(0.36, -0.31, 0.31),
        (-0.5, 0.5, -0.5, 0.5, -0.38, 0.08, 0.97, "body"),
        (-0.36, 0.24, -0.46, 0.46, 0.08, 0.46, 0.8, "glass"),
        (-0.3, 0.17, -0.38, 0.38, 0.46, 0.5, 0.95, "body"),
        (0.485, 0.5, -0.45, -0.3, -0.12, 0.02, 1.0, "lamp"),
        (0.485, 0.5, 0.3, 0.45, -0.12, 0.02, 1.0, "lamp"),
        (-0.5, -0.485, -0.45, -0.3, -0.12, 0.02, 1.0, "tail"),
        (-0.5, -0.485, 0.3, 0.45, -0.12, 0.02, 1.0, "tail"),
    ],
    "truck": [
        *_wheels(0.3, -0.33, 0.33),
        (0.2, 0.5, -0.47, 0.47, -0.34, 0.3, 0.97, "body"),
        (0.34, 0.498, -0.42, 0.42, 0.0, 0.24, 0.98, "glass"),
        (-0.5, 0.18, -0.5, 0.5, -0.28, 0.5, 1.0, "cargo"),
    ],
    "trailer": [
        *_wheels(0.24, -0.4, -0.3),
        (-0.5, 0.5, -0.5, 0.5, -0.26, 0.5, 1.0, "cargo"),
        (-0.42, 0.45, -0.2, 0.2, -0.4, -0.26, 1.0, "metal"),
    ],
    "bus": [
        *_wheels(0.28, -0.3, 0.34),
        (-0.5, 0.5, -0.5, 0.5, -0.4, 0.0, 1.0, "body"),
        (-0.495, 0.495, -0.49, 0.49, 0.0, 0.32, 1.0, "glass"),
        (-0.5, 0.5, -0.5, 0.5, 0.32, 0.5, 0.98, "body"),
    ],
    "construction_vehicle": [
        *_wheels(0.36, -0.3, 0.05),
        (-0.45, 0.15, -0.48, 0.48, -0.3, 0.05, 0.95, "warning"),
        (-0.22, 0.1, -0.34, 0.34, 0.05, 0.5, 0.85, "glass"),
        (0.1, 0.42, -0.1, 0.1, 0.0, 0.14, 1.0, "warning"),
        (0.36, 0.5, -0.4, 0.4, -0.5, 0.12, 0.7, "metal"),
    ],
    "bicycle": [
        (-0.5, -0.1, -0.1, 0.1, -0.5, 0.0, 0.8, "tyre"),
        (0.1, 0.5, -0.1, 0.1, -0.5, 0.0, 0.8, "tyre"),
        (-0.3, 0.32, -0.14, 0.14, -0.16, 0.02, 0.9, "body"),
        (0.22, 0.3, -0.5, 0.5, 0.04, 0.1, 1.0, "metal"),
        *_RIDER,
    ],
    "motorcycle": [
        (-0.5, -0.18, -0.2, 0.2, -0.5, -0.06, 0.8, "tyre"),
        (0.18, 0.5, -0.2, 0.2, -0.5, -0.06, 0.8, "tyre"),
        (-0.4, 0.4, -0.3, 0.3, -0.25, 0.04, 0.8, "body"),
        (0.2, 0.28, -0.5, 0.5, 0.06, 0.12, 1.0, "metal"),
        *_RIDER,
    ],
    "pedestrian": [
        (-0.3, 0.1, -0.32, -0.04, -0.5, -0.04, 1.0, "trousers"),
        (-0.1, 0.3, 0.04, 0.32, -0.5, -0.04, 1.0, "trousers"),
        (-0.28, 0.28, -0.5, 0.5, -0.04, 0.34, 0.8, "cloth"),
        (-0.16, 0.16, -0.16, 0.16, 0.36, 0.5, 0.8, "skin"),
    ],
    "traffic_cone": [
        (-0.5, 0.5, -0.5, 0.5, -0.5, -0.44, 1.0, "tyre"),
        (-0.36, 0.36, -0.36, 0.36, -0.44, -0.05, 0.64, "warning"),
        (-0.23, 0.23, -0.23, 0.23, -0.05, 0.2, 0.6, "reflector"),
        (-0.14, 0.14, -0.14, 0.14, 0.2, 0.5, 0.3, "warning"),
    ],
    "barrier": [
        (-0.4, 0.4, -0.42, -0.34, -0.5, 0.1, 1.0, "metal"),
        (-0.4, 0.4, 0.34, 0.42, -0.5, 0.1, 1.0, "metal"),
        (-0.5, 0.5, -0.5, -0.17, 0.1, 0.5, 1.0, "warning"),
        (-0.5, 0.5, -0.17, 0.17, 0.1, 0.5, 1.0, "reflector"),
        (-0.5, 0.5, 0.17, 0.5, 0.1, 0.5, 1.0, "warning"),
    ],
    "house": [(-0.5, 0.5, -0.5, 0.5, -0.5, 0.5, 1.0, "facade")],
    "tree": [
        (-0.07, 0.07, -0.07, 0.07, -0.5, -0.1, 0.8, "bark"),
        (-0.4, 0.4, -0.4, 0.4, -0.15, 0.2, 1.2, "leaf"),
        (-0.46, 0.46, -0.46, 0.46, 0.2, 0.5, 0.3, "leaf"),
    ],
}

# Blue, green, red in [0, 1], as OpenCV writes them; a material that is not here takes the actor's own paint.
MATERIALS: Dict[str, Tuple[float, float, float]] = {
    "tyre": (0.11, 0.11, 0.11), "glass": (0.30, 0.24, 0.18), "metal": (0.48, 0.46, 0.44), "lamp": (0.85, 0.95, 1.0),
    "tail": (0.12, 0.10, 0.75), "skin": (0.50, 0.62, 0.82), "warning": (0.05, 0.42, 0.96), "bark": (0.16, 0.22, 0.30),
    "reflector": (0.92, 0.92, 0.92), "leaf": (0.20, 0.42, 0.24), "trousers": (0.32, 0.22, 0.18),
}  # fmt: skip
PAINTS = np.array(
    [
        (0.78, 0.77, 0.75), (0.16, 0.16, 0.17), (0.55, 0.53, 0.52), (0.17, 0.14, 0.62),
        (0.52, 0.28, 0.12), (0.36, 0.42, 0.16), (0.20, 0.55, 0.74), (0.62, 0.66, 0.68),
    ]
)  # fmt: skip
HOUSES = np.array([(0.50, 0.58, 0.66), (0.42, 0.48, 0.62), (0.62, 0.66, 0.70), (0.40, 0.44, 0.48), (0.34, 0.40, 0.58)])


def block_corners(block: Block) -> np.ndarray:
    """Corners of a block in fractions of its actor's box (ndarray[8, 3]), ordered as ``UNIT_CORNERS``."""
    x0, x1, y0, y1, z0, z1, taper, _ = block
    low, high = np.array([x0, y0, z0]), np.array([x1, y1, z1])
    corners = (low + high) / 2 + UNIT_CORNERS * (high - low)
    top = UNIT_CORNERS[:, 2] > 0
    middle = ((low + high) / 2)[:2]
    corners[top, :2] = middle + (corners[top, :2] - middle) * taper
    # A leaf ball's top may be wider than its bottom, but never than the box: the annotation must contain the drawing.
    return np.clip(corners, -0.5, 0.5)


def color(material: str, tint: int) -> np.ndarray:
    """Colour of a material for an actor whose paint is chosen by ``tint`` (ndarray[3])."""
    if material in MATERIALS:
        return np.array(MATERIALS[material])
    table = HOUSES if material == "facade" else PAINTS
    return table[tint % len(table)] * (0.85 + 0.3 * ((tint >> 8) % 256) / 255)
