# SPDX-License-Identifier: MIT
from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.utils.data import DataLoader

from backend.flow import Dis
from backend.person_crops import cut_out, square_around
from backend.training.archive import ArchiveWriter, ClipArchive, Facts, open_archive
from backend.training.augment import NONE, SWAPPED_JOINTS, Augmentation
from backend.training.clips import Clip, ClipBatch, ClipDataset, Draw, MotionDataset, collate, needs, normalised
from backend.training.prepare.archive_copy import add_columns
from backend.training.windows import Windows
from tests.moving_pictures import write_drifting
from tests.training_data import Person, cut, made_person, picture_of, write_archive
from vibe_blender.contract.errors import CaptureError

LENGTHS = (20, 17)


def clips_of(archive: ClipArchive, *, pictures: bool = False, length: int = 8, **more: object) -> ClipDataset:
    windows = Windows([archive], length, needs=needs(pictures))
    return ClipDataset(windows, pictures=pictures, **more)  # type: ignore[arg-type]


def columns_of(archive: ClipArchive, name: str, first: int = 8) -> np.ndarray:
    """The second window's rows of a column."""
    return np.asarray(archive.column(name)[first : first + 8], np.float64)


def test_a_clip_of_features(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", LENGTHS)
    dataset = clips_of(archive)
    assert len(dataset) == 4  # two of each sequence
    clip = dataset[1]
    assert clip.pictures is None
    assert clip.features is not None
    np.testing.assert_array_equal(clip.features.numpy(), archive.column("features")[8:16].astype(np.float32))
    assert {name: tuple(tensor.shape) for name, tensor in clip.tensors().items()} == {
        "features": (8, 2048), "joints2d": (8, 49, 3), "joints3d": (8, 49, 4), "rotations": (8, 24, 3, 3),
        "betas": (8, 10), "has_2d": (8,), "has_3d": (8,), "has_smpl": (8,), "boxes": (8, 4), "origin": (3,),
    }  # fmt: skip
    assert all(tensor.dtype == torch.float32 for tensor in (clip.features, clip.joints2d, clip.rotations, clip.betas))
    assert clip.has_2d.all()
    assert clip.has_3d.all()
    assert clip.has_smpl.all()
    assert clip.origin.tolist() == [0, 8, 1]
    assert dataset[2].origin.tolist() == [0, 20, 1]
    np.testing.assert_allclose(clip.joints3d, columns_of(archive, "joints3d"), rtol=1e-6)
    np.testing.assert_allclose(clip.betas, columns_of(archive, "betas"))
    wanted = Rotation.from_rotvec(columns_of(archive, "rotations").reshape(-1, 3)).as_matrix()
    np.testing.assert_allclose(clip.rotations, wanted.reshape(8, 24, 3, 3), atol=1e-6)


def test_joints_are_where_the_crop_shows_them(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", LENGTHS)
    clip = clips_of(archive)[1]
    joints, boxes = columns_of(archive, "joints2d"), columns_of(archive, "boxes")
    # Published rule: crop pixel = (x - centre) * 224 / (1.1 * side) + 112, and 112 pixels are 1.
    sides = 1.1 * boxes[:, 2:].max(axis=1)
    pixels = (joints[..., :2] - boxes[:, None, :2]) * 224 / sides[:, None, None] + 112
    np.testing.assert_allclose(clip.joints2d[..., :2], pixels / 112 - 1, atol=1e-5)
    np.testing.assert_allclose(clip.joints2d[..., 2], joints[..., 2])
    np.testing.assert_allclose(clip.boxes, np.stack([boxes[:, 0], boxes[:, 1], sides, sides], axis=1), rtol=1e-6)
    assert 0.5 < np.abs(clip.joints2d[..., :2].numpy()).max() < 1


def test_what_is_not_labelled_is_masked(tmp_path: Path) -> None:
    two_d = clips_of(write_archive(tmp_path / "2.clips", "2d", LENGTHS))[0]
    assert two_d.has_2d.all()
    assert not two_d.has_3d.any()
    assert not two_d.has_smpl.any()
    assert not two_d.joints3d.any()
    assert not two_d.betas.any()
    np.testing.assert_array_equal(two_d.rotations, np.tile(np.eye(3), (8, 24, 1, 1)))
    writer = ArchiveWriter(
        tmp_path / "3.clips", Facts("made", "train", "Free."), ("features", "joints2d", "joints3d", "betas", "boxes")
    )
    joints2d, joints3d, boxes = np.ones((8, 49, 3)), np.ones((8, 49, 4)), np.full((8, 4), 50.0)
    joints2d[2, :, 2], joints3d[3, :, 3], boxes[5] = 0, 0, 0
    features = np.ones((8, 2048))
    features[7] = 0  # no picture: the network's last layer never answers with zeros only
    writer.add("a", 25, {"features": features, "joints2d": joints2d, "joints3d": joints3d, "boxes": boxes})
    writer.add("b", 25, {"features": features, "joints2d": joints2d, "betas": np.ones((8, 10))})
    dataset = clips_of(writer.finish())
    assert dataset[0].has_2d.tolist() == [number not in (2, 5, 7) for number in range(8)]
    assert dataset[0].has_3d.tolist() == [number not in (3, 7) for number in range(8)]
    assert not dataset[0].joints2d[[2, 5]].any()
    assert not dataset[0].boxes[5].any()
    # Without a box nobody knows where the crop is, and a shape without a pose is none of SMPL's bodies.
    assert not dataset[1].has_2d.any()
    assert not dataset[1].has_smpl.any()
    assert all(torch.isfinite(tensor).all() for clip in (dataset[0], dataset[1]) for tensor in clip.tensors().values())


def test_batches(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", LENGTHS)
    dataset = clips_of(archive)
    batch = collate([dataset[0], dataset[3]])
    assert isinstance(batch, ClipBatch)
    assert len(batch) == 2
    assert batch.pictures is None
    for name, tensor in batch.tensors().items():
        assert torch.equal(tensor[1], getattr(dataset[3], name)), name
    moved = batch.to(torch.device("cpu"))
    assert moved.tensors().keys() == batch.tensors().keys()
    assert moved.pictures is None


def same(one: Clip, other: Clip) -> bool:
    return one.tensors().keys() == other.tensors().keys() and all(
        torch.equal(tensor, other.tensors()[name]) for name, tensor in one.tensors().items()
    )


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_load_what_one_process_does(tmp_path: Path, context: str) -> None:
    if context not in torch.multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {context}")
    archive = write_archive(tmp_path / "a.clips", "3d", LENGTHS, pictures=True)
    dataset = clips_of(archive, pictures=True, augmentation=Augmentation(), seed=3)
    asked = [Draw(number, times) for times in (0, 1) for number in range(4)]
    alone = [dataset[what] for what in asked]
    loader = DataLoader(
        dataset,
        batch_sampler=[asked[:3], asked[3:]],
        collate_fn=collate,
        num_workers=2,
        multiprocessing_context=context,
    )
    loaded = list(loader)
    for batch, clips in zip(loaded, (alone[:3], alone[3:]), strict=True):
        assert all(torch.equal(tensor, collate(clips).tensors()[name]) for name, tensor in batch.tensors().items())
    assert not same(alone[0], alone[4])


def test_datasets_go_to_other_processes(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", LENGTHS)
    dataset = clips_of(archive)
    dataset[0]
    passed = pickle.dumps(dataset)
    assert len(passed) < 10_000
    assert same(pickle.loads(passed)[2], dataset[2])


def test_pictures_are_cut_by_the_published_rule(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", LENGTHS, pictures=True)
    clip = clips_of(archive, pictures=True)[1]
    assert clip.features is None
    assert clip.pictures is not None
    assert clip.pictures.dtype == torch.uint8
    assert clip.pictures.shape == (8, 3, 224, 224)
    person = made_person(20)
    for frame in range(8):
        whole = picture_of(person.joints2d[8 + frame, :, :2])
        wanted = cut_out(whole, square_around(person.boxes[8 + frame]))
        found = clip.pictures[frame].permute(1, 2, 0).numpy()
        assert np.abs(found.astype(int) - wanted.astype(int)).mean() < 4  # what JPEG costs


def test_a_smaller_picture_shows_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    smooth = cv2.resize(
        random.integers(0, 255, (12, 16, 3)).astype(np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC
    )
    place = np.array([100.0, 40, 400, 400])
    part = smooth[40:440, 100:500]
    writer = ArchiveWriter(
        tmp_path / "a.clips", Facts("made", "train", "Free."), ("pictures", "picture_boxes", "boxes")
    )
    for name, size in (("whole", 400), ("small", 100)):
        shown = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
        writer.add(name, 25, {"picture_boxes": place[None], "boxes": np.array([[300.0, 240, 200, 160]])}, [jpeg])
    dataset = clips_of(writer.finish(), pictures=True, length=1)
    wanted = cut_out(smooth, np.array([300.0, 240, 200, 200])).astype(int)
    for clip in (dataset[0], dataset[1]):
        found = clip.pictures[0].permute(1, 2, 0).numpy().astype(int)
        apart = [
            np.abs(np.roll(found, by, axis=1)[20:-20, 20:-20] - wanted[20:-20, 20:-20]).mean() for by in (-1, 0, 1)
        ]
        assert apart[1] < 2
        assert apart[1] < 0.7 * min(apart[0], apart[2])


def spots(clip: Clip, frame: int, person: Person) -> np.ndarray:
    """(49,) how far the colour of each joint's dot, as ``picture_of`` paints it, is from what is at its label."""
    assert clip.pictures is not None
    picture = clip.pictures[frame].permute(1, 2, 0).numpy().astype(float)
    places = (clip.joints2d[frame, :, :2].numpy() + 1) * 112
    colours = np.array([(55 + 4 * joint, 250 - 4 * joint, 120 + 90 * (joint % 2)) for joint in range(49)])
    columns, rows = np.clip(np.rint(places).astype(int), 0, 223).T
    return np.abs(picture[rows, columns] - colours).max(axis=1)


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_labels_follow_shaken_and_mirrored_pictures(tmp_path: Path, mirror: float) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", (8,), pictures=True)
    person = made_person(8)
    plain = clips_of(archive, pictures=True)[0]
    settings = Augmentation(scale=0.2, shift=0.08, mirror=mirror, occlude=0.0, colour=0.0)
    dataset = clips_of(archive, pictures=True, augmentation=settings, seed=1)
    # Dots that others cover, or that are small, differ anyhow: those are told by the clip that nothing was done to.
    seen = np.array([spots(plain, frame, person) < 40 for frame in range(8)])
    assert seen.mean() > 0.3
    for times in range(4):
        clip = dataset[Draw(0, times)]
        assert not torch.allclose(clip.joints2d, plain.joints2d, atol=1e-2)
        labels = clip.joints2d
        if mirror:  # undo the exchange of sides: the dot of a left joint is at the right one's label
            clip = Clip(**{**clip.__dict__, "joints2d": labels[:, SWAPPED_JOINTS]})
        found = np.array([spots(clip, frame, person) for frame in range(8)])[seen]
        assert np.mean(found < 60) > 0.9, times


def test_mirrored_clips_are_of_mirrored_people(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "3d", (8,), pictures=True)
    plain = clips_of(archive, pictures=True)[0]
    mirror = Augmentation(scale=0.0, shift=0.0, mirror=1.0, occlude=0.0, colour=0.0)
    clip = clips_of(archive, pictures=True, augmentation=mirror)[0]
    np.testing.assert_array_equal(clip.joints2d[:, :, 0], -plain.joints2d[:, SWAPPED_JOINTS, 0])
    np.testing.assert_array_equal(clip.joints2d[:, :, 1:], plain.joints2d[:, SWAPPED_JOINTS, 1:])
    np.testing.assert_array_equal(clip.joints3d[:, :, 0], -plain.joints3d[:, SWAPPED_JOINTS, 0])
    across = torch.diag(torch.tensor([-1.0, 1, 1]))
    np.testing.assert_allclose(clip.rotations[:, 5], across @ plain.rotations[:, 4] @ across, atol=1e-6)
    np.testing.assert_allclose(clip.rotations[:, 0], across @ plain.rotations[:, 0] @ across, atol=1e-6)
    assert clip.pictures is not None
    assert plain.pictures is not None
    # 0 is pixel 112 of 224: mirrored, pixel x is at 224 - x.
    apart = clip.pictures[..., 1:].flip(-1).to(int) - plain.pictures[..., 1:].to(int)
    assert apart.abs().to(float).mean() < 0.5
    assert torch.equal(clip.boxes, plain.boxes)


def test_frames_without_a_picture_are_black_and_unlabelled(tmp_path: Path) -> None:
    person = made_person(4)
    cuts = [cut(picture_of(person.joints2d[t, :, :2]), person.boxes[t]) for t in range(4)]
    places, boxes = np.stack([place for _, place in cuts]), person.boxes.copy()
    jpegs = [cuts[0][0], b"", cuts[2][0], cuts[3][0]]
    boxes[2], places[3] = 0, 0
    writer = ArchiveWriter(
        tmp_path / "a.clips", Facts("made", "train", "Free."), ("pictures", "picture_boxes", "boxes", "joints2d")
    )
    writer.add("a", 25, {"picture_boxes": places, "boxes": boxes, "joints2d": person.joints2d}, jpegs)
    clip = clips_of(writer.finish(), pictures=True, length=4, augmentation=Augmentation(occlude=1.0))[0]
    assert clip.pictures is not None
    assert [bool(picture.any()) for picture in clip.pictures] == [True, False, False, False]
    assert clip.has_2d.tolist() == [True, False, False, False]


def test_damaged_pictures_are_told(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "2d", (8,), pictures=True)
    (archive.folder / "images.bin").write_bytes(bytes((archive.folder / "images.bin").stat().st_size))
    with pytest.raises(CaptureError) as caught:
        clips_of(open_archive(archive.folder), pictures=True)[0]
    assert caught.value.code == "archive_broken"


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "2d", (8,))
    windows = Windows([archive], 8)
    with pytest.raises(ValueError, match="augmentation needs pictures"):
        ClipDataset(windows, augmentation=Augmentation())
    with pytest.raises(ValueError, match="picture_boxes, pictures"):
        ClipDataset(windows, pictures=True)
    with pytest.raises(ValueError, match="rotations"):
        MotionDataset(windows)
    assert ClipDataset(windows, augmentation=NONE)[0].has_2d.all()


def test_pictures_as_the_network_knows_them() -> None:
    levels = torch.tensor([[124, 116, 104], [0, 0, 0], [255, 255, 255]], dtype=torch.uint8)
    found = normalised(levels.reshape(3, 3, 1, 1).expand(3, 3, 224, 224))
    assert found.shape == (3, 3, 224, 224)
    wanted = (levels.numpy() / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(found[:, :, 5, 5], wanted, atol=1e-5)


def test_a_clip_with_flow(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    writer = ArchiveWriter(tmp_path / "a.clips", Facts("made", "train", "Free."), ("features", "flow"))
    for name in ("a", "b"):
        flow = random.normal(scale=20, size=(11, 2, 56, 56))
        writer.add(name, 25, {"features": random.normal(size=(11, 2048)), "flow": flow})
    archive = writer.finish()
    assert needs(False, flow=True) == ("features", "flow")
    assert needs(True, flow=True) == ("pictures", "picture_boxes", "boxes", "flow")
    dataset = ClipDataset(Windows([archive], 5, needs=needs(False, flow=True)), flow=True)
    clip = dataset[3]
    assert clip.flow is not None
    assert clip.flow.dtype == torch.float32
    np.testing.assert_array_equal(clip.flow, archive.column("flow")[16:21].astype(np.float32))
    batch = collate([dataset[0], clip])
    assert batch.flow is not None
    assert batch.flow.shape == (2, 5, 2, 56, 56)
    assert torch.equal(batch.flow[1], clip.flow)
    assert batch.to(torch.device("cpu")).flow is not None
    plain = ClipDataset(Windows([archive], 5))
    assert plain[3].flow is None
    assert collate([plain[0]]).flow is None


def test_flow_where_it_cannot_be(tmp_path: Path) -> None:
    pictured = add_columns(write_drifting(tmp_path / "a.clips", (6,)), tmp_path / "b.clips", flow=Dis(), images=True)
    windows = Windows([pictured], 6)
    with pytest.raises(ValueError, match="cannot be augmented"):
        ClipDataset(windows, pictures=True, flow=True, augmentation=Augmentation())
    clip = ClipDataset(windows, pictures=True, flow=True)[0]
    assert clip.pictures is not None
    assert clip.flow is not None
    with pytest.raises(ValueError, match="flow"):
        ClipDataset(Windows([write_drifting(tmp_path / "c.clips", (6,))], 6), pictures=True, flow=True)
    thinned = ClipDataset(Windows([pictured], 3, fps=12), pictures=True, flow=True)
    with pytest.raises(ValueError, match="leave frames out"):
        thinned[0]


def test_real_motion(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.clips", "motion", LENGTHS)
    dataset = MotionDataset(Windows([archive], 8))
    assert len(dataset) == 4
    poses = dataset[Draw(1, 7)]
    assert poses.shape == (8, 69)
    assert poses.dtype == torch.float32
    np.testing.assert_array_equal(poses, archive.column("rotations")[8:16, 1:].reshape(8, 69))
