"""Generate a small data set in the nuScenes layout: six cameras and a LiDAR in traffic, exact annotations.

    python demo/make_nuscenes_demo.py data/nuscenes_demo

The folder serves as ``data_root`` of mmdet3d's ``NuScenesDataset`` (``load_type='mv_image_based'``, and the default one
for the LiDAR) and of mmdet3d 1.0's ``NuScenesMonoDataset``; its ``nuscenes_infos_*_v1.pkl`` are mmdet3d 1.0's
``NuScenesDataset``, with whole paths: make the folder where it will be used. The same arguments give the same bytes; a
finished folder made with them is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any, Dict, List, Sequence

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))  # a script folder, not a package: it is never installed

from nuscenes_demo import camera as cameras
from nuscenes_demo import infos, lidar, render, sheet, world

FORMAT = 2  # raise when the generator's output changes, so that existing folders are made again
START = 1_700_000_000_000_000  # microseconds; time stamp of the first frame
QUALITY = 92  # JPEG
MANIFEST = "manifest.json"


def _token(*parts: object) -> str:
    """Identifier of the kind nuScenes uses: 32 hexadecimal digits."""
    return hashlib.md5("/".join(map(str, parts)).encode()).hexdigest()


def make_sample(
    root: Path, index: int, seed: int, rig: Sequence[cameras.Camera], actors: Sequence[world.Actor]
) -> Dict[str, Any]:
    """Draw frame ``index`` with all cameras below ``root`` and return its entry of the info file."""
    time, stamp = index * world.FRAME_TIME, START + int(index * world.FRAME_TIME * 1e6)
    ego2street = world.ego_pose(time)
    sample: Dict[str, Any] = {
        "sample_idx": index,
        "token": _token(seed, index),
        "timestamp": stamp / 1e6,
        "ego2global": (world.STREET2GLOBAL @ ego2street).tolist(),
        "images": {},
        "cam_instances": {},
    }
    for cam in rig:
        cam2street = ego2street @ cam.cam2ego
        canvas = render.draw(cam, cam2street, actors, time)
        name = f"demo{seed}__{cam.name}__{stamp}.jpg"
        folder = root / "samples" / cam.name
        folder.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(folder / name), render.to_pixels(canvas), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]):
            raise OSError(f"OpenCV could not write {folder / name}: is the disk full or the folder read-only?")
        pixels = np.bincount(canvas.owner[canvas.owner >= 0], minlength=len(actors))
        street2cam = np.linalg.inv(cam2street)
        found = [infos.annotate(cam, street2cam, actor, time, int(n)) for actor, n in zip(actors, pixels)]
        sample["images"][cam.name] = infos.image_info(cam, name, _token(seed, index, cam.name), stamp / 1e6)
        sample["cam_instances"][cam.name] = [instance for instance in found if instance is not None]
    turn_lidar(root, sample, seed, actors, ego2street)
    return sample


def turn_lidar(
    root: Path, sample: Dict[str, Any], seed: int, actors: Sequence[world.Actor], ego2street: np.ndarray
) -> None:
    """Write the LiDAR's sweep of a frame below ``root`` and add it, with its boxes, to the frame's entry."""
    index, time = sample["sample_idx"], sample["sample_idx"] * world.FRAME_TIME
    lidar2street = ego2street @ lidar.LIDAR2EGO
    points, owner = lidar.sweep(lidar2street, actors, time, np.random.default_rng([seed, index]))
    name = f"demo{seed}__{lidar.NAME}__{int(sample['timestamp'] * 1e6)}.pcd.bin"
    folder = root / "samples" / lidar.NAME
    folder.mkdir(parents=True, exist_ok=True)
    points.tofile(folder / name)
    sample["lidar_points"] = lidar.points_info(name, _token(seed, index, lidar.NAME), sample["timestamp"])
    sample["lidar_sweeps"] = []
    sample["instances"] = lidar.annotate(np.linalg.inv(lidar2street), actors, time, owner)


def write_annotations(root: Path, final: Path, split: str, samples: List[Dict[str, Any]]) -> None:
    """Write all annotation formats of a split; ``final`` is where the data set will lie."""
    with open(root / f"nuscenes_infos_{split}.pkl", "wb") as file:
        pickle.dump(infos.info_file(samples), file, protocol=4)
    with open(root / f"nuscenes_infos_{split}_v1.pkl", "wb") as file:
        pickle.dump(lidar.info_file_v1(samples, str(final.resolve())), file, protocol=4)
    (root / f"nuscenes_infos_{split}_mono3d.coco.json").write_text(json.dumps(infos.coco_file(samples)))


def generate(root: Path, final: Path, settings: Dict[str, int]) -> None:
    """Write the whole data set into the empty folder ``root``, which will be moved to ``final``."""
    rig, actors = cameras.build_rig(settings["width"]), world.build_world(settings["seed"])
    total = settings["frames"] + settings["val_frames"]
    samples = []
    for index in range(total):
        samples.append(make_sample(root, index, settings["seed"], rig, actors))
        print(f"frame {index + 1}/{total}: {len(rig)} images, one LiDAR sweep", flush=True)
    write_annotations(root, final, "train", samples[: settings["frames"]])
    write_annotations(root, final, "val", samples[settings["frames"] :])
    sheet.write(root / "contact_sheet.png", root, samples[0])
    # Last, because its presence is what says that the folder is complete.
    (root / MANIFEST).write_text(json.dumps(settings, indent=2, sort_keys=True))


def is_current(root: Path, settings: Dict[str, int]) -> bool:
    """Tell whether ``root`` holds a finished data set that was made with ``settings``."""
    manifest = root / MANIFEST
    return manifest.is_file() and json.loads(manifest.read_text()) == settings


def replace(root: Path, settings: Dict[str, int]) -> None:
    """Generate beside ``root`` and move the result there, so that an interruption leaves no half data set.

    Raises:
        FileExistsError: if ``root`` holds something that this tool did not make.
    """
    if root.exists() and any(root.iterdir()) and not (root / MANIFEST).is_file():
        raise FileExistsError(f"{root} is not empty and not made by this tool: remove it or name another folder")
    fresh = root.parent / f".{root.name}.unfinished"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(parents=True)
    generate(fresh, root, settings)
    if root.exists():
        shutil.rmtree(root)
    os.replace(fresh, root)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder to write, the data_root of a config")
    parser.add_argument("--seed", type=int, default=0, help="another street for another seed (default 0)")
    parser.add_argument("--frames", type=int, default=4, help="training frames of six images each (default 4)")
    parser.add_argument("--val-frames", type=int, default=1, help="validation frames (default 1)")
    parser.add_argument("--width", type=int, default=800, help="image width in pixels, a multiple of 16 (default 800)")
    args = parser.parse_args()
    if args.frames < 1 or args.val_frames < 0 or args.seed < 0:
        parser.error(f"--frames must be 1 or more, --val-frames and --seed 0 or more, got {vars(args)}")
    names = ("seed", "frames", "val_frames", "width")
    settings = {"format": FORMAT, **{name: getattr(args, name) for name in names}}
    if is_current(args.root, settings):
        print(f"{args.root} is up to date")
        return
    replace(args.root, settings)
    print(f"wrote {args.root}; look at {args.root / 'contact_sheet.png'}")


if __name__ == "__main__":
    main()
