# SPDX-License-Identifier: MIT
from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import backend.estimators.vibe as vibe
from backend import models, packages, roads
from backend.__main__ import main
from backend.boxes import BoxedPeople
from backend.checkpoints import load_image_encoder, load_vibe
from backend.crops import Region
from backend.exporting import smpl
from backend.landmarks import Landmarks
from backend.person_crops import cut_out, square_around
from backend.pipeline import Cancelled, CaptureFailed
from backend.roads import VibeRoad, device_of, open_people
from backend.video import read_frames
from backend.weak_camera import over_the_picture, place_in_camera
from tests.acting import Actor, act
from tests.published_bodies import make_smpl_pkl
from tests.published_files import make_spin, make_vibe
from tests.stand_in_networks import SmallEncoder, small_networks
from tests.studio import CENTRE_PX, FOCAL_PX, SIZE, Cast, Studio
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Event, Frames, Hello, Job, PersonFound, Stage, Warned
from vibe_blender.contract.quaternions import from_axis_angles, to_matrices
from vibe_blender.contract.take import Take
from vibe_blender.contract.take_file import TakeWriter, load_take, partial_path


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path], tmp_path: Path) -> Studio:
    """Captures by VIBE with a small image network, in full precision unless a test wants otherwise."""
    monkeypatch.setattr(vibe, "open_networks", lambda *folders, own: small_networks())
    monkeypatch.setattr(vibe.reading.Encoder, "_half_will_do", lambda encoder, crops: False)
    return Studio(monkeypatch, make_video, tmp_path)


@pytest.fixture(scope="module")
def actor() -> Actor:
    return act(75, walk_m=1.0)


@pytest.fixture(scope="module")
def other() -> Actor:
    return act(75, walk_m=-1.5, depth_m=6.0)


def capture(studio: Studio, cast: Cast, count: int = 75, **options: Any) -> Take:
    studio.run(cast, count, estimator="vibe", **options)
    return load_take(studio.take)


def farthest(one: Take, other: Take) -> dict[str, float]:
    """How far the arrays of two takes of the same people are apart."""
    found: dict[str, float] = {}
    for before, after in zip(one.people, other.people, strict=True):
        whole = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "betas", "rest_joints")
        pairs = {name: (getattr(before, name), getattr(after, name)) for name in whole}
        words = ("camera", "rotations", "betas", "boxes")
        pairs |= {f"words.{name}": (getattr(before.words, name), getattr(after.words, name)) for name in words}
        for name, (a, b) in pairs.items():
            found[name] = max(found.get(name, 0.0), float(np.abs(a - b).max()))
    return found


def test_the_take_is_what_the_network_said_in_the_world(studio: Studio, actor: Actor, other: Actor) -> None:
    there = [*range(10, 40), *range(50, 75)]
    take = capture(studio, Cast({1: (actor, range(75)), 2: (other, there)}))
    assert (take.status, take.estimator, take.body, take.device) == ("complete", "vibe", "smpl", "cpu")
    assert [person.frames.tolist() for person in take.people] == [list(range(75)), there]
    body = small_networks().body
    for person in take.people:
        words = person.words
        assert person.betas == pytest.approx(words.betas.mean(axis=0), abs=1e-5)
        assert person.rest_joints == pytest.approx(body.rest_joints(person.betas))
        place = place_in_camera(words.camera.astype(float), words.boxes, FOCAL_PX, CENTRE_PX)
        assert take.camera.to_camera(person.root) == pytest.approx(person.rest_joints[0] + place, abs=1e-6)
        turned = take.camera.from_world[:3, :3] @ to_matrices(person.rotations[:, 0])
        assert np.abs(turned - words.rotations[:, 0]).max() < 1e-5
        assert np.abs(to_matrices(person.rotations[:, 1:]) - words.rotations[:, 1:]).max() < 1e-5
        assert person.keypoints.shape == (len(person.frames), 33, 3)


def test_what_is_refined_is_the_motion_and_not_the_network_s_words(studio: Studio, actor: Actor) -> None:
    plain = capture(studio, Cast({1: (actor, range(24))}), 24).people[0]
    refined = capture(studio, Cast({1: (actor, range(24))}), 24, refine=True).people[0]
    for name in ("camera", "rotations", "betas", "boxes"):
        assert np.array_equal(getattr(refined.words, name), getattr(plain.words, name))
    assert not np.array_equal(refined.rotations, plain.rotations)
    assert refined.rest_joints == pytest.approx(small_networks().body.rest_joints(refined.betas))


def test_events_come_as_of_any_capture(studio: Studio, actor: Actor) -> None:
    capture(studio, Cast({1: (actor, range(75))}))
    assert studio.events[0] == Hello("vibe", "cpu")
    assert [event.name for event in studio.of(Stage)] == ["watch", "solve", "world", "save"]
    assert [event.person for event in studio.of(PersonFound)] == [1]
    assert sum(len(event.confidence) for event in studio.of(Frames)) == 75
    assert studio.of(Warned) == []


def test_the_export_is_the_network_s_own_words(studio: Studio, actor: Actor) -> None:
    take = capture(studio, Cast({1: (actor, range(24))}), 24)
    words, arrays = take.people[0].words, smpl(take, take.people[0])
    assert arrays["frames"].tolist() == list(range(24))
    for name, told in (
        ("cam", words.camera),
        ("rotmat", words.rotations),
        ("betas", words.betas),
        ("boxes", words.boxes),
    ):
        assert np.array_equal(arrays[name], told), name
    assert to_matrices(from_axis_angles(arrays["poses"].reshape(24, 24, 3))) == pytest.approx(words.rotations, abs=1e-5)
    assert arrays["orig_cam"] == pytest.approx(over_the_picture(words.camera, words.boxes, *SIZE))


def test_compat_is_the_published_camera(studio: Studio, actor: Actor) -> None:
    true = capture(studio, Cast({1: (actor, range(24))}), 24)
    published = capture(studio, Cast({1: (actor, range(24))}), 24, compat=True)
    before, after = smpl(true, true.people[0]), smpl(published, published.people[0])
    assert after["boxes"][:, 2:] * 1.1 == pytest.approx(before["boxes"][:, 2:])
    assert after["orig_cam"][:, :2] * 1.1 == pytest.approx(before["orig_cam"][:, :2])
    for name in ("cam", "rotmat", "betas"):
        assert np.array_equal(before[name], after[name])


@pytest.mark.parametrize("count", [75, 60])
@pytest.mark.parametrize("chunk", [None, 50])
@pytest.mark.parametrize(
    "stop",
    [
        lambda event: isinstance(event, Frames) and event.first_frame > 0,
        lambda event: isinstance(event, Stage) and event.name == "solve",
    ],
    ids=["while watching", "at the end"],
)
def test_a_resumed_capture_ends_as_if_it_had_never_stopped(
    studio: Studio, actor: Actor, other: Actor, stop: Callable[[Event], bool], count: int, chunk: int | None
) -> None:
    parts = {1: (actor, range(count)), 2: (other, range(20, count - 5))}
    whole = capture(studio, Cast(parts), count, chunk=chunk)
    with pytest.raises(Cancelled) as caught:
        capture(studio, Cast(parts), count, stop=stop, chunk=chunk)
    assert caught.value.take == str(partial_path(studio.take))
    half = load_take(partial_path(studio.take))
    assert (half.status, half.body) == ("partial", "smpl")
    assert half.people[0].words is not None
    resumed = capture(studio, Cast(parts), count, resume=True, chunk=chunk)
    assert len(studio.cast.asked) < count - 25
    assert resumed.status == "complete"
    assert max(farthest(whole, resumed).values()) < 2e-5


def test_a_killed_capture_goes_on_from_its_last_stretch(studio: Studio, actor: Actor, tmp_path: Path) -> None:
    parts, kept = {1: (actor, range(75))}, tmp_path / "kept.part"
    whole = capture(studio, Cast(parts))

    def copy(event: Event) -> bool:
        if isinstance(event, Frames) and event.first_frame == 30:
            shutil.copy(partial_path(studio.take), kept)
        return False

    capture(studio, Cast(parts), stop=copy)
    shutil.copy(kept, partial_path(studio.take))
    resumed = capture(studio, Cast(parts), resume=True)
    assert studio.cast.asked[0] in (30, 60)
    assert max(farthest(whole, resumed).values()) < 2e-5


@pytest.mark.parametrize(
    ("options", "name"),
    [({"chunk": 9}, "chunk"), ({"compat": True}, "compat"), ({"estimator": "keypoints"}, "estimator")],
)
def test_words_of_another_kind_are_not_added(studio: Studio, actor: Actor, options: dict[str, Any], name: str) -> None:
    cast = {1: (actor, range(75))}
    with pytest.raises(Cancelled):
        capture(studio, Cast(cast), stop=lambda event: isinstance(event, Frames))
    with pytest.raises(CaptureError) as caught:
        studio.run(Cast(cast), resume=True, **{"estimator": "vibe", **options})
    assert caught.value.code == "resume_mismatch"
    assert name in caught.value.message


def test_the_precision_of_a_capture_is_that_of_its_beginning(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vibe.reading.Encoder, "_half_will_do", lambda encoder, crops: True)
    cast = {1: (actor, range(75))}
    whole = capture(studio, Cast(cast))
    with pytest.raises(Cancelled):
        capture(studio, Cast(cast), stop=lambda event: isinstance(event, Frames) and event.first_frame > 0)
    monkeypatch.setattr(vibe.reading.Encoder, "_half_will_do", lambda encoder, crops: pytest.fail("tried again"))
    resumed = capture(studio, Cast(cast), resume=True)
    assert max(farthest(whole, resumed).values()) < 5e-3


@pytest.mark.parametrize(
    ("record", "half"),
    [
        ({"half": True, "device": "cpu"}, True),
        ({"half": True, "device": "cuda"}, None),
        ({"half": False, "device": "cuda"}, False),
        ({"half": True}, None),
    ],
)
def test_half_the_precision_is_tried_anew_on_another_device(record: dict, half: bool | None) -> None:
    encoder = SimpleNamespace(device=torch.device("cpu"), half=None)
    road = VibeRoad(SimpleNamespace(encoder=encoder), None, None, Job("a.mp4", "a.take", "vibe"))
    road.recall(record)
    assert encoder.half is half
    assert road.record() == {"half": half, "device": "cpu"}


def test_compat_is_full_precision(studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vibe.reading.Encoder, "_half_will_do", lambda encoder, crops: pytest.fail("tried"))
    capture(studio, Cast({1: (actor, range(12))}), 12, compat=True)


@pytest.mark.parametrize("lasts", [0, 5])
def test_a_network_that_fails_half_way_leaves_what_it_had_said(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch, lasts: int
) -> None:
    class Failing(SmallEncoder):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            if len(self.batches) == lasts:
                raise torch.OutOfMemoryError("can't allocate memory")
            return super().forward(pictures)

    networks = small_networks()
    monkeypatch.setattr(
        vibe, "open_networks", lambda *f, own: vibe.files.Networks(Failing(), networks.vibe, networks.body)
    )
    with pytest.raises(CaptureFailed) as caught:
        capture(studio, Cast({1: (actor, range(75))}))
    assert caught.value.code == "out_of_memory"
    if not lasts:
        assert caught.value.take == ""
        assert list(studio.folder.glob("out*")) == []
        return
    take = load_take(Path(caught.value.take))
    assert take.status == "partial"
    assert take.people[0].frames.tolist() == list(range(30))
    assert len(take.people[0].words.camera) == 30


def test_evidence_is_stored_in_single_precision(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        capture(studio, Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Frames))
    database = sqlite3.connect(partial_path(studio.take))
    rows = database.execute("SELECT DISTINCT name, dtype FROM arrays WHERE owner = 1 AND name NOT LIKE 'take.%'")
    kinds = dict(rows.fetchall())
    database.close()
    assert {name for name, dtype in kinds.items() if dtype == "<f8"} == {"time", "words.boxes"}
    assert {"words.camera", "words.rotations", "words.betas", "memory", "straight.image_px"} <= set(kinds)


def test_a_device_that_is_not_there_is_told_and_noted(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    take = capture(studio, Cast({1: (actor, range(12))}), 12, device="cuda")
    assert (studio.events[0], take.device) == (Hello("vibe", "cpu"), "cpu")
    (warning,) = studio.of(Warned)
    assert warning.code == "no_such_device"
    assert take.warnings == (warning.message,)


def test_without_torch_hello_is_said_and_then_what_to_do(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CaptureError) as caught:
        capture(studio, Cast({1: (actor, range(12))}), 12)
    assert caught.value.code == "torch_missing"
    assert studio.events == [Hello("vibe", "auto")]
    assert device_of(Job("a", "b")) == ("cpu", "")


def test_a_torch_that_is_broken_is_to_be_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so is cut off')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch")
    with pytest.raises(CaptureError) as caught:
        device_of(Job("a", "b", estimator="vibe"))
    assert caught.value.code == "torch_missing"
    assert caught.value.message.endswith("cannot be loaded: libtorch.so is cut off.")
    assert caught.value.hint == "Install it again."


@pytest.mark.parametrize("estimator", ["keypoints", "vibe"])
@pytest.mark.parametrize("name", ["typo", "walk.mp4"])
def test_a_models_folder_that_is_none_is_refused(tmp_path: Path, estimator: str, name: str) -> None:
    (tmp_path / "walk.mp4").touch()
    with pytest.raises(CaptureError) as caught:
        open_people(Job("a.mp4", "a.take", estimator=estimator, models=str(tmp_path / name)))
    assert caught.value.message == f"There is no folder {tmp_path / name}."


def test_given_boxes_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "boxes.npz"
    np.savez(path, frames=np.arange(3), boxes=np.tile([50.0, 40.0, 20.0, 60.0], (3, 1)))
    people = open_people(Job("a.mp4", "a.take", estimator="vibe", boxes=str(path)))
    assert isinstance(people, BoxedPeople)
    (seen,) = people.update(1, 0.04, np.zeros((64, 96, 3), np.uint8))
    assert (seen.person, seen.landmarks, seen.mirrored) == (1, None, None)
    assert seen.extent().tolist() == [50, 40, 20, 60]


def test_with_given_boxes_a_capture_needs_no_landmarks(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event as Flag

    from backend import pipeline

    monkeypatch.setattr(vibe, "open_networks", lambda *folders, own: small_networks())
    boxes, frames = tmp_path / "boxes.npz", np.arange(2, 24)
    np.savez(boxes, frames=frames, boxes=np.stack([20.0 + frames, 0 * frames + 32.0, *[0 * frames + 40.0] * 2], axis=1))
    video, take = make_video(count=24), tmp_path / "a.take"
    job = Job(str(video), str(take), estimator="vibe", boxes=str(boxes), compat=True)
    assert pipeline.run(job, lambda event: None, Flag()).people == 1
    person = load_take(take).person(1)
    assert person.frames.tolist() == frames.tolist()
    assert person.keypoints.shape == (22, 0, 3)
    assert person.words.boxes == pytest.approx(np.load(boxes)["boxes"])
    assert person.confidence.tolist() == [1.0] * 22
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "empty"))
    with pytest.raises(CaptureError) as caught:
        pipeline.run(replace(job, refine=True), lambda event: None, Flag())
    assert caught.value.code == "model_missing"


def test_given_boxes_are_refined_by_landmarks_that_are_read_in_them(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actor: Actor
) -> None:
    from threading import Event as Flag

    from backend import pipeline

    class Reader:
        """Sees the actor, but not in the second frame."""

        def __init__(self, path: Path, threads: int) -> None:
            self.reads = 0

        def read(self, image_rgb: np.ndarray, region: Region, mirrored: bool = False) -> Landmarks:
            frame, self.reads = self.reads // 2, self.reads + 1
            landmarks = Cast({1: (actor, range(75))}).update(frame, frame / 25, image_rgb)[0].landmarks
            assert landmarks is not None
            return replace(landmarks, score=0.1 if frame == 1 else 0.9)

    monkeypatch.setattr(vibe, "open_networks", lambda *folders, own: small_networks())
    monkeypatch.setattr(roads, "LandmarkModel", Reader)
    monkeypatch.setattr(roads.models, "find", lambda name, folder: Path(name))
    boxes, video, take = tmp_path / "boxes.npz", make_video(count=12, size=SIZE), tmp_path / "a.take"
    np.savez(boxes, frames=np.arange(12), boxes=np.tile([48.0, 32.0, 20.0, 50.0], (12, 1)))
    job = Job(str(video), str(take), estimator="vibe", boxes=str(boxes), compat=True)
    pipeline.run(job, lambda event: None, Flag())
    plain = load_take(take).person(1)
    pipeline.run(replace(job, refine=True), lambda event: None, Flag())
    refined = load_take(take).person(1)
    assert refined.keypoints.shape == (12, 33, 3)
    assert (refined.keypoints[..., 2].max(axis=1) > 0).tolist() == [True, False, *[True] * 10]
    assert not np.array_equal(refined.rotations, plain.rotations)
    for name in ("camera", "rotations", "betas", "boxes"):
        assert np.array_equal(getattr(refined.words, name), getattr(plain.words, name))
    assert np.array_equal(refined.boxes, plain.boxes)


def test_a_capture_that_earlier_versions_noted_as_fast_is_resumed(studio: Studio, actor: Actor) -> None:
    parts = {1: (actor, range(75))}
    with pytest.raises(Cancelled):
        capture(studio, Cast(parts), stop=lambda event: isinstance(event, Frames) and event.first_frame > 0)
    with TakeWriter(studio.take, keep=True) as writer:
        writer.note("settings", {**writer.noted("settings"), "fast": True})
    assert capture(studio, Cast(parts), resume=True).status == "complete"


def test_the_landmark_files_are_found_where_they_usually_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, named = tmp_path / "usual", tmp_path / "named"
    for folder in (usual, named):
        folder.mkdir()
    monkeypatch.setenv("VIBE_MODELS", str(usual))
    file = models.PERSON_DETECTOR
    (usual / file.name).write_bytes(b"x")
    assert models.find(file.name, named) == usual / file.name
    (named / file.name).write_bytes(b"x")
    assert models.find(file.name, named) == named / file.name
    (usual / file.name).unlink()
    (named / file.name).unlink()
    with pytest.raises(CaptureError):
        models.find(file.name, named)


def test_the_published_files_on_the_command_line_give_the_networks_own_numbers(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way with real files and the real image network, against the networks run by hand."""
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
    folder = tmp_path / "VIBE é" / "data" / "vibe_data"
    folder.mkdir(parents=True)
    spin = make_spin(folder / "spin_model_checkpoint.pth.tar")
    made = make_vibe(folder / "vibe_model_wo_3dpw.pth.tar")
    make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl")
    video, take, boxes = make_video(count=12), tmp_path / "a.take", tmp_path / "boxes.npz"
    given = np.tile([40.0, 30.0, 24.0, 50.0], (12, 1)) + np.arange(12)[:, None] * [1.5, 0.5, 0, 0]
    np.savez(boxes, frames=np.arange(12), boxes=given)
    options = ["--estimator", "vibe", "--models", str(tmp_path / "VIBE é"), "--boxes", str(boxes), "--compat"]
    assert main(["capture", str(video), "-o", str(take), *options, "--chunk", "8"]) == 0
    assert main(["export", str(take), str(tmp_path / "a.npz"), "--format", "smpl"]) == 0
    said = np.load(tmp_path / "a.npz")
    encoder, network = load_image_encoder(spin), load_vibe(made)
    crops = [cut_out(frame.image, square_around(given[frame.index])) for frame in read_frames(video)]
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        features = encoder(((torch.from_numpy(np.array(crops)) / 255 - mean) / spread).permute(0, 3, 1, 2))
        parts = [network(features[None, some])[0] for some in (slice(8), slice(8, 12))]
    for name, told in (("cam", "camera"), ("rotmat", "rotations"), ("betas", "betas")):
        expected = torch.cat([getattr(part, told)[0] for part in parts]).numpy()
        assert np.abs(said[name] - expected).max() < 1e-4, name
    assert np.abs(said["rotmat"] - said["rotmat"][:1]).max() > 1e-3
    assert said["boxes"] == pytest.approx(given[:, [0, 1, 3, 3]])
    assert load_take(take).people[0].rest_joints.shape == (24, 3)
