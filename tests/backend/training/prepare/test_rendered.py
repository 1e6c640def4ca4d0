# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from __future__ import annotations

import itertools
from dataclasses import replace
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("bpy")
torch = pytest.importorskip("torch")

from scipy.spatial.transform import Rotation

from backend.__main__ import main
from backend.body import model
from backend.training.archive import open_archive
from backend.training.bodies import mannequin_body
from backend.training.prepare.rendered import RenderOptions, joint_places, plan_scenes, prepare_rendered, render_options
from backend.training.rendering.framing import surroundings
from backend.training.rendering.labels import BEHIND_ITSELF, BEHIND_OTHERS, SEEN
from backend.training.rendering.looks import CLEAN, PLAIN, Finish
from backend.training.rendering.motions import find_motions, read_exclusions, usable_runs
from backend.training.rendering.plans import Job, Part, Plan, Shot
from backend.training.rendering.scenes import BOX, Solid, draw_scene
from vibe_blender.contract.errors import CaptureError

MANNEQUIN = Path(str(resources.files("vibe_blender") / "assets" / "mannequin.npz"))
QUICK = RenderOptions(
    scenes=3, frames=6, people=2, crowded=0.7, picture_px=48, samples=1, shortest=3, workers=2, seed=4
)


def make_motions(folder: Path, joints: int = 52, count: int = 40) -> Path:
    """Two people who stand, swing their arms and walk on."""
    time = np.arange(count) / 60.0
    for number in range(2):
        poses = np.zeros((count, joints, 3))
        poses[:, 0] = Rotation.from_euler("zyx", [[0.3 * number, 0, np.pi / 2]]).as_rotvec()
        poses[:, 16, 2], poses[:, 17, 2] = -1.2, 1.2
        poses[:, 1, 0], poses[:, 2, 0] = 0.4 * np.sin(6 * time), -0.4 * np.sin(6 * time)
        trans = np.stack([0.2 * time, -0.5 * time, np.full(count, 1.1)], axis=1)
        path = folder / "CMU" / f"0{number}" / f"0{number}_01_poses.npz"
        path.parent.mkdir(parents=True)
        np.savez(path, poses=poses.reshape(count, -1), trans=trans, betas=np.zeros(16), mocap_framerate=60.0)
        np.savez(path.with_name("shape.npz"), betas=np.zeros(16))
    return folder


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered 渲染")
    motions = make_motions(folder / "motions")
    return motions, prepare_rendered(motions, folder / "a.clips", QUICK)


def test_labels_are_those_of_the_body(rendered):
    _, archive = rendered
    archive.verify()
    assert (archive.facts.dataset, archive.facts.body) == ("rendered", "mannequin")
    assert len({sequence.name.partition("/")[0] for sequence in archive.sequences}) == 3
    assert all(sequence.fps == 30 for sequence in archive.sequences)
    body = mannequin_body(MANNEQUIN)
    vectors = archive.column("rotations").reshape(-1, 3)
    turns = torch.tensor(Rotation.from_rotvec(vectors).as_matrix(), dtype=torch.float32).reshape(-1, 24, 3, 3)
    expected = body(turns, torch.tensor(archive.column("betas").copy())).joints.numpy()
    joints = archive.column("joints3d")
    valid = body.valid.numpy() > 0
    assert np.array_equal(joints[..., 3], np.broadcast_to(valid, joints.shape[:2]))
    ours, theirs = (values[:, valid] - values[:, 39:40] for values in (joints[..., :3], expected))
    assert ours == pytest.approx(theirs, abs=2e-5)


def test_projections_and_boxes(rendered):
    _, archive = rendered
    joints2d, joints3d = archive.column("joints2d"), archive.column("joints3d")
    focal, centre = (archive.column("intrinsics")[:, None, part] for part in (slice(0, 2), slice(2, 4)))
    pixels = focal * joints3d[..., :2] / np.maximum(joints3d[..., 2:3], 1e-3) + centre
    seen = joints2d[..., 2] > 0
    assert seen.any(axis=1).all()
    assert joints2d[..., :2][seen] == pytest.approx(pixels[seen], abs=0.02)
    known = np.array([0.0, BEHIND_OTHERS, BEHIND_ITSELF, SEEN])
    assert np.abs(joints2d[..., 2:] - known).min(axis=-1).max() < 1e-6
    for frame in range(len(archive)):
        picture = cv2.imdecode(np.frombuffer(archive.picture(frame), np.uint8), cv2.IMREAD_COLOR)
        left, top, width, height = archive.column("picture_boxes")[frame]
        assert max(picture.shape[:2]) <= 48
        assert picture.std() > 0
        assert width / height == pytest.approx(picture.shape[1] / picture.shape[0], rel=1e-5)
        good = joints2d[frame, joints2d[frame, :, 2] > 0.3, :2]
        inside = ((good > [left - 1, top - 1]) & (good < [left + width, top + height])).all(axis=1)
        assert inside.mean() > 0.9


def test_same_again_whoever_renders_and_after_an_interruption(rendered, tmp_path):
    motions, archive = rendered

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_rendered(motions, tmp_path / "b.clips", QUICK, stop)
    with pytest.raises(CaptureError) as refusal:
        prepare_rendered(motions, tmp_path / "b.clips", replace(QUICK, samples=2))
    assert refusal.value.code == "archive_other"
    prepare_rendered(motions, tmp_path / "b.clips", replace(QUICK, workers=1))
    again = open_archive(tmp_path / "b.clips")
    assert again.sequences == archive.sequences
    for path in archive.folder.glob("*.bin"):
        assert (again.folder / path.name).read_bytes() == path.read_bytes(), path.name


def shot(**changes) -> Shot:
    return replace(Shot(str(MANNEQUIN), 3, joint_places(), 128, 4, 3, (), 0.0, 0.0, 0.0), **changes)


def scene_of(motions: Path, number: int = 0, **changes):
    body = model.load(MANNEQUIN)
    flat = body.pose_directions.transpose(2, 0, 1).reshape(207, -1).astype(np.float32)
    part = Part(str(motions / "CMU/00/00_01_poses.npz"), 0, 2)
    return draw_scene(shot(**changes), Plan(number, 8, 30.0, (part,)), body, flat)


@pytest.mark.parametrize(("reach", "sway"), [(0.2, 0.0), (0.3, 0.3), (0.9, 0.1), (4.0, 0.0)])
def test_pictures_show_what_labels_say(rendered, tmp_path, reach, sway):
    """A small white box at a known place is where the camera's numbers say; parts of any form."""
    from backend.training.rendering.stage import Stage

    scene = scene_of(rendered[0])
    frame = 3
    to_world = np.linalg.inv(scene.camera.from_world[frame])
    size = np.array(scene.camera.size_px)
    pixel = np.array([0.85, 0.45]) * size
    ahead = np.array([*((pixel - (size - 1) / 2) / scene.camera.focal_px), 1.0])
    place = to_world[:3, :3] @ ahead + to_world[:3, 3]
    side = reach * size.min()
    box = np.array([pixel[0] + sway * side, pixel[1] - sway * side, side, side])
    part = surroundings(box, scene.camera.size_px, 400)
    assert part is not None
    assert (part.size_px[0] < part.size_px[1]) == (reach in (0.3, 0.9))  # of any form
    marker = np.full(3, 8 * part.width / part.size_px[0] / scene.camera.focal_px)
    white, black = (Finish(PLAIN, ((value,) * 3,) * 2, 1.0, 0.0, 0.0, 0) for value in (1.0, 0.0))
    scene = replace(
        scene, walkers=(), finishes=(), solids=(Solid(BOX, marker, place, 0.0, white),), faults=CLEAN,
        surroundings=replace(scene.surroundings, floor=black, walls=black, kind="room"),
        light=replace(scene.light, sky_colours=((0.2, 0.2, 0.2),) * 2, exposure=2.0),
    )  # fmt: skip
    stage = Stage(scene, 16, tmp_path)
    stage.show(frame, [], None)
    bright = stage.draw(part).astype(float).sum(axis=2)
    bright = np.where(bright > 0.5 * bright.max(), bright, 0.0)
    rows, columns = np.indices(bright.shape)
    found = np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()
    left, top, width, _ = part.box
    expected = (pixel + 0.5 - [left, top]) * part.size_px[0] / width - 0.5
    assert found == pytest.approx(expected, abs=0.7)


def test_what_is_in_front_lowers_the_confidence(rendered):
    from backend.training.rendering.labels import tracks_of
    from backend.training.rendering.stage import rays_of

    scene = next(
        some for number in itertools.count()
        if (some := scene_of(rendered[0], number)).camera.size_px[0] < some.camera.focal_px * 1.6
    )  # fmt: skip
    scene = replace(scene, solids=())
    skins = [walker.skin(np.arange(8.0)) for walker in scene.walkers]
    (free,) = tracks_of(scene, joint_places(), skins, lambda frame: rays_of(scene, skins, frame))
    eye = np.linalg.inv(scene.camera.from_world[4])[:3, 3]
    middle = (eye + scene.walkers[0].root[4]) / 2
    wall = Solid(BOX, np.array([0.02, 9.0, 9.0]), middle, float(np.arctan2(*(middle - eye)[1::-1])), Finish(
        PLAIN, ((1.0,) * 3,) * 2, 1.0, 0.0, 0.0, 0))  # fmt: skip
    scene = replace(scene, solids=(wall,))
    (hidden,) = tracks_of(scene, joint_places(), skins, lambda frame: rays_of(scene, skins, frame))
    before, after = free.arrays["joints2d"][4, :, 2], hidden.arrays["joints2d"][4, :, 2]
    assert before.max() == SEEN
    assert after[before > 0] == pytest.approx(BEHIND_OTHERS)
    assert np.array_equal(free.arrays["joints3d"], hidden.arrays["joints3d"])


def test_feet_stand_on_the_floor(rendered):
    walker = scene_of(rendered[0]).walkers[0]
    lowest = walker.skin(np.arange(8.0))[..., 2].min(axis=1)
    assert np.abs(lowest).min() < 0.01
    assert lowest.min() > -0.03


def test_excluded_frames_are_never_shown(tmp_path):
    motions = find_motions(make_motions(tmp_path / "m"), ())
    assert [motion.name for motion in motions] == ["CMU/00/00_01_poses", "CMU/01/01_01_poses"]
    assert [(motion.count, motion.fps) for motion in motions] == [(40, 60.0)] * 2
    path = tmp_path / "exclude.txt"
    path.write_text("# shown elsewhere\nCMU/00/00_01_poses 10 20  # a part\nCMU/01/01_01_poses\n", encoding="utf-8")
    excluded = read_exclusions(path)
    assert usable_runs(motions[0], excluded, 1) == [(0, 10), (21, 40)]
    assert usable_runs(motions[1], excluded, 1) == []
    plans = plan_scenes(motions, excluded, replace(QUICK, scenes=200, frames=5))
    shown = {part.first + 2 * step for plan in plans for part in plan.parts for step in range(5)}
    assert shown == {*range(10), *range(21, 40)}
    assert {part.motion for plan in plans for part in plan.parts} == {str(motions[0].path)}
    assert plan_scenes(motions, excluded, replace(QUICK, frames=30)) == []
    assert [motion.name for motion in find_motions(tmp_path / "m", ("CMU/01/*",))] == ["CMU/01/01_01_poses"]


def test_jobs_travel_as_text():
    job = Job(shot(pictures=("ä b.png",)), Plan(7, 16, 29.97, (Part("x é.npz", 3, 2), Part("y.npz", 0, 4))), "t.npz")
    assert Job.from_line(job.to_line()) == job


def refused(motions: Path, out: Path, options: RenderOptions) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        prepare_rendered(motions, out, options)
    return caught.value


def test_what_cannot_be_rendered(rendered, tmp_path):
    motions, _ = rendered
    out = tmp_path / "c.clips"
    assert refused(tmp_path / "none", out, QUICK).code == "dataset_missing"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty", out, QUICK).code == "dataset_missing"
    assert refused(motions, out, replace(QUICK, frames=50)).code == "dataset_empty"
    assert refused(motions, out, replace(QUICK, exclude=tmp_path / "none.txt")).code == "bad_exclusions"
    assert refused(motions, out, replace(QUICK, backgrounds=tmp_path / "none")).code == "dataset_missing"
    assert not out.exists()
    broken = make_motions(tmp_path / "broken", joints=30)
    error = refused(broken, tmp_path / "d.clips", QUICK)
    assert (error.code, "90 numbers" in error.message) == ("dataset_broken", True)


def test_options_as_typed():
    options = render_options({"split": "", "scenes": 5, "fps": None}, ["seed=7", "blurred=0.25"])
    assert (options.scenes, options.fps, options.seed, options.blurred) == (5, 30.0, 7, 0.25)
    for text in ("seed", "seed=x", "seed=-1", "blurred=2", "split=3", "none=1", "samples=0"):
        with pytest.raises(CaptureError) as caught:
            render_options({}, [text])
        assert (caught.value.code, repr(text) in caught.value.message) == ("bad_option", True)


def test_command(tmp_path, capsys):
    motions = make_motions(tmp_path / "m")
    arguments = ["prepare", "rendered", str(motions), "-o", str(tmp_path / "r.clips"), "--split", "val", "--limit", "1"]
    small = [item for text in ("frames=3", "picture_px=32", "samples=1", "seed=4") for item in ("--set", text)]
    assert main([*arguments, "--shortest", "2", "--only", "CMU/00/*", *small]) == 0
    archive = open_archive(tmp_path / "r.clips")
    assert archive.facts.split == "val"
    assert f"{len(archive)} frames" in capsys.readouterr().out
