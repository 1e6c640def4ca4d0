# SPDX-License-Identifier: MIT
"""Captures by networks of the user's own: VIBE, TCMR and DTS-VIBE as `vibe train` leaves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import backend.estimators.vibe.encoder as encoding
from backend import recording
from backend.__main__ import main
from backend.checkpoints import load_image_encoder
from backend.estimators import vibe, windowed
from backend.flow import backward_flow
from backend.own_networks import Architecture, DtsVibeOptions, build, save_own
from backend.person_crops import cut_out, square_around
from backend.pipeline import Cancelled
from backend.video import read_frames
from tests.acting import Actor, act
from tests.published_bodies import make_smpl_pkl
from tests.published_files import make_spin, random_tcmr
from tests.stand_in_networks import random_dts_vibe, small_dts_vibe
from tests.studio import Cast, Studio
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Event, Frames, Hello
from vibe_blender.contract.take import Take
from vibe_blender.contract.take_file import load_take, partial_path

COUNT = 75


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with SPIN and SMPL alone."""
    folder = tmp_path_factory.mktemp("published é")
    make_spin(folder / "spin_model_checkpoint.pth.tar")
    make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl")
    return folder


def save(path: Path, network: nn.Module, architecture: Architecture, features: str = "spin") -> Path:
    save_own(path, network.state_dict(), architecture, features, 16, "")  # type: ignore[arg-type]
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file for each estimator, and some that none can use."""
    folder = tmp_path_factory.mktemp("runs")
    small = Architecture("gru", 64)
    lonely = Architecture("none", 64)
    regressor = random_tcmr(3, 64).regressor
    gru = build(small)
    gru.regressor.load_state_dict(regressor.state_dict())
    return {
        "vibe": save(folder / "vibe.pt", gru.eval(), small),
        "tcmr": save(folder / "tcmr.pt", random_tcmr(3, 64), Architecture("tcmr", 64)),
        "dts-vibe": save(
            folder / "dts.pt", random_dts_vibe(), Architecture("dts-vibe", 128, dts_vibe=DtsVibeOptions(flow="grid"))
        ),
        "frame by frame": save(folder / "none.pt", build(lonely), lonely),
        "landmarks": save(folder / "landmarks.pt", gru, small, "landmarks"),
    }


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], np.ndarray]:
    """The options of a capture without a detector, and the boxes (18, 4) it is given."""
    boxes = tmp_path_factory.mktemp("clip") / "boxes.npz"
    given = np.tile([40.0, 30.0, 24.0, 50.0], (18, 1)) + np.arange(18)[:, None] * [1.5, 0.5, 0, 0]
    np.savez(boxes, frames=np.delete(np.arange(18), 9), boxes=np.delete(given, 9, axis=0))
    return ["--boxes", str(boxes)], given


@pytest.mark.parametrize("estimator", ["vibe", "tcmr", "dts-vibe"])
def test_a_network_of_one_s_own_on_the_command_line_says_what_it_says_by_itself(
    make_video: Callable[..., Path], published: Path, own: dict[str, Path], clip: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, estimator: str,
) -> None:  # fmt: skip
    """The whole way with the real image network, against the networks run by hand; the tenth frame shows nobody."""
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
    monkeypatch.setattr(encoding.Encoder, "_half_will_do", lambda encoder, crops: False)
    (options, given), video, take = clip, make_video(count=18), tmp_path / "a.take"
    options = [*options, "--estimator", estimator, "--models", str(published), "--network", str(own[estimator])]
    assert main(["capture", str(video), "-o", str(take), *options]) == 0
    by = 1.1 if estimator == "vibe" else 1.2
    pictures = [frame.image for frame in read_frames(video)]
    crops = [cut_out(image, square_around(box), by) for image, box in zip(pictures, given, strict=True)]
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    encoder = load_image_encoder(published / "spin_model_checkpoint.pth.tar")
    network = vibe.files.read_own(own[estimator]).network
    parts = []
    with torch.inference_mode():
        features = encoder(((torch.from_numpy(np.array(crops)) / 255 - mean) / spread).permute(0, 3, 1, 2))
        if estimator == "vibe":
            parts = [network(features[None, [*range(9), *range(10, 18)]])[0]]
            names = {name: getattr(parts[0], name)[0] for name in ("camera", "rotations", "betas")}
        else:
            for run in (range(9), range(10, 18)):
                moved = [np.zeros((2, 56, 56), np.float16)]
                for frame in run[1:]:
                    before = cut_out(pictures[frame - 1], square_around(given[frame]), by)
                    moved.append(backward_flow(crops[frame], before))
                flow = torch.from_numpy(np.array(moved)).float()
                rows = features[list(run)]
                parts.append(network.over(rows)[0] if estimator == "tcmr" else network.over(rows, flow))
            names = {
                name: torch.cat([getattr(part, name) for part in parts]) for name in ("camera", "rotations", "betas")
            }
    person = load_take(take).person(1)
    for name, told in names.items():
        assert np.abs(getattr(person.words, name) - told.numpy()).max() < 1e-4, name
    assert person.words.boxes == pytest.approx(np.delete(given, 9, axis=0)[:, [0, 1, 3, 3]] * [1, 1, by, by])
    assert np.ptp(person.words.rotations, axis=0).max() > 1e-3


@pytest.mark.parametrize(
    ("estimator", "network", "message", "hint"),
    [
        (
            "tcmr",
            "vibe",
            "is a network of the kind VIBE, and the estimator tcmr runs TCMR",
            "Choose the estimator vibe",
        ),
        ("vibe", "dts-vibe", "is a network of the kind DTS-VIBE", "Choose the estimator dts-vibe"),
        ("dts-vibe", "tcmr", "is a network of the kind TCMR", "Choose the estimator tcmr"),
        ("vibe", "frame by frame", "is a network of the kind frame by frame", "No estimator of a capture runs it"),
        ("vibe", "landmarks", "has learned from features of the kind landmarks", "Train it on archives"),
        ("tcmr", "spin", "cannot be used", "Name another file"),
        ("dts-vibe", "gone", "There is no network", "vibe train"),
    ],
)
def test_a_file_that_will_not_do_is_refused(
    make_video: Callable[..., Path], published: Path, own: dict[str, Path], clip: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    estimator: str, network: str, message: str, hint: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
    others = {"spin": published / "spin_model_checkpoint.pth.tar", "gone": tmp_path / "gone.pt"}
    options = ["--estimator", estimator, "--models", str(published), "--network", str({**own, **others}[network])]
    take = tmp_path / "a.take"
    assert main(["capture", str(make_video(count=3)), "-o", str(take), *clip[0], *options]) == 1
    told = capsys.readouterr().err
    assert message in told
    assert hint in told
    assert not take.exists()


def test_dts_vibe_without_a_network_says_how_to_come_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capture", "a.mp4", "-o", str(tmp_path / "a.take"), "--estimator", "dts-vibe"]) == 1
    told = capsys.readouterr().err
    assert "its authors have published no weights" in told
    assert "`vibe train` and the preset dts_vibe" in told


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path], tmp_path: Path) -> Iterator[Studio]:
    """Captures by a small DTS-VIBE, in full precision."""
    monkeypatch.setattr(windowed, "open_dts_vibe", lambda *folders, own: small_dts_vibe())
    monkeypatch.setattr(encoding.Encoder, "_half_will_do", lambda encoder, crops: False)
    (tmp_path / "dts.pt").write_bytes(b"a network")
    return Studio(monkeypatch, make_video, tmp_path)


@pytest.fixture(scope="module")
def parts() -> dict[int, tuple[Actor, Any]]:
    return {
        1: (act(COUNT, walk_m=1.0), range(COUNT)),
        2: (act(COUNT, walk_m=-1.5, depth_m=6.0), [*range(40), *range(50, COUNT)]),
        3: (act(COUNT, walk_m=0.5, depth_m=5.0), range(20, 65)),
    }


def capture(studio: Studio, parts: dict[int, Any], count: int = COUNT, **options: Any) -> Take:
    studio.run(Cast(parts), count, estimator="dts-vibe", network=str(studio.folder / "dts.pt"), **options)
    return load_take(studio.take)


def farthest(one: Take, other: Take) -> float:
    """How far the words of two takes of the same people are apart."""
    assert [person.frames.tolist() for person in one.people] == [person.frames.tolist() for person in other.people]
    pairs = [
        (getattr(before.words, name), getattr(after.words, name))
        for before, after in zip(one.people, other.people, strict=True)
        for name in vars(before.words)
    ]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


@pytest.mark.parametrize("frame", [30, 45])
def test_a_resumed_capture_sees_the_picture_before_it_again(
    studio: Studio, parts: dict[int, Any], frame: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = capture(studio, parts)
    assert studio.events[0] == Hello("dts-vibe", "cpu")

    def stop(event: Event) -> bool:
        assert studio.cast is not None
        return isinstance(event, Frames) and event.first_frame >= frame - 30

    with pytest.raises(Cancelled):
        capture(studio, parts, stop=stop)
    assert load_take(partial_path(studio.take)).status == "partial"
    resumed = capture(studio, parts, resume=True)
    assert studio.cast is not None
    assert studio.cast.asked[0] > 0
    assert farthest(whole, resumed) < 2e-5
    with pytest.raises(Cancelled):
        capture(studio, parts, stop=stop)
    monkeypatch.setattr(windowed.WindowReader, "look_back", lambda *arguments: None)
    assert farthest(whole, capture(studio, parts, resume=True)) > 1e-4


def test_another_network_does_not_go_on(studio: Studio, parts: dict[int, Any]) -> None:
    with pytest.raises(Cancelled):
        capture(studio, parts, stop=lambda event: isinstance(event, Frames))
    (studio.folder / "dts.pt").write_bytes(b"another network")
    with pytest.raises(CaptureError) as caught:
        capture(studio, parts, resume=True)
    assert caught.value.code == "resume_mismatch"
    assert "another network" in caught.value.message


def test_what_the_networks_made_of_frames_is_in_the_growing_take_and_not_in_memory(
    studio: Studio, parts: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    most, kinds, save = [0], {}, recording.Recording.save

    def watched(self: recording.Recording, writer: Any) -> None:
        most.append(max(len(rows.newest) for readings in self._people.values() for rows in readings.long.values()))
        save(self, writer)
        kinds.update(writer._database.execute("SELECT name, dtype FROM arrays WHERE owner = 1").fetchall())

    monkeypatch.setattr(recording.Recording, "save", watched)
    whole = capture(studio, parts)
    assert 30 < max(most) <= 60 + recording._AT_HAND
    monkeypatch.setattr(recording, "_AT_HAND", 1000)
    assert farthest(whole, capture(studio, parts)) < 2e-5
    assert (kinds["features"], kinds["moving"]) == ("<f4", "<f4")


def test_a_network_without_a_flow_stream_asks_for_no_flow(
    studio: Studio, parts: dict[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windowed, "open_dts_vibe", lambda *folders, own: small_dts_vibe("none"))
    monkeypatch.setattr(windowed.reading, "backward_flow", lambda *crops: pytest.fail("asked"))
    capture(studio, {1: parts[1]}, 24)
