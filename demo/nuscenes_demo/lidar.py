"""A spinning LiDAR on the ego car's roof: what its beams hit, and the boxes as it sees them.

The sensor's frame as in nuScenes: x right, y forward, z up. Every actor is a solid box, the street is flat.
"""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from .camera import pose, rotation_z, transform
from .infos import quaternion
from .world import CLASSES, Actor

NAME = "LIDAR_TOP"
LIDAR2EGO = pose(rotation_z(-np.pi / 2), np.array([0.94, 0.0, 1.84]))
BEAMS = np.deg2rad(np.linspace(-30.67, 10.67, 32))  # elevations of nuScenes' sensor
STEPS = 720  # directions of a turn
REACH = 70.0  # metres
NOISE = 0.02  # metres, standard deviation along the beam
GROUND, BRIGHTEST = 18.0, 255.0  # intensities
MIN_POINTS = 1  # a box that no beam hits cannot be learned


def sweep(
    lidar2street: np.ndarray, actors: Sequence[Actor], time: float, rng: np.random.Generator
) -> Tuple[np.ndarray, np.ndarray]:
    """Turn the sensor once.

    Args:
        lidar2street (ndarray[4, 4]): pose of the sensor.
        actors: all that the beams can hit, besides the street.
        time: seconds since the first frame.
        rng: source of the noise.

    Returns:
        ndarray[N, 5] of float32: x, y, z in metres in the sensor's frame, intensity 0 to 255, number of the beam.
        ndarray[N]: the actor that each point lies on, -1 for the street.
    """
    beam, azimuth = np.meshgrid(np.arange(len(BEAMS)), np.arange(STEPS) * (2 * np.pi / STEPS), indexing="ij")
    beam, azimuth = beam.ravel(), azimuth.ravel()
    flat = np.cos(BEAMS[beam])
    rays = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(BEAMS[beam])], axis=1)
    origin, directions = lidar2street[:3, 3], rays @ lidar2street[:3, :3].T
    with np.errstate(divide="ignore"):
        distance = np.where(directions[:, 2] < 0, -origin[2] / directions[:, 2], np.inf)
    owner = np.full(len(rays), -1)
    for index, actor in enumerate(actors):
        entry = box_entry(origin, directions, actor, time)
        nearer = entry < distance
        distance[nearer], owner[nearer] = entry[nearer], index
    hit = distance < REACH
    distance = distance[hit] + rng.normal(0, NOISE, int(hit.sum()))
    tints = np.array([actor.tint % 160 + 60 for actor in actors], dtype=float)
    brightness = np.where(owner[hit] >= 0, tints[owner[hit]], GROUND) * np.exp(-distance / 60)
    points = np.column_stack([rays[hit] * distance[:, None], brightness.clip(0, BRIGHTEST), beam[hit]])
    return points.astype(np.float32), owner[hit]


def box_entry(origin: np.ndarray, directions: np.ndarray, actor: Actor, time: float) -> np.ndarray:
    """Distance at which rays (ndarray[N, 3], from one origin) enter an actor's box, infinite for those that miss it."""
    to_box = rotation_z(-actor.yaw)
    start, rays = to_box @ (origin - actor.center(time)), directions @ to_box.T
    half = np.array(actor.size) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (-half - start) / rays, (half - start) / rays
    near, far = np.minimum(one, other).max(axis=1), np.maximum(one, other).min(axis=1)
    return np.where((near <= far) & (near > 0), near, np.inf)


def annotate(street2lidar: np.ndarray, actors: Sequence[Actor], time: float, owner: np.ndarray) -> List[Dict[str, Any]]:
    """Describe the actors that the sensor sees: entries of ``instances`` in an info file of mmdet3d 1.1 and newer."""
    counts = np.bincount(owner[owner >= 0], minlength=len(actors))
    found = []
    for actor, count in zip(actors, counts):
        if actor.category not in CLASSES or count < MIN_POINTS:
            continue
        center = transform(street2lidar, actor.center(time)[None])[0]
        heading = street2lidar[:3, :3] @ [np.cos(actor.yaw), np.sin(actor.yaw), 0.0]
        velocity = street2lidar[:3, :3] @ actor.velocity()
        label = CLASSES.index(actor.category)
        found.append(
            {
                "bbox_label": label,
                "bbox_label_3d": label,
                "bbox_3d": [*map(float, center), *actor.size, float(np.arctan2(heading[1], heading[0]))],
                "bbox_3d_isvalid": True,
                "num_lidar_pts": int(count),
                "num_radar_pts": 0,
                "velocity": [float(velocity[0]), float(velocity[1])],
            }
        )
    return found


def points_info(file_name: str, token: str, timestamp: float) -> Dict[str, Any]:
    """Entry ``lidar_points`` of an info file; ``timestamp`` in seconds."""
    return {
        "num_pts_feats": 5,
        "lidar_path": file_name,
        "lidar2ego": LIDAR2EGO.tolist(),
        "sample_data_token": token,
        "timestamp": timestamp,
    }


def info_file_v1(samples: Sequence[Dict[str, Any]], root: str) -> Dict[str, Any]:
    """Content of ``nuscenes_infos_*.pkl`` for mmdet3d 1.0, made from the same samples.

    Its paths are whole, as those of mmdet3d 1.0's converter: ``root`` is where the data set will lie.
    """
    infos = [_info_v1(sample, root) for sample in samples]
    return {"infos": infos, "metadata": {"version": "v1.0-mini"}}


def _info_v1(sample: Dict[str, Any], root: str) -> Dict[str, Any]:
    instances, ego2global = sample["instances"], np.array(sample["ego2global"])
    return {
        "token": sample["token"],
        "timestamp": int(sample["timestamp"] * 1e6),
        "lidar_path": f"{root}/samples/{NAME}/{sample['lidar_points']['lidar_path']}",
        "sweeps": [],
        "cams": {},
        "lidar2ego_translation": LIDAR2EGO[:3, 3].tolist(),
        "lidar2ego_rotation": quaternion(LIDAR2EGO[:3, :3]),
        "ego2global_translation": ego2global[:3, 3].tolist(),
        "ego2global_rotation": quaternion(ego2global[:3, :3]),
        "gt_boxes": np.array([instance["bbox_3d"] for instance in instances]).reshape(-1, 7),
        "gt_names": np.array([CLASSES[instance["bbox_label"]] for instance in instances]),
        "gt_velocity": np.array([instance["velocity"] for instance in instances]).reshape(-1, 2),
        "num_lidar_pts": np.array([instance["num_lidar_pts"] for instance in instances]),
        "num_radar_pts": np.zeros(len(instances), dtype=int),
        "valid_flag": np.ones(len(instances), dtype=bool),
    }
