# SPDX-License-Identifier: MIT
"""Captures by networks that look ahead: features are kept, and words come of them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import backend.estimators.vibe.encoder as encoding
from backend import recording
from backend.__main__ import main
from backend.checkpoints import load_image_encoder, load_tcmr
from backend.estimators import windowed
from backend.exporting import smpl
from backend.person_crops import cut_out, square_around
from backend.pipeline import Cancelled, CaptureFailed
from backend.slerp_filter import SlerpFilter
from backend.video import read_frames
from tests.acting import Actor, act
from tests.published_bodies import make_smpl_pkl
from tests.published_files import make_spin, make_tcmr
from tests.stand_in_networks import SmallEncoder, small_tcmr
from tests.studio import Cast, Studio
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Event, Frames, Hello, PersonFound, Stage, Warned
from vibe_blender.contract.quaternions import from_axis_angles, from_matrices, to_matrices
from vibe_blender.contract.take import Take
from vibe_blender.contract.take_file import load_take, partial_path

COUNT = 75


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path], tmp_path: Path) -> Studio:
    """Captures by small networks, in full precision unless a test wants otherwise."""
    monkeypatch.setattr(windowed, "open_tcmr", lambda *folders, own, repeat_ends: small_tcmr(repeat_ends=repeat_ends))
    monkeypatch.setattr(encoding.Encoder, "_half_will_do", lambda encoder, crops: False)
    return Studio(monkeypatch, make_video, tmp_path)


@pytest.fixture(scope="module")
def parts() -> dict[int, tuple[Actor, Iterable[int]]]:
    """Three people: one always there, one with a gap, one who comes late and leaves early."""
    return {
        1: (act(COUNT, walk_m=1.0), range(COUNT)),
        2: (act(COUNT, walk_m=-1.5, depth_m=6.0), [*range(40), *range(50, COUNT)]),
        3: (act(COUNT, walk_m=0.5, depth_m=5.0), range(20, 65)),
    }


def capture(studio: Studio, parts: dict[int, Any], count: int = COUNT, **options: Any) -> Take:
    studio.run(Cast(parts), count, **{"estimator": "tcmr", **options})
    return load_take(studio.take)


def farthest(one: Take, other: Take) -> float:
    """How far the arrays of two takes of the same people are apart."""
    whole = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "betas", "rest_joints")
    pairs = []
    for before, after in zip(one.people, other.people, strict=True):
        pairs += [(getattr(before, name), getattr(after, name)) for name in whole]
        pairs += [(getattr(before.words, name), getattr(after.words, name)) for name in vars(before.words)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def test_the_take_is_what_the_network_says_of_everybody_s_runs(
    studio: Studio, parts: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[int, list[np.ndarray]] = {}
    keep = recording.Recording.keep

    def also(self: recording.Recording, encoded: windowed.reading.Encoded) -> None:
        kept.setdefault(encoded.person, []).append(encoded.features)
        keep(self, encoded)

    monkeypatch.setattr(recording.Recording, "keep", also)
    take = capture(studio, parts)
    assert (take.status, take.estimator, take.body, take.device) == ("complete", "tcmr", "smpl", "cpu")
    assert [len(person.frames) for person in take.people] == [75, 65, 45]
    network = small_tcmr().network
    for person in take.people:
        features = torch.from_numpy(np.concatenate(kept[person.id]))
        runs = [slice(0, 40), slice(40, 65)] if person.id == 2 else [slice(None)]
        with torch.inference_mode():
            clips = [network.over(features[run], None) for run in runs]
        for name in ("camera", "rotations", "betas"):
            expected = torch.cat([getattr(clip, name) for clip in clips]).numpy()
            assert np.abs(getattr(person.words, name) - expected).max() < 1e-5, name
        turned = take.camera.from_world[:3, :3] @ to_matrices(person.rotations[:, 0])
        assert np.abs(turned - person.words.rotations[:, 0]).max() < 1e-5
        assert person.keypoints.shape == (len(person.frames), 33, 3)


def test_events_come_early_and_of_every_frame(studio: Studio, parts: dict[int, Any]) -> None:
    capture(studio, parts)
    assert studio.events[0] == Hello("tcmr", "cpu")
    assert [event.name for event in studio.of(Stage)] == ["watch", "solve", "world", "save"]
    assert sorted(event.person for event in studio.of(PersonFound)) == [1, 2, 3]
    assert sum(len(event.confidence) for event in studio.of(Frames)) == 75 + 65 + 45
    assert studio.of(Warned) == []
    kinds = [type(event) for event in studio.events]
    assert kinds.index(Frames) < kinds.index(Stage, kinds.index(Stage) + 1)


@pytest.mark.parametrize("count", [75, 60])
@pytest.mark.parametrize(
    "stop",
    [
        lambda event: isinstance(event, Frames) and event.first_frame > 0,
        lambda event: isinstance(event, Stage) and event.name == "solve",
    ],
    ids=["while watching", "at the end"],
)
def test_a_resumed_capture_ends_as_if_it_had_never_stopped(
    studio: Studio, parts: dict[int, Any], stop: Callable[[Event], bool], count: int
) -> None:
    whole = capture(studio, parts, count, slerp=0.3)
    with pytest.raises(Cancelled) as caught:
        capture(studio, parts, count, stop=stop, slerp=0.3)
    assert caught.value.take == str(partial_path(studio.take))
    half = load_take(partial_path(studio.take))
    assert (half.status, half.body) == ("partial", "smpl")
    resumed = capture(studio, parts, count, resume=True, slerp=0.3)
    assert len(studio.cast.asked) < count - 25
    assert resumed.status == "complete"
    assert farthest(whole, resumed) < 2e-5


def test_a_killed_capture_goes_on_from_its_last_stretch(studio: Studio, parts: dict[int, Any], tmp_path: Path) -> None:
    whole, kept = capture(studio, parts), tmp_path / "kept.part"

    def copy(event: Event) -> bool:
        if isinstance(event, Frames) and event.first_frame == 30:
            with sqlite3.connect(partial_path(studio.take)) as source, sqlite3.connect(kept) as target:
                source.backup(target)
        return False

    capture(studio, parts, stop=copy)
    shutil.copy(kept, partial_path(studio.take))
    resumed = capture(studio, parts, resume=True)
    assert studio.cast.asked[0] in (30, 60)
    assert farthest(whole, resumed) < 2e-5


@pytest.mark.parametrize(
    ("options", "name"), [({"compat": True}, "compat"), ({"estimator": "vibe"}, "estimator")], ids=str
)
def test_features_of_another_kind_are_not_added(
    studio: Studio, parts: dict[int, Any], options: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import backend.estimators.vibe as vibe
    from tests.stand_in_networks import small_networks

    monkeypatch.setattr(vibe, "open_networks", lambda *folders, own: small_networks())
    with pytest.raises(Cancelled):
        capture(studio, parts, stop=lambda event: isinstance(event, Frames))
    with pytest.raises(CaptureError) as caught:
        capture(studio, parts, resume=True, **options)
    assert caught.value.code == "resume_mismatch"
    assert name in caught.value.message


def test_of_features_only_the_end_is_in_memory(
    studio: Studio, parts: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, save = [0], recording.Recording.save

    def watched(self: recording.Recording, writer: Any) -> None:
        most.append(max(len(rows.newest) for readings in self._people.values() for rows in readings.long.values()))
        save(self, writer)

    monkeypatch.setattr(recording.Recording, "save", watched)
    whole = capture(studio, parts)
    assert 30 < max(most) <= 30 + 30 + recording._AT_HAND
    monkeypatch.setattr(recording, "_AT_HAND", 1000)
    assert farthest(whole, capture(studio, parts)) < 2e-5


def test_compat_is_the_published_demo_s_ends(studio: Studio, parts: dict[int, Any]) -> None:
    ours, published = (capture(studio, {1: parts[1]}, compat=compat).people[0].words for compat in (False, True))
    inner = slice(8, COUNT - 7)
    assert np.abs(ours.rotations[inner] - published.rotations[inner]).max() < 1e-5
    for end in (slice(8), slice(COUNT - 7, COUNT)):
        assert np.abs(ours.rotations[end] - published.rotations[end]).max() > 1e-4
    assert np.array_equal(ours.boxes, published.boxes)


def test_compat_is_full_precision(studio: Studio, parts: dict[int, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding.Encoder, "_half_will_do", lambda encoder, crops: pytest.fail("tried"))
    capture(studio, {1: parts[1]}, 12, compat=True)


def test_the_filter_smooths_the_words_and_the_motion(studio: Studio, parts: dict[int, Any]) -> None:
    plain, smooth = (capture(studio, {2: parts[2]}, slerp=share) for share in (None, 0.3))
    words, person = smooth.people[0].words, smooth.people[0]
    for run in (slice(40), slice(40, None)):
        turns = SlerpFilter(0.3).smooth(from_matrices(plain.people[0].words.rotations[run].astype(float)))
        assert np.abs(words.rotations[run] - to_matrices(turns)).max() < 1e-5
    assert np.abs(to_matrices(person.rotations[:, 1:]) - words.rotations[:, 1:]).max() < 1e-5


@pytest.mark.parametrize("lasts", [0, 5])
def test_a_network_that_fails_half_way_leaves_what_it_had_seen(
    studio: Studio, parts: dict[int, Any], monkeypatch: pytest.MonkeyPatch, lasts: int
) -> None:
    class Failing(SmallEncoder):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            if len(self.batches) == lasts:
                raise torch.OutOfMemoryError("can't allocate memory")
            return super().forward(pictures)

    made = small_tcmr()
    networks = windowed.networks.WindowNetworks(Failing().eval(), made.network, made.body)
    monkeypatch.setattr(windowed, "open_tcmr", lambda *folders, own, repeat_ends: networks)
    with pytest.raises(CaptureFailed) as caught:
        capture(studio, {1: parts[1]})
    assert caught.value.code == "out_of_memory"
    if not lasts:
        assert caught.value.take == ""
        return
    take = load_take(Path(caught.value.take))
    assert (take.status, take.people[0].frames.tolist()) == ("partial", list(range(30)))
    assert len(take.people[0].words.camera) == 30


def test_the_published_files_on_the_command_line_give_the_network_s_own_numbers(
    make_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way with real files and the real image network, against the networks run by hand."""
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
    folder = tmp_path / "TCMR é" / "data" / "base_data"
    folder.mkdir(parents=True)
    spin = make_spin(folder / "spin_model_checkpoint.pth.tar")
    made = make_tcmr(folder / "tcmr_demo_model.pth.tar")
    make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl")
    video, take, boxes = make_video(count=18), tmp_path / "a.take", tmp_path / "boxes.npz"
    given = np.tile([40.0, 30.0, 24.0, 50.0], (18, 1)) + np.arange(18)[:, None] * [1.5, 0.5, 0, 0]
    np.savez(boxes, frames=np.arange(18), boxes=given)
    options = ["--estimator", "tcmr", "--models", str(tmp_path / "TCMR é"), "--boxes", str(boxes), "--compat"]
    assert main(["capture", str(video), "-o", str(take), *options]) == 0
    encoder, network = load_image_encoder(spin), load_tcmr(made)
    crops = [cut_out(frame.image, square_around(given[frame.index]), 1.2) for frame in read_frames(video)]
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        features = encoder(((torch.from_numpy(np.array(crops)) / 255 - mean) / spread).permute(0, 3, 1, 2))
        windows = [features[i].expand(16, -1) if i < 8 or i > 10 else features[i - 8 : i + 8] for i in range(18)]
        told = network(torch.stack(windows))[0]
    said = load_take(take)
    for name in ("camera", "rotations", "betas"):
        assert np.abs(getattr(said.people[0].words, name) - getattr(told, name)[:, 0].numpy()).max() < 1e-4, name
    arrays = smpl(said, said.people[0])
    assert to_matrices(from_axis_angles(arrays["poses"].reshape(18, 24, 3))) == pytest.approx(
        said.people[0].words.rotations, abs=1e-5
    )
    assert arrays["boxes"] == pytest.approx(given[:, [0, 1, 3, 3]] * [1, 1, 1.2, 1.2])


def test_without_its_file_it_says_which_and_where_to_get_it(
    tmp_path: Path, make_video: Callable[..., Path], capsys: Any
) -> None:
    for name in ("spin_model_checkpoint.pth.tar", "SMPL_NEUTRAL.pkl", "pose_detection.tflite"):
        (tmp_path / name).touch()
    boxes = tmp_path / "boxes.npz"
    np.savez(boxes, frames=np.arange(3), boxes=np.tile([50.0, 40.0, 20.0, 60.0], (3, 1)))
    options = ["--estimator", "tcmr", "--models", str(tmp_path), "--boxes", str(boxes)]
    assert main(["capture", str(make_video(count=3)), "-o", str(tmp_path / "a.take"), *options]) == 1
    told = capsys.readouterr().err
    assert "tcmr_demo_model.pth.tar is not in" in told
    assert "base_data.zip of the project TCMR" in told
