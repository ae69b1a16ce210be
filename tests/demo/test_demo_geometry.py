"""The generator's geometry, held against independent formulas: projections, rotations, motion, what is drawn where."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nuscenes_demo import camera as cameras
from nuscenes_demo import infos, render, world

RIG = {cam.name: cam for cam in cameras.build_rig(320)}
finite = st.floats(-20, 20)


def actor(category: str = "car", position: tuple = (12.0, world.EGO_Y), yaw: float = 0.3, speed: float = 0.0):
    return world.Actor(category, position, world.SIZES.get(category, (20.0, 4.0, 12.0)), yaw, speed, "None", 5)


def street2cam(cam: cameras.Camera, time: float = 0.0) -> np.ndarray:
    return np.linalg.inv(world.ego_pose(time) @ cam.cam2ego)


@pytest.mark.parametrize("name", sorted(cameras.RIG))
def test_a_camera_looks_where_its_name_says(name):
    pose = RIG[name].cam2ego
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    forward, down = pose[:3, 2], pose[:3, 1]
    np.testing.assert_allclose(down, [0, 0, -1], atol=1e-12)
    assert (forward[0] > 0.5) == ("FRONT" in name)
    assert (forward[1] > 0.5) == ("LEFT" in name)
    assert (forward[1] < -0.5) == ("RIGHT" in name)


@pytest.mark.parametrize("width", [0, -16, 100])
def test_a_width_without_a_whole_height_is_refused(width):
    with pytest.raises(ValueError, match=f"width must be a positive multiple of 16, got {width}: take 400 or 800"):
        cameras.build_rig(width)


def test_projection_by_hand():
    cam = RIG["CAM_FRONT"]
    focal, (u, v) = 1265.0 * 320 / 1600, (160.0, 180 * 0.53)
    pixels = cam.project(np.array([[0.0, 0.0, 5.0], [1.0, -2.0, 10.0]]))
    np.testing.assert_allclose(pixels, [[u, v], [u + focal / 10, v - focal / 5]])


@given(st.lists(st.tuples(finite, finite, finite), min_size=3, max_size=3))
@settings(max_examples=200, deadline=None)
def test_clipping_keeps_exactly_what_is_inside(points):
    triangle = np.array(points)
    planes = RIG["CAM_BACK"].frustum()
    clipped = cameras.clip_polygon(triangle, planes)
    if len(clipped):
        assert (clipped @ planes[:, :3].T - planes[:, 3]).min() > -1e-6
    rng = np.random.default_rng(0)
    inside = rng.dirichlet(np.ones(3), 200) @ triangle
    visible = inside[(inside @ planes[:, :3].T - planes[:, 3]).min(axis=1) > 1e-6]
    if len(visible):
        # Points of the triangle that the frustum holds are in the clipped polygon's bounding box.
        assert (visible >= clipped.min(axis=0) - 1e-6).all()
        assert (visible <= clipped.max(axis=0) + 1e-6).all()


@given(st.floats(-np.pi, np.pi), st.floats(-np.pi / 2, np.pi / 2), st.floats(-np.pi, np.pi))
@settings(max_examples=100, deadline=None)
def test_quaternion_gives_the_rotation_back(yaw, pitch, roll):
    cos, sin = np.cos(pitch), np.sin(pitch)
    about_y = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    rotation = cameras.rotation_z(yaw) @ about_y @ cameras.rotation_z(roll)
    w, x, y, z = infos.quaternion(rotation)
    assert w >= 0
    expected = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    np.testing.assert_allclose(rotation, expected, atol=1e-9)


@pytest.mark.parametrize("time", [0.0, 1.5])
@pytest.mark.parametrize("name", sorted(cameras.RIG))
def test_the_drawing_lies_within_the_annotated_boxes(name, time):
    """Every pixel of an object is inside its 2-D box, and the box of an unhidden object is not larger than needed."""
    cam, actors = RIG[name], world.build_world(0)
    canvas = render.draw(cam, world.ego_pose(time) @ cam.cam2ego, actors, time)
    counts = np.bincount(canvas.owner[canvas.owner >= 0], minlength=len(actors))
    seen = 0
    for index, thing in enumerate(actors):
        instance = infos.annotate(cam, street2cam(cam, time), thing, time, int(counts[index]))
        if instance is None:
            continue
        rows, columns = np.nonzero(canvas.owner == index)
        x1, y1, x2, y2 = np.array(instance["bbox"]) * render.SUPERSAMPLE
        assert columns.min() + 0.5 >= x1 - 1
        assert columns.max() + 0.5 <= x2 + 1
        assert rows.min() + 0.5 >= y1 - 1
        assert rows.max() + 0.5 <= y2 + 1
        seen += 1
    assert seen


def test_a_hidden_object_is_not_annotated():
    cam = RIG["CAM_FRONT"]
    wall, hidden = actor("house", (20.0, world.EGO_Y), yaw=np.pi / 2), actor(position=(40.0, world.EGO_Y))
    for things, expected in (([hidden], True), ([hidden, wall], False)):
        canvas = render.draw(cam, world.ego_pose(0) @ cam.cam2ego, things, 0.0)
        pixels = int((canvas.owner == 0).sum())
        assert (infos.annotate(cam, street2cam(cam), hidden, 0.0, pixels) is not None) is expected


def test_scenery_and_what_stands_behind_the_camera_are_not_annotated():
    cam = RIG["CAM_FRONT"]
    assert infos.annotate(cam, street2cam(cam), actor("tree", (20.0, 0.0)), 0.0, 10_000) is None
    assert infos.annotate(cam, street2cam(cam), actor(position=(-20.0, 0.0)), 0.0, 10_000) is None


@pytest.mark.parametrize("name", ["CAM_FRONT", "CAM_BACK_LEFT"])
def test_velocity_and_yaw_are_those_of_the_motion(name):
    """Two later positions of a driving car, both seen from one camera pose, give its velocity and its heading."""
    cam = RIG[name]
    driving = actor(position=tuple(cam.cam2ego[:2, 3] + 15 * cam.cam2ego[:2, 2]), yaw=0.7, speed=4.0)
    to_cam = street2cam(cam)
    before, after = (infos.annotate(cam, to_cam, driving, time, 10_000) for time in (0.0, 0.1))
    moved = np.subtract(after["bbox_3d"][:3], before["bbox_3d"][:3]) / 0.1
    np.testing.assert_allclose([moved[0], moved[2]], before["velocity"], atol=1e-9)
    assert moved[1] == pytest.approx(0, abs=1e-9)
    assert np.arctan2(-moved[2], moved[0]) == pytest.approx(before["bbox_3d"][6])


def test_traffic_of_one_lane_never_overlaps():
    for time in (0.0, 2.0):
        cars = [thing for thing in world.build_world(3) if abs(thing.position[1] - world.EGO_Y) < 0.9]
        ends = sorted(
            (thing.center(time)[0] - thing.size[0] / 2, thing.center(time)[0] + thing.size[0] / 2) for thing in cars
        )
        assert len(ends) > 3
        assert all(first[1] < second[0] for first, second in zip(ends, ends[1:]))
        ego = world.ego_pose(time)[0, 3]
        assert all(not (start - 2 < ego < end + 2) for start, end in ends)
