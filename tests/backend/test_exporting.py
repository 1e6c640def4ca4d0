# SPDX-License-Identifier: MIT
"""The three exported layouts, checked against the definitions they come from."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest

from backend.__main__ import main
from backend.exporting import export, joints, open_body, smpl
from backend.published_smoothing import PublishedOneEuro
from tests.plain_networks import posed
from tests.published_bodies import make_regressors, make_smpl_pkl
from vibe_blender.contract.amass import amass
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import from_axis_angles, from_matrices, to_matrices
from vibe_blender.contract.skeleton import forward_kinematics
from vibe_blender.contract.take import NetworkWords, Person
from vibe_blender.contract.take_file import save_take
from vibe_blender.contract.terms import notice_of


def loaded(path) -> dict:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


class TestJoints:
    def test_layout(self, take, tmp_path):
        stored = loaded(export(take, tmp_path / "out.npz", "joints"))
        assert stored["fps"].shape == ()
        assert stored["size"].tolist() == [960, 540]
        assert stored["people"].tolist() == [1, 2]
        shapes = {
            "frames": (10,), "joints_camera": (10, 24, 3), "joints_world": (10, 24, 3), "joints_image": (10, 24, 2),
            "root_world": (10, 3), "contacts": (10, 2), "confidence": (10,),
        }  # fmt: skip
        assert {name: stored[f"{name}_1"].shape for name in shapes} == shapes
        assert stored["frames_1"].tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]

    def test_the_three_frames_of_reference_agree(self, take):
        arrays = joints(take)
        world, camera, image = (arrays[f"joints_{name}_1"] for name in ("world", "camera", "image"))
        transform = take.camera.from_world
        np.testing.assert_allclose(camera, world @ transform[:3, :3].T + transform[:3, 3], atol=1e-12)
        np.testing.assert_allclose(
            image, take.camera.focal_px * camera[..., :2] / camera[..., 2:] + [480, 270], atol=1e-9
        )
        np.testing.assert_allclose(world[:, 0], arrays["root_world_1"])

    def test_one_person_only(self, take):
        arrays = joints(take, 2)
        assert arrays["people"].tolist() == [2]
        assert "frames_1" not in arrays


class TestAmass:
    def test_the_file_has_the_layout_that_both_halves_share(self, take, tmp_path):
        stored, arrays = loaded(export(take, tmp_path / "out.npz", "amass", 2)), amass(take, take.person(2))
        assert set(stored) == set(arrays)
        assert all(np.array_equal(stored[name], values) for name, values in arrays.items())


class TestSmpl:
    def test_the_weak_camera_sees_what_the_full_camera_sees(self, take):
        person = take.person(1)
        arrays = smpl(take, person)
        assert {name: values.shape for name, values in arrays.items()} == {
            "frames": (10,), "cam": (10, 3), "poses": (10, 72), "betas": (10, 10), "rotmat": (10, 24, 3, 3),
            "boxes": (10, 4),
        }  # fmt: skip
        # networks.md A.1.10: T from the weak camera, then pelvis = T + its place in the rest pose.
        scale, shift = arrays["cam"][:, :1], arrays["cam"][:, 1:]
        side, focal = arrays["boxes"][:, 2:3], take.camera.focal_px
        depth = 2 * focal / (scale * side)
        across = shift + 2 * (arrays["boxes"][:, :2] - take.camera.centre_px) / (scale * side)
        pelvis = np.hstack([across, depth]) + person.rest_joints[0]
        np.testing.assert_allclose(pelvis, take.camera.to_camera(person.root), atol=1e-9)

    def test_the_golden_case(self, take):
        # networks.md A.1.10: cam (0.9, 0.05, -0.1), centre (700, 600), side 550, f 2202.90717 in 1920 x 1080.
        person = take.person(2)
        shift = np.array([-1.00050505, 0.14242424, 8.90063503])
        placed = replace(
            person,
            root=np.tile(shift + person.rest_joints[0], (12, 1)),
            boxes=np.tile([700.0, 600.0, 200.0, 550.0], (12, 1)),
        )
        camera = replace(take.camera, focal_px=2202.90717, centre_px=np.array([960.0, 540.0]), from_world=np.eye(4))
        arrays = smpl(replace(take, camera=camera), placed)
        np.testing.assert_allclose(arrays["cam"][0], [0.9, 0.05, -0.1], atol=1e-7)
        assert arrays["boxes"][0].tolist() == [700, 600, 550, 550]

    def test_poses_are_in_camera_axes(self, take):
        person = take.person(1)
        arrays = smpl(take, person)
        rotations = from_matrices(arrays["rotmat"])
        posed, _ = forward_kinematics(person.rest_joints, rotations, take.camera.to_camera(person.root))
        np.testing.assert_allclose(posed, take.camera.to_camera(person.joints()), atol=1e-6)
        np.testing.assert_allclose(
            to_matrices(from_axis_angles(arrays["poses"].reshape(-1, 24, 3))), arrays["rotmat"], atol=1e-6
        )

    @pytest.mark.parametrize("smoothing", [None, PublishedOneEuro()])
    def test_matrices_are_in_single_precision_whoever_said_them(self, take, smoothing):
        for person in (take.person(1), spoken(take.person(1))):
            assert smpl(take, person, smoothing)["rotmat"].dtype == np.float32


def published_axis_angles(matrices: np.ndarray) -> np.ndarray:
    """(T, 3) of single-precision matrices (T, 3, 3), as networks.md A.1.6 tells of the published conversion."""
    angles = []
    for m in matrices.astype(np.float32):
        x, y, z = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
        xy, xz, yz = m[1, 0] + m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2]
        if m[2, 2] < 1e-6:
            if m[0, 0] > m[1, 1]:
                four = 1 + m[0, 0] - m[1, 1] - m[2, 2]
                quaternion = [x, four, xy, xz]
            else:
                four = 1 - m[0, 0] + m[1, 1] - m[2, 2]
                quaternion = [y, xy, four, yz]
        elif m[0, 0] < -m[1, 1]:
            four = 1 - m[0, 0] - m[1, 1] + m[2, 2]
            quaternion = [z, xz, yz, four]
        else:
            four = 1 + m[0, 0] + m[1, 1] + m[2, 2]
            quaternion = [four, x, y, z]
        cosine, *axis = np.array(quaternion, np.float32) * np.float32(0.5) / np.sqrt(four)
        sine = np.linalg.norm(axis)
        twice = 2 * (np.arctan2(-sine, -cosine) if cosine < 0 else np.arctan2(sine, cosine))
        angles.append(np.array(axis) * (twice / sine if sine > 0 else 2.0))
    return np.array(angles)


def spoken(person: Person, seed: int = 3) -> Person:
    """The person with a network's words: any poses, roots of half a turn within a ten-thousandth."""
    random = np.random.default_rng(seed)
    count = len(person.frames)
    vectors = random.normal(scale=0.8, size=(count, 24, 3))
    vectors[:, 0] = random.normal([np.pi, 0, 0], 1e-4, (count, 3))
    words = NetworkWords(
        camera=random.uniform(0.5, 1, (count, 3)).astype(np.float32),
        rotations=to_matrices(from_axis_angles(vectors)).astype(np.float32),
        betas=random.normal(size=(count, 10)).astype(np.float32),
        boxes=random.uniform(50, 300, (count, 4)),
    )
    return replace(person, words=words)


class TestWords:
    def test_poses_are_those_of_the_published_conversion_also_near_half_a_turn(self, take):
        person = spoken(take.person(1))
        arrays = smpl(take, person)
        published = published_axis_angles(person.words.rotations.reshape(-1, 3, 3)).reshape(-1, 72)
        assert {tuple(np.sign(root[:1])) for root in published[:, :3]} == {(1.0,), (-1.0,)}, "both signs are tried"
        np.testing.assert_allclose(arrays["poses"], published, atol=2e-5)

    @pytest.mark.parametrize(
        ("side_px", "orig_cam"),
        [
            (500.0, [0.234375, 0.41666667, -1.10555556, 0.16666667]),  # --compat, and the published demo
            (550.0, [0.2578125, 0.45833333, -1.00050505, 0.14242424]),
        ],
    )
    def test_the_golden_camera_over_the_picture(self, take, side_px, orig_cam):
        person = spoken(take.person(1))
        words = replace(
            person.words,
            camera=np.tile([0.9, 0.05, -0.1], (10, 1)),
            boxes=np.tile([700.0, 600.0, side_px, side_px], (10, 1)),
        )
        wide = replace(take, video=replace(take.video, width_px=1920, height_px=1080))
        arrays = smpl(wide, replace(person, words=words))
        np.testing.assert_allclose(arrays["orig_cam"], np.tile(orig_cam, (10, 1)), atol=1e-8)

    def test_without_smoothing_all_is_as_it_was_said(self, take):
        person = spoken(take.person(1))
        arrays = smpl(take, person)
        for name, said in (("cam", "camera"), ("rotmat", "rotations"), ("betas", "betas"), ("boxes", "boxes")):
            assert np.array_equal(arrays[name], getattr(person.words, said))

    def test_smoothed_as_published(self, take, tmp_path):
        person = spoken(take.person(1))
        take = replace(take, people=(person,))
        raw = smpl(take, person)
        stored = loaded(export(take, tmp_path / "out.npz", "smpl", smoothing=PublishedOneEuro(0.1, 0.5)))
        assert stored.keys() == raw.keys()
        # Frames 3 and 6 of this person follow each other, and are a frame apart to the filter.
        assert raw["frames"].tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
        np.testing.assert_allclose(stored["poses"], PublishedOneEuro(0.1, 0.5).smooth(raw["poses"]), atol=1e-12)
        assert np.array_equal(stored["poses"][0], raw["poses"][0])
        assert np.abs(np.diff(stored["poses"], axis=0)).sum() < 0.8 * np.abs(np.diff(raw["poses"], axis=0)).sum()
        np.testing.assert_allclose(
            stored["rotmat"], to_matrices(from_axis_angles(stored["poses"].reshape(10, 24, 3))), atol=1e-6
        )
        for name in ("frames", "cam", "betas", "boxes", "orig_cam"):
            assert np.array_equal(stored[name], raw[name])

    def test_the_golden_sequence_comes_through(self, take):
        person = take.person(2)
        vectors = np.zeros((12, 24, 3))
        vectors[:5, 7, 1] = [0, 0.1, 0.2, 0.15, 0.4]
        said = spoken(person).words
        words = replace(said, rotations=to_matrices(from_axis_angles(vectors)))
        poses = smpl(take, replace(person, words=words), PublishedOneEuro())["poses"]
        np.testing.assert_allclose(poses[:5, 22], [0, 0.02880368, 0.10085963, 0.11242889, 0.2665628], atol=1e-8)
        assert not np.delete(poses, 22, axis=1).any()


class TestNotice:
    @pytest.mark.parametrize("kind", ["joints", "amass", "smpl"])
    def test_it_goes_with_the_file(self, take, tmp_path, kind):
        bound = replace(take, estimator="vibe", notice="")
        stored = loaded(export(bound, tmp_path / "bound.npz", kind, 1))
        assert str(stored["notice"]) == notice_of("vibe") == bound.notice
        assert "notice" not in loaded(export(take, tmp_path / "free.npz", kind, 1))


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    pytest.importorskip("torch", reason="the network packages are not installed")
    pytest.importorskip("smplx", reason="the network packages are not installed")
    folder = tmp_path_factory.mktemp("published é") / "vibe_data"
    folder.mkdir()
    return folder, make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl", seed=4), *make_regressors(folder, seed=5)


class TestPoints:
    """What the published program gives besides: posed bodies, against SMPL's equations written out."""

    @pytest.fixture
    def vibe_take(self, take):
        return replace(take, people=(spoken(take.person(1)),), body="smpl", estimator="vibe", notice="")

    @pytest.mark.parametrize("options", [[], ["--one-euro"]])
    def test_of_every_frame_s_own_pose_and_shape(self, published, vibe_take, tmp_path, monkeypatch, options):
        from backend.body import smpl as layer

        folder, made, extra, h36m = published
        monkeypatch.setattr(layer.points_in_parts, "__defaults__", (4,))  # ten frames in three parts
        path, out = save_take(vibe_take, tmp_path / "a.take"), tmp_path / "a.npz"
        assert main(["export", str(path), str(out), "--format", "smpl", "--models", str(folder.parent), *options]) == 0
        stored = loaded(out)
        plain = smpl(vibe_take, vibe_take.people[0], PublishedOneEuro() if options else None)
        assert set(stored) == {*plain, "notice", "verts", "joints3d", "joints_h36m"}
        assert np.array_equal(stored["rotmat"], plain["rotmat"])
        for name, count in (("verts", 6890), ("joints3d", 49), ("joints_h36m", 17)):
            assert (stored[name].shape, stored[name].dtype) == ((10, count, 3), np.float32), name
        for frame in (0, 3, 4, 9):
            vertices, joints = posed(made, plain["rotmat"][frame].astype(float), plain["betas"][frame].astype(float))
            np.testing.assert_allclose(stored["verts"][frame], vertices, atol=2e-5)
            np.testing.assert_allclose(stored["joints_h36m"][frame], h36m @ vertices, atol=2e-5)
            every = np.concatenate([joints, vertices[list(layer.VERTEX_JOINTS)], extra @ vertices])
            places = [place for _, place in layer.JOINTS49]
            np.testing.assert_allclose(stored["joints3d"][frame], every[places], atol=2e-5)

    def test_without_the_h36m_regressor(self, published, vibe_take, tmp_path, monkeypatch):
        monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
        folder = tmp_path / "some"
        folder.mkdir()
        for name in ("SMPL_NEUTRAL.pkl", "J_regressor_extra.npy"):
            shutil.copy(published[0] / name, folder)
        stored = loaded(export(vibe_take, tmp_path / "a.npz", "smpl", body=open_body(folder)))
        assert {"verts", "joints3d"} <= set(stored)
        assert "joints_h36m" not in stored

    def test_what_is_missing_is_named(self, published, tmp_path, monkeypatch):
        monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
        folder = tmp_path / "some"
        folder.mkdir()
        shutil.copy(published[0] / "SMPL_NEUTRAL.pkl", folder)
        with pytest.raises(CaptureError, match=r"J_regressor_extra\.npy is not in") as caught:
            open_body(folder)
        assert caught.value.code == "published_missing"

    @pytest.mark.parametrize("package", ["torch", "smplx"])
    def test_without_the_packages(self, published, monkeypatch, package):
        find = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
        with pytest.raises(CaptureError) as caught:
            open_body(published[0])
        assert caught.value.code == f"{package}_missing"

    def test_the_mannequin_s_shape_means_nothing_to_smpl(self, published, take, tmp_path):
        with pytest.raises(CaptureError, match="mannequin") as caught:
            export(take, tmp_path / "a.npz", "smpl", 1, body=open_body(published[0]))
        assert caught.value.code == "not_smpl"
        assert not (tmp_path / "a.npz").exists()


class TestErrors:
    @pytest.mark.parametrize("kind", ["amass", "smpl"])
    def test_which_person(self, take, tmp_path, kind):
        with pytest.raises(CaptureError, match="2 people") as caught:
            export(take, tmp_path / "out.npz", kind)
        assert caught.value.code == "which_person"
        assert export(take, tmp_path / "out.npz", kind, 2).is_file()

    @pytest.mark.parametrize("kind", ["joints", "amass", "smpl"])
    def test_no_such_person(self, take, tmp_path, kind):
        with pytest.raises(CaptureError) as caught:
            export(take, tmp_path / "out.npz", kind, 7)
        assert caught.value.code == "no_such_person"
        assert not list(tmp_path.iterdir())

    def test_nobody(self, take, tmp_path):
        with pytest.raises(CaptureError) as caught:
            export(replace(take, people=()), tmp_path / "out.npz", "amass")
        assert caught.value.code == "no_such_person"

    def test_a_folder_that_cannot_be_written(self, take, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(CaptureError) as caught:
            export(take, tmp_path / "file" / "out.npz", "joints")
        assert caught.value.code == "export_unwritable"

    def test_a_full_disk_leaves_what_was_there(self, take, tmp_path, monkeypatch):
        path = export(take, tmp_path / "out.npz", "joints")
        before = path.read_bytes()

        def full(file, **_):
            file.write(b"half of")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "savez_compressed", full)
        with pytest.raises(CaptureError) as caught:
            export(take, path, "amass", 1)
        assert caught.value.code == "disk_full"
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_export_is_not_overwritten(take, tmp_path) -> None:
    precious = tmp_path / "walk.take"
    precious.write_bytes(b"SQLite format 3\0 and more")
    with pytest.raises(CaptureError, match="there already"):
        export(take, precious, "joints", take.people[0].id)
    assert precious.read_bytes() == b"SQLite format 3\0 and more"
