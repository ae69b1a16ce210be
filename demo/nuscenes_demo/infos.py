"""Annotations of a frame, in the two formats that mmdet3d reads.

mmdet3d 1.1 and newer: ``nuscenes_infos_*.pkl`` with ``cam_instances``; mmdet3d 1.0 and older:
``nuscenes_infos_*_mono3d.coco.json``. Source: the converters in mmdet3d's ``tools/dataset_converters``, whose output
for real nuScenes data these files have been compared with.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

from .camera import Camera, box_bounds, transform
from .world import ATTRIBUTES, CLASSES, Actor

MIN_PIXELS = 30  # an object of which less is seen is not annotated: nobody could learn from it
MIN_SIDE = 4.0  # pixels of the 2-D box
MIN_DEPTH = 1.0  # metres; FCOS3D takes the logarithm of the depth

Instance = Dict[str, Any]


def camera_yaw(heading: np.ndarray) -> float:
    """Yaw of a box in mmdet3d's camera frame: 0 looks along x, -pi/2 along the optical axis."""
    return float(np.arctan2(-heading[2], heading[0]))


def annotate(camera: Camera, street2cam: np.ndarray, actor: Actor, time: float, visible_pixels: int) -> Instance | None:
    """Describe one actor as one camera sees it.

    Args:
        camera: the camera.
        street2cam (ndarray[4, 4]): from the street's frame to the camera's.
        actor: what is annotated.
        time: seconds since the first frame.
        visible_pixels: number of pixels of the (supersampled) canvas that belong to it.

    Returns:
        An entry of ``cam_instances``, or None when too little is seen of it.
    """
    if actor.category not in CLASSES or visible_pixels < MIN_PIXELS:
        return None
    center = transform(street2cam, actor.center(time)[None])[0]
    bounds = box_bounds(camera, transform(street2cam, actor.corners(time)))
    if center[2] < MIN_DEPTH or bounds is None or (bounds[2:] - bounds[:2]).min() < MIN_SIDE:
        return None
    length, width, height = actor.size
    heading = street2cam[:3, :3] @ [np.cos(actor.yaw), np.sin(actor.yaw), 0.0]
    velocity = street2cam[:3, :3] @ actor.velocity()
    label = CLASSES.index(actor.category)
    return {
        "bbox_label": label,
        "bbox_label_3d": label,
        "bbox": [float(value) for value in bounds],
        "bbox_3d_isvalid": True,
        "bbox_3d": [*(float(value) for value in center), length, height, width, camera_yaw(heading)],
        "velocity": [float(velocity[0]), float(velocity[2])],
        "center_2d": [float(value) for value in camera.project(center[None])[0]],
        "depth": float(center[2]),
        "attr_label": ATTRIBUTES.index(actor.attribute),
    }


def image_info(camera: Camera, file_name: str, token: str, timestamp: float) -> Dict[str, Any]:
    """Entry of ``images`` in an info file; ``timestamp`` in seconds."""
    return {
        "img_path": file_name,
        "cam2img": camera.intrinsic.tolist(),
        "cam2ego": camera.cam2ego.tolist(),
        "sample_data_token": token,
        "timestamp": timestamp,
        "height": camera.height,
        "width": camera.width,
    }


def info_file(samples: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """Content of ``nuscenes_infos_*.pkl`` for mmdet3d 1.1 and newer."""
    return {
        "metainfo": {
            "categories": {name: index for index, name in enumerate(CLASSES)},
            "dataset": "nuscenes",
            "version": "v1.0-mini",
            "info_version": "1.1",
        },
        "data_list": list(samples),
    }


def quaternion(rotation: np.ndarray) -> List[float]:
    """Unit quaternion ``w, x, y, z`` of a rotation (ndarray[3, 3])."""
    # The eigenvector of Bar-Itzhack's matrix has no special cases, unlike the formulas by the trace.
    (a, b, c), (d, e, f), (g, h, i) = rotation
    matrix = np.array(
        [
            [a - e - i, d + b, g + c, h - f],
            [d + b, e - a - i, h + f, c - g],
            [g + c, h + f, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    x, y, z, w = np.linalg.eigh(matrix)[1][:, -1]
    sign = 1.0 if w >= 0 else -1.0
    return [float(sign * value) for value in (w, x, y, z)]


def coco_file(samples: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """Content of ``nuscenes_infos_*_mono3d.coco.json`` for mmdet3d 1.0, made from the same samples."""
    images: List[Dict[str, Any]] = []
    annotations: List[Dict[str, Any]] = []
    for sample in samples:
        ego2global = np.array(sample["ego2global"])
        for channel, image in sample["images"].items():
            cam2ego, file_name = np.array(image["cam2ego"]), f"samples/{channel}/{image['img_path']}"
            images.append(
                {
                    "file_name": file_name,
                    "id": image["sample_data_token"],
                    "token": sample["token"],
                    "cam2ego_rotation": quaternion(cam2ego[:3, :3]),
                    "cam2ego_translation": cam2ego[:3, 3].tolist(),
                    "ego2global_rotation": quaternion(ego2global[:3, :3]),
                    "ego2global_translation": ego2global[:3, 3].tolist(),
                    "cam_intrinsic": image["cam2img"],
                    "width": image["width"],
                    "height": image["height"],
                }
            )
            for instance in sample["cam_instances"][channel]:
                annotations.append(_coco_annotation(instance, images[-1], len(annotations)))
    categories = [{"id": index, "name": name} for index, name in enumerate(CLASSES)]
    return {"annotations": annotations, "images": images, "categories": categories}


def _coco_annotation(instance: Instance, image: Dict[str, Any], index: int) -> Dict[str, Any]:
    x1, y1, x2, y2 = instance["bbox"]
    return {
        "file_name": image["file_name"],
        "image_id": image["id"],
        "id": index,
        "area": (x2 - x1) * (y2 - y1),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "category_id": instance["bbox_label"],
        "category_name": CLASSES[instance["bbox_label"]],
        "iscrowd": 0,
        "segmentation": [],
        "bbox_cam3d": instance["bbox_3d"],
        "velo_cam3d": instance["velocity"],
        "center2d": [*instance["center_2d"], instance["depth"]],
        "attribute_id": instance["attr_label"],
        "attribute_name": ATTRIBUTES[instance["attr_label"]],
    }
