"""The generated sweeps: on the boxes, on the ground, the same in both formats; and the LiDAR configs on top of them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from nuscenes_demo import lidar, world
from repository_scripts import ROOT

CONFIGS = ROOT / "configs"


def load(root, name):
    return pickle.loads((root / name).read_bytes())


def frames(root):
    """Yield entry and points of each training frame."""
    for sample in load(root, "nuscenes_infos_train.pkl")["data_list"]:
        path = root / "samples" / lidar.NAME / sample["lidar_points"]["lidar_path"]
        yield sample, np.fromfile(path, dtype=np.float32).reshape(-1, sample["lidar_points"]["num_pts_feats"])


def inside(points, box, margin):
    """Points (ndarray[N, 3]) within a box of the info file, grown by a margin."""
    relative = (points - box[:3]) @ world.rotation_z(box[6])
    return (np.abs(relative) <= np.array(box[3:6]) / 2 + margin).all(axis=1)


def test_as_many_points_lie_on_each_box_as_the_file_says(demo_data):
    seen = set()
    for sample, points in frames(demo_data):
        assert len(points) > 10_000
        for instance in sample["instances"]:
            box, count = instance["bbox_3d"], instance["num_lidar_pts"]
            seen.add(instance["bbox_label"])
            assert inside(points[:, :3], box, 5 * lidar.NOISE).sum() >= count > 0
            # A beam ends where it enters: nothing lies deep inside of a solid box.
            assert not inside(points[:, :3], box, -6 * lidar.NOISE - 0.02).any()
    assert len(seen) == len(world.CLASSES)


def test_all_other_points_lie_on_the_ground_or_on_scenery(demo_data):
    for sample, points in frames(demo_data):
        ground = np.abs(points[:, 2] + lidar.LIDAR2EGO[2, 3]) < 5 * lidar.NOISE
        boxes = np.any([inside(points[:, :3], i["bbox_3d"], 0.1) for i in sample["instances"]], axis=0)
        facade = np.abs(points[:, 0]) > world.FACADE - 8  # the ego car drives beside the middle and sways
        assert (ground | boxes | facade | (points[:, 2] > -1.7)).all()
        assert ground.mean() > 0.2
        assert ((points[:, 3] >= 0) & (points[:, 3] <= 255)).all()
        assert set(np.unique(points[:, 4])) == set(range(len(lidar.BEAMS)))


def test_velocities_and_headings_agree(demo_data):
    moving = 0
    for sample, _ in frames(demo_data):
        for instance in sample["instances"]:
            velocity, yaw = np.array(instance["velocity"]), instance["bbox_3d"][6]
            speed = np.linalg.norm(velocity)
            if speed > 0.5:
                np.testing.assert_allclose(velocity / speed, [np.cos(yaw), np.sin(yaw)], atol=1e-6)
                moving += 1
    assert moving > 10


def test_both_formats_say_the_same(demo_data):
    old = load(demo_data, "nuscenes_infos_train_v1.pkl")
    new = load(demo_data, "nuscenes_infos_train.pkl")["data_list"]
    assert len(old["infos"]) == len(new) == 2
    for info, sample in zip(old["infos"], new):
        assert info["lidar_path"] == str(demo_data / "samples" / lidar.NAME / sample["lidar_points"]["lidar_path"])
        assert info["token"] == sample["token"]
        np.testing.assert_array_equal(info["gt_boxes"], [i["bbox_3d"] for i in sample["instances"]])
        assert [world.CLASSES.index(name) for name in info["gt_names"]] == [
            i["bbox_label"] for i in sample["instances"]
        ]
        assert info["num_lidar_pts"].tolist() == [i["num_lidar_pts"] for i in sample["instances"]]


@pytest.mark.parametrize("name", ["pointpillars", "second"])
def test_the_configs_are_stock_ones_and_two_statements(name):
    for folder in (CONFIGS, CONFIGS / "mmcv1"):
        text = (folder / f"demo_{name}.py").read_text()
        statements = [line.split(" =")[0] for line in text.splitlines() if line and line[0] not in "# ])"]
        assert statements == ["_base_", "custom_imports", "custom_hooks"]
        for stock in (f"demo_{name}_stock.py", "demo_lidar_data.py"):
            code = [line for line in (folder / stock).read_text().splitlines() if not line.startswith("#")]
            assert "mx_driving" not in "\n".join(code)
    for line in ("dict(type='NPUPatchHook', stop_at=16),", "dict(type='ProfilerHook', level=1, iters=(4, 7)),"):
        assert all(line in (path / f"demo_{name}.py").read_text() for path in (CONFIGS, CONFIGS / "mmcv1"))
