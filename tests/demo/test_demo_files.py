"""What the generator writes: the same for the same seed, whole or not at all, never over somebody else's files."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from nuscenes_demo import sheet, world
from repository_scripts import DEMO, interruptible, make_demo

SMALL = ("--frames", "1", "--val-frames", "0", "--width", "160")


def contents(root: Path) -> dict:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def load_infos(root: Path, split: str) -> dict:
    with open(root / f"nuscenes_infos_{split}.pkl", "rb") as file:
        return pickle.load(file)


def test_same_seed_same_bytes_other_seed_other_street(tmp_path):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        done = make_demo(tmp_path / name, *SMALL, "--seed", seed)
        assert done.returncode == 0, done.stderr
    first, second, other = (contents(tmp_path / name) for name in "abc")
    # mmdet3d 1.0 wants whole paths in its info files.
    for name in (name for name in first if name.endswith("_v1.pkl")):
        assert pickle.loads(first[name])["infos"] or "val" in name
        second[name] = second[name].replace(str(tmp_path / "b").encode(), str(tmp_path / "a").encode())
    assert first == second
    assert first["nuscenes_infos_train.pkl"] != other["nuscenes_infos_train.pkl"]
    assert first["contact_sheet.png"] != other["contact_sheet.png"]


def test_every_class_is_there_and_every_image_has_boxes(demo_data):
    info = load_infos(demo_data, "train")
    assert list(info["metainfo"]["categories"]) == list(world.CLASSES)
    labels = set()
    for sample in info["data_list"]:
        assert len(sample["images"]) == 6
        for channel, image in sample["images"].items():
            picture = cv2.imread(str(demo_data / "samples" / channel / image["img_path"]))
            assert picture.shape == (180, 320, 3)
            assert picture.std() > 20
            assert sample["cam_instances"][channel]
            labels.update(instance["bbox_label"] for instance in sample["cam_instances"][channel])
    assert labels == set(range(len(world.CLASSES)))


def test_3d_boxes_project_onto_the_2d_boxes(demo_data):
    """From the file's numbers alone: corners by size, centre and yaw, projected by the calibration."""
    whole = 0
    for sample in load_infos(demo_data, "train")["data_list"]:
        for channel, instances in sample["cam_instances"].items():
            intrinsic = np.array(sample["images"][channel]["cam2img"])
            for instance in instances:
                center = intrinsic @ instance["bbox_3d"][:3]
                np.testing.assert_allclose(center[:2] / center[2], instance["center_2d"], atol=1e-6)
                assert instance["depth"] == pytest.approx(center[2])
                corners = sheet.instance_corners(instance)
                pixels = corners @ intrinsic.T
                if corners[:, 2].min() < 0.5:
                    continue
                pixels = pixels[:, :2] / pixels[:, 2:]
                bounds = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])
                shown = np.clip(bounds, 0, [320, 180, 320, 180])
                if (shown == bounds).all():
                    np.testing.assert_allclose(instance["bbox"], bounds, atol=1e-6)
                    whole += 1
                else:
                    # The part that is seen may be smaller than the clipped bounds, never larger.
                    assert (np.array(instance["bbox"][:2]) >= shown[:2] - 1e-6).all()
                    assert (np.array(instance["bbox"][2:]) <= shown[2:] + 1e-6).all()
    assert whole > 50


def test_both_formats_say_the_same(demo_data):
    coco = json.loads((demo_data / "nuscenes_infos_train_mono3d.coco.json").read_text())
    info = load_infos(demo_data, "train")
    flat = [(i, s, c) for s in info["data_list"] for c, found in s["cam_instances"].items() for i in found]
    assert len(flat) == len(coco["annotations"])
    images = {image["id"]: image for image in coco["images"]}
    for (instance, sample, channel), annotation in zip(flat, coco["annotations"]):
        assert annotation["bbox_cam3d"] == instance["bbox_3d"]
        assert annotation["center2d"] == [*instance["center_2d"], instance["depth"]]
        x, y, width, height = annotation["bbox"]
        np.testing.assert_allclose([x, y, x + width, y + height], instance["bbox"])
        image = images[annotation["image_id"]]
        assert image["file_name"].endswith(sample["images"][channel]["img_path"])
        assert (demo_data / image["file_name"]).is_file()


def test_a_finished_folder_is_left_alone_and_made_again_for_other_settings(tmp_path):
    root = tmp_path / "data"
    assert make_demo(root, *SMALL).returncode == 0
    stamp = (root / "manifest.json").stat().st_mtime_ns
    again = make_demo(root, *SMALL)
    assert "is up to date" in again.stdout
    assert (root / "manifest.json").stat().st_mtime_ns == stamp
    assert make_demo(root, *SMALL, "--seed", "9").returncode == 0
    assert json.loads((root / "manifest.json").read_text())["seed"] == 9
    assert len(list(root.glob("samples/CAM_FRONT/*.jpg"))) == 1


def test_foreign_files_are_never_replaced(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    done = make_demo(tmp_path / "data", *SMALL)
    assert done.returncode != 0
    assert "is not empty and not made by this tool: remove it or name another folder" in done.stderr
    assert (tmp_path / "data" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interruption_leaves_no_half_data_set(tmp_path, number):
    root = tmp_path / "data"
    command = [sys.executable, str(DEMO / "make_nuscenes_demo.py"), str(root), "--frames", "30", "--width", "160"]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=interruptible
    )
    assert running.stdout.readline().startswith("frame 1/31")
    running.send_signal(number)
    assert running.wait(timeout=60) != 0
    running.stdout.close()
    assert not root.exists()
    assert make_demo(root, *SMALL).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--frames", "0"), "--frames must be 1 or more"),
        (("--width", "100"), "width must be a positive multiple of 16, got 100"),
        (("--seed", "-1"), "--seed 0 or more"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, arguments, message):
    done = make_demo(tmp_path / "data", *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (tmp_path / "data").exists()
