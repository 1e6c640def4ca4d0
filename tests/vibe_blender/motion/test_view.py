# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import from_axis_angles, from_matrices, multiply, rotate, to_matrices
from vibe_blender.contract.take import Camera, Person, Take, Video
from vibe_blender.motion.settings import CameraPath, View
from vibe_blender.motion.view import scale_of_path, view_of_floor, viewed

COUNT = 40


@pytest.fixture
def shot() -> Take:
    """Two people, one of whom comes later and is not always seen, filmed from 1.5 m, 10 degrees down and askew."""
    take = small_take(count=COUNT)
    seen = np.r_[5:20, 24:40]
    other = replace(walking_person(np.arange(COUNT), 2), id=2)
    rows = {name: getattr(other, name)[seen] for name in ("rotations", "root", "contacts", "confidence", "boxes")}
    other = replace(other, frames=seen, keypoints=np.zeros((len(seen), 0, 3)), **rows)
    turn = to_matrices(from_axis_angles(np.array([np.radians(10.0), 0.05, 0.03])))
    from_world = np.eye(4)
    from_world[:3, :3] = turn @ [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    from_world[:3, 3] = from_world[:3, :3] @ -np.array([0.4, -5.0, 1.5])
    video = Video("walk.mp4", 640, 480, 25.0, 3.0 + np.arange(COUNT) / 25, first_frame=0)
    return replace(
        take, video=video, people=(take.people[0], other), camera=Camera(700.0, np.array([310.0, 250.0]), from_world)
    )


def picture(take: Take) -> NDArray:
    return np.concatenate([take.camera.project(person.joints()).reshape(-1, 2) for person in take.people])


def picture_through(take: Take, path: CameraPath) -> NDArray:
    found = []
    for person in take.people:
        rows = person.frames - take.video.first_frame
        from_world = np.linalg.inv(path.to_world[rows])
        seen = np.einsum("tij,tkj->tki", from_world[:, :3, :3], person.joints()) + from_world[:, None, :3, 3]
        centre = take.camera.centre_px if path.centre_px is None else path.centre_px[rows][:, None]
        found.append((path.focal_px[rows][:, None, None] * seen[..., :2] / seen[..., 2:] + centre).reshape(-1, 2))
    return np.concatenate(found)


def tilt(take: Take) -> tuple[float, float]:
    """How far the camera looks down, and is turned clockwise, radians."""
    up = take.camera.from_world[:3, 2]
    return -float(np.arcsin(up[2])), float(np.arctan2(-up[0], -up[1]))


def test_nothing_set_is_the_very_same(shot: Take) -> None:
    assert viewed(shot, View()).take is shot


@pytest.mark.parametrize(
    "view",
    [
        View(pitch_rad=0.1),
        View(roll_rad=-0.2),
        View(height_m=0.7),
        View(refit_floor=True),
        View(pitch_rad=-0.3, roll_rad=0.1, height_m=-0.4, refit_floor=True),
    ],
)
def test_who_is_turned_with_the_camera_stays_in_the_picture(shot: Take, view: View) -> None:
    found = viewed(shot, view)
    assert found.path is None
    assert np.abs(picture(found.take) - picture(shot)).max() < 1e-6
    assert np.abs(found.take.people[0].root - shot.people[0].root).max() > 0.01
    for before, after in zip(shot.people, found.take.people, strict=True):
        assert np.sum(after.rotations[1:] * after.rotations[:-1], axis=-1)[np.diff(after.frames) == 1].min() > 0
        assert np.array_equal(after.rotations[:, 1:], before.rotations[:, 1:])


def test_pitch_roll_and_height_are_what_they_are_called(shot: Take) -> None:
    pitch, roll = tilt(shot)
    found = viewed(shot, View(pitch_rad=0.1, roll_rad=-0.2, height_m=0.3)).take
    assert tilt(found) == pytest.approx((pitch + 0.1, roll - 0.2))
    start = shot.people[0].root[0]
    turned = viewed(shot, View(pitch_rad=0.1, roll_rad=-0.2)).take
    assert np.allclose(found.people[0].root - turned.people[0].root, [0, 0, 0.3])
    # All turn about the floor below where the first person begins.
    about = turned.people[0].root[0] - [start[0], start[1], 0.0]
    assert np.linalg.norm(about) == pytest.approx(start[2])
    assert np.degrees(np.arccos(about[2] / start[2])) < 15


def test_a_camera_that_looks_further_down_sees_what_is_far_away_lower(shot: Take) -> None:
    """Turned down, the ray through the same pixel ends lower, the more so the farther away."""
    far = replace(shot.people[0], root=shot.people[0].root + np.linspace(0, 1, COUNT)[:, None] * [0.0, 6.0, 0.0])
    found = viewed(replace(shot, people=(far,)), View(pitch_rad=0.1)).take.people[0]
    assert found.root[-1, 2] - far.root[-1, 2] < -0.5


# What the lens can be changed by, and by how many pixels a joint of these people may then lie elsewhere at most and in
# the mean: their bodies stay rigid, so near and far limbs cannot follow the other perspective.
@pytest.mark.parametrize(("scale", "most", "mean"), [(0.95, 1.5, 0.4), (1.25, 5.0, 1.2), (0.7, 14.0, 3.0)])
def test_another_lens_leaves_the_picture_as_it_is(shot: Take, scale: float, most: float, mean: float) -> None:
    found = viewed(shot, View(focal_scale=scale)).take
    assert found.camera.focal_px == pytest.approx(700.0 * scale)
    moved = np.linalg.norm(picture(found) - picture(shot), axis=1)
    assert moved.max() < most
    assert moved.mean() < mean
    for before, after in zip(shot.people, found.people, strict=True):
        depths = found.camera.to_camera(after.root)[:, 2] / shot.camera.to_camera(before.root)[:, 2]
        assert np.abs(depths / scale - 1).max() < 0.05
    assert np.allclose(found.people[0].root[0, :2], shot.people[0].root[0, :2])


def test_another_lens_turns_bodies_with_the_line_of_sight(shot: Take) -> None:
    """Who faced the camera at the picture's edge still does."""
    aside = replace(shot.people[0], root=shot.people[0].root + np.array([1.5, 0.0, 0.0]))
    shot = replace(shot, people=(aside,))
    found = viewed(shot, View(focal_scale=0.6)).take

    def facing(take: Take) -> NDArray:
        person = take.people[0]
        chest = rotate(person.rotations[:, 0], np.array([0.0, 0.0, 1.0])) @ take.camera.from_world[:3, :3].T
        sight = take.camera.to_camera(person.root)
        return np.sum(chest * sight, axis=1) / np.linalg.norm(sight, axis=1)

    assert np.allclose(facing(found), facing(shot), atol=0.01)
    chests = [take.people[0].rotations[:, 0] for take in (shot, found)]
    assert np.abs(chests[0] - chests[1]).max() > 0.03


def test_a_floor_stays_a_floor_through_another_lens(shot: Take) -> None:
    """People of no size on the floor: nearer and farther by the lens, they are still on it, to 1 % of the distance."""
    tiny = [
        replace(person, rest_joints=person.rest_joints * 1e-3, root=person.root * [1, 1, 0]) for person in shot.people
    ]
    found = viewed(replace(shot, people=tuple(tiny)), View(focal_scale=1.3)).take
    for person in found.people:
        assert np.abs(person.root[:, 2]).max() < 0.05


def picked(take: Take, view: View, floor: NDArray) -> NDArray:
    """Points of a plane of the captured world, where they are in the world of the view."""
    camera = viewed(take, view).take.camera
    return (take.camera.to_camera(floor) - camera.from_world[:3, 3]) @ camera.from_world[:3, :3]


@pytest.mark.parametrize("view", [View(), View(pitch_rad=0.15, roll_rad=0.05, height_m=-0.2), View(refit_floor=True)])
@pytest.mark.parametrize("count", [3, 6])
def test_picked_points_become_the_floor(shot: Take, view: View, count: int) -> None:
    random = np.random.default_rng(1)
    places = random.uniform(-3, 3, (count, 2))
    floor = np.column_stack([places, 0.2 + 0.1 * places[:, 0] - 0.15 * places[:, 1]])
    found = view_of_floor(shot, view, picked(shot, view, floor))
    assert np.abs(picked(shot, found, floor)[:, 2]).max() < 1e-6
    assert np.abs(picture(viewed(shot, found).take) - picture(shot)).max() < 1e-6
    assert found.refit_floor == view.refit_floor


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[0, 0, 0], [1, 0, 0]], "2 points make no floor"),
        ([[0, 0, 0], [1, 0, 0], [2, 0, 0.001]], "on one line"),
        ([[0, 0, 0], [1, 0, 0], [1, 0, 1], [0, 0.1, 1]], "on a wall"),
    ],
)
def test_what_makes_no_floor_is_said(shot: Take, points: list[list[float]], words: str) -> None:
    with pytest.raises(CaptureError, match=words) as caught:
        view_of_floor(shot, View(), np.array(points))
    assert caught.value.code == "bad_floor"


def moving(count: int, scale: float = 1.0) -> CameraPath:
    """Goes to the side and ahead, turning."""
    share = np.linspace(0.0, 1.0, count)
    paths = np.tile(np.eye(4), (count, 1, 1))
    paths[:, :3, :3] = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) @ to_matrices(
        from_axis_angles(share[:, None] * [-0.1, 0.4, 0.02])
    )
    paths[:, :3, 3] = (np.array([0.0, -5.0, 1.5]) + share[:, None] * [2.0, 0.5, 0.1]) / scale
    return CameraPath(paths, np.full(count, 700.0))


def test_a_moving_camera_sees_everybody_where_they_were_filmed(shot: Take) -> None:
    path = moving(COUNT)
    found = viewed(shot, View(path=path))
    assert found.path is not None
    assert np.abs(picture_through(found.take, found.path) - picture(shot)).max() < 1e-6
    assert np.allclose(found.path.to_world, path.to_world)
    assert np.allclose(found.take.camera.from_world, np.linalg.inv(path.to_world[0]))
    seen = shot.camera.to_camera(shot.people[1].root)
    there = np.einsum("tij,tj->ti", path.to_world[5:20, :3, :3], seen[:15]) + path.to_world[5:20, :3, 3]
    assert np.allclose(found.take.people[1].root[:15], there)


def test_a_moving_camera_has_its_own_lens(shot: Take) -> None:
    path = replace(moving(COUNT), focal_px=np.linspace(690, 760, COUNT), centre_px=np.tile([320.0, 240.0], (COUNT, 1)))
    found = viewed(shot, View(path=path, pitch_rad=0.05, height_m=0.2))
    assert found.path is not None
    moved = np.linalg.norm(picture_through(found.take, found.path) - picture(shot), axis=1)
    assert moved.max() < 3.0
    assert moved.mean() < 0.8
    assert found.take.camera.focal_px == 690
    assert tilt(found.take)[0] == pytest.approx(0.05)


def test_a_path_of_another_take_is_said(shot: Take) -> None:
    with pytest.raises(CaptureError, match="39 frames, the take 40") as caught:
        viewed(shot, View(path=moving(COUNT - 1)))
    assert caught.value.code == "bad_setting"


def moved_by(transforms: NDArray, person: Person) -> Person:
    """The person moved by rigid transforms (T, 4, 4)."""
    rotations = person.rotations.copy()
    rotations[:, 0] = multiply(from_matrices(transforms[:, :3, :3]), rotations[:, 0])
    root = np.einsum("tij,tj->ti", transforms[:, :3, :3], person.root) + transforms[:, :3, 3]
    return replace(person, rotations=rotations, root=root)


def standing(path: CameraPath) -> Take:
    """Somebody who steps from foot to foot in one place of the world, as the camera of the path saw it."""
    take = small_take(count=len(path.to_world))
    person = take.people[0]
    still = np.zeros((len(path.to_world), 24, 3))
    still[:, 1, 0] = -0.25 * np.clip(np.sin(np.arange(len(still)) / 4), 0, 1)
    still[:, 2, 0] = -0.25 * np.clip(-np.sin(np.arange(len(still)) / 4), 0, 1)
    rotations = from_axis_angles(still)
    rotations[:, 0] = from_axis_angles(np.array([np.pi / 2, 0, 0]))
    world = replace(person, rotations=rotations, root=np.tile([0.3, 0.5, 0.98], (len(still), 1)))
    from_world = np.linalg.inv(path.to_world)
    level = replace(take.camera, from_world=np.linalg.inv(moving(2).to_world[0]), focal_px=700.0)
    seen = moved_by(np.linalg.inv(level.from_world) @ from_world, world)
    return replace(take, people=(seen,), camera=level)


@pytest.mark.parametrize("scale", [1.0, 0.02, 37.0])
def test_standing_feet_tell_the_scale_of_a_tracked_path(scale: float) -> None:
    take = standing(moving(80))
    path = replace(moving(80, scale), scale=None)
    assert scale_of_path(take, path) == pytest.approx(scale, rel=0.02)
    found = viewed(take, View(path=path)).take.people[0]
    assert np.abs(found.root - [0.3, 0.5, 0.98]).max() < 0.08
    assert scale_of_path(take, replace(path, scale=2.0)) == 2.0


def test_a_camera_that_only_turns_has_no_scale() -> None:
    path = moving(80)
    path.to_world[:, :3, 3] = path.to_world[0, :3, 3]
    assert scale_of_path(standing(path), replace(path, scale=None)) == 1.0


def test_a_tracker_s_world_gets_a_floor() -> None:
    """Wherever the tracker's world has its axes, people stand upright on z = 0 afterwards."""
    take = standing(moving(80))
    askew = np.eye(4)
    askew[:3, :3] = to_matrices(from_axis_angles(np.array([1.0, -2.0, 0.5])))
    askew[:3, 3] = [3.0, 2.0, 1.0]
    path = moving(80, 0.4)
    found = viewed(take, View(path=CameraPath(askew @ path.to_world, path.focal_px, scale=None), refit_floor=True))
    person = found.take.people[0]
    up = rotate(person.rotations[:, 0], np.array([0.0, 1.0, 0.0]))
    assert np.degrees(np.arccos(up[:, 2])).max() < 3
    assert np.abs(person.joints()[:, [10, 11], 2].min(axis=1) - 0.02).max() < 0.06
    assert found.path is not None
    assert np.abs(picture_through(found.take, found.path) - picture(take)).max() < 1e-6
