# SPDX-License-Identifier: MIT
"""What networks attended to: the right numbers, in the right places of the picture."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import backend.estimators.vibe.encoder as encoding
from backend import recording
from backend.__main__ import main
from backend.estimators import windowed
from backend.explain.clips import ArchiveClip, TakeClip
from backend.explain.command import window_around
from backend.explain.drawing import draw_branches, draw_maps, shown_rows, ticks
from backend.flow import backward_flow
from backend.networks.dts_vibe import DtsVibe
from backend.networks.resnet import COLOUR_MEAN, COLOUR_SPREAD
from backend.networks.tcmr import Tcmr
from backend.own_networks import Architecture, DtsVibeOptions, build, save_own
from backend.person_crops import cut_out
from backend.published import PublishedFiles
from backend.training import features as training_features
from backend.video import read_frames
from tests.acting import act
from tests.stand_in_networks import SmallEncoder, small_tcmr
from tests.studio import Cast, Studio
from tests.training_data import write_archive
from tests.training_runs import telling_archive
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take_file import load_take, save_take

REPOSITORY = Path(__file__).resolve().parents[2]
COUNT = 40
SEEN = {1: range(COUNT), 2: [*range(3, 20), *range(25, COUNT)]}
PAST, FUTURE = (66, 122, 194), (226, 138, 60)
BRIGHTEST = (252, 255, 164)
TCMR = Architecture("tcmr", 32)
DTS_VIBE = Architecture("dts-vibe", 32, dts_vibe=DtsVibeOptions("grid"))


@pytest.fixture
def network(tmp_path: Path) -> Callable[..., str]:
    """Writes a network that has learned nothing: ``network(architecture, features)`` is its file."""

    def write(architecture: Architecture, features: str = "spin", frames: int = 16) -> str:
        path = tmp_path / f"{architecture.encoder} é.pt"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            save_own(path, build(architecture).state_dict(), architecture, features, frames, "")
        return str(path)

    return write


@pytest.fixture
def archive(tmp_path: Path) -> str:
    """Two sequences with features and flow, of people whose joints are known, without pictures."""
    telling_archive(tmp_path / "made é.clips", (40, 12))
    return str(tmp_path / "made é.clips")


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path], tmp_path: Path) -> Studio:
    """Captures by small networks, and small networks where a clip is looked at again."""

    class Small:
        name = "spin"

        def encode(self, crops: np.ndarray) -> np.ndarray:
            pixels = torch.from_numpy(crops).permute(0, 3, 1, 2) / 255
            mean, spread = (torch.tensor(values).view(3, 1, 1) for values in (COLOUR_MEAN, COLOUR_SPREAD))
            return SmallEncoder()((pixels - mean) / spread).numpy().astype(np.float16)

    monkeypatch.setattr(windowed, "open_tcmr", lambda *folders, **options: small_tcmr())
    monkeypatch.setattr(encoding.Encoder, "_half_will_do", lambda encoder, crops: False)
    monkeypatch.setattr(training_features, "spin_encoder", lambda path: Small())
    return Studio(monkeypatch, make_video, tmp_path)


def shot(studio: Studio) -> Path:
    """A take of two people, the second with a gap."""
    cast = Cast({1: (act(COUNT, walk_m=0.5), SEEN[1]), 2: (act(COUNT, walk_m=-1.0, depth_m=6.0), SEEN[2])})
    studio.run(cast, COUNT, estimator="tcmr")
    return studio.take


def seen_as(path: Path) -> np.ndarray:
    """(H, W, 3) RGB of a PNG."""
    return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def explained(tmp_path: Path, *arguments: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The picture that the command draws, and its numbers."""
    out, numbers = tmp_path / "out é.png", tmp_path / "numbers é.npz"
    assert main(["explain", *arguments, "-o", str(out), "--numbers", str(numbers)]) == 0
    with np.load(numbers) as arrays:
        return seen_as(out), dict(arrays)


def failure(capsys: Any, *arguments: str) -> str:
    """What the command says when it fails."""
    assert main(["explain", *arguments]) == 1
    return capsys.readouterr().err


def squares_of(picture: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of all patches of a colour, the largest first."""
    mask = (picture == colour).all(axis=-1).astype(np.uint8)
    _, _, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    return [tuple(row[:4].tolist()) for row in sorted(found[1:], key=lambda row: -row[4])]


# What is drawn


def planted(row: int, column: int, length: int = 16) -> np.ndarray:
    """(2, 4, T, T) even attention, but of one frame of the second layer, which looks at another."""
    maps = np.full((2, 4, length, length), 1 / length)
    maps[1, :, row] = 0.0
    maps[1, :, row, column] = 1.0
    return maps


@pytest.mark.parametrize(("row", "column"), [(0, 0), (3, 12), (15, 1)])
def test_a_peak_is_where_rows_look_and_columns_are_looked_at(row: int, column: int) -> None:
    frames = np.arange(16) + 200
    patches = squares_of(draw_maps("x", frames, {"encoder": planted(row, column)}, []), BRIGHTEST)
    corner = squares_of(draw_maps("x", frames, {"encoder": planted(0, 0)}, []), BRIGHTEST)
    assert len(patches) == 5
    side = patches[0][2]
    assert patches[0][2:] == (side, side)
    assert patches[0][0] - corner[0][0] == column * side
    assert patches[0][1] - corner[0][1] == row * side
    assert all(4 <= width <= 5 and 4 <= height <= 5 for *_, width, height in patches[1:])


@pytest.mark.parametrize("length", [1, 2, 5, 16, 200])
def test_windows_of_any_length_and_any_number_of_layers_fit(length: int) -> None:
    maps = np.random.default_rng(0).dirichlet(np.ones(length), (7, 5, length))
    picture = draw_maps("é" * 300, np.arange(length) + 1_234_567, {"encoder": maps, "other": maps[:1]}, [])
    assert picture.dtype == np.uint8
    assert (picture[:, -8:] == 255).all()
    assert (picture[:, :1] == 255).all()


def test_areas_and_curves_have_the_heights_of_their_weights() -> None:
    frames = np.arange(30)
    weights = np.tile([0.2, 0.3, 0.5], (30, 1))
    weights[20] = [0.7, 0.1, 0.2]
    picture = draw_branches("x", frames, weights, [slice(30)], [])
    areas = picture[: picture.shape[0] // 2]
    blue, orange = ((areas == colour).all(axis=-1) for colour in (PAST, FUTURE))
    blue[:, :100] = orange[:, :100] = False  # the legend's patches
    legend = max(squares_of(picture[:70], PAST), key=lambda box: box[2])
    height = areas.shape[0] - legend[1]
    counts = blue.sum(axis=0)
    assert counts.argmax() == pytest.approx(60 + 20.5 / 30 * 1100, abs=3)
    usual = np.median(counts[100:600])
    assert counts.max() / usual == pytest.approx(3.5, rel=0.05)
    assert np.median(orange.sum(axis=0)[100:600]) / usual == pytest.approx(2.5, rel=0.05)
    assert usual < height


def test_a_gap_is_a_gap_and_a_frame_alone_is_seen() -> None:
    frames = np.array([*range(10), 15, *range(20, 30)])
    weights = np.random.default_rng(0).dirichlet(np.ones(3), len(frames))
    picture = draw_branches("x", frames, weights, [slice(0, 10), slice(10, 11), slice(11, 21)], [])
    row = (picture[70:287] == PAST).all(axis=-1).any(axis=0)

    def seen(frame: float) -> bool:
        return bool(row[round(60 + (frame + 0.5) / 30 * 1100)])

    assert [seen(frame) for frame in (2, 9, 11, 13, 15, 17, 19, 21)] == [
        True, True, False, False, True, False, False, True,
    ]  # fmt: skip


def test_pictures_stand_above_with_their_numbers() -> None:
    red, maps = np.zeros((224, 224, 3), np.uint8) + np.uint8([250, 10, 10]), {"encoder": planted(0, 0)}
    frames = np.arange(16)
    without = draw_maps("x", frames, maps, [(0, None), (2, None)])
    strip = draw_maps("x", frames, maps, [(0, None), (2, red)])
    patches = squares_of(strip, (250, 10, 10))
    assert len(patches) == 1
    assert patches[0][2:] == (112, 112)
    assert patches[0][0] > strip.shape[1] / 2
    assert strip.shape[0] > without.shape[0] + 112


@pytest.mark.parametrize("frames", [[7], [3, 4, 5], [*range(100)], [0, 1, 2, 900]])
def test_what_is_shown_is_spread_over_the_clip(frames: list[int]) -> None:
    rows = shown_rows(np.array(frames))
    assert len(rows) == len(set(rows)) <= 8
    assert rows == sorted(rows)
    if len(frames) == 100:
        assert np.abs(np.diff(rows) - 12.5).max() < 1


@pytest.mark.parametrize(("low", "high"), [(0.331, 0.334), (0.06, 0.79), (0.3, 0.3), (0, 1), (5, 90210)])
def test_ticks_are_round_and_few_and_reach_around(low: float, high: float) -> None:
    found = ticks(low, high, 6)
    assert 2 <= len(found) <= 8
    assert found[0] <= low + 1e-9
    assert found[-1] >= high - 1e-9


# The command


def test_tcmr_on_an_archive_is_what_the_network_says_of_it(
    tmp_path: Path, archive: str, network: Callable[..., str]
) -> None:
    picture, numbers = explained(tmp_path, archive, "--sequence", "made 0", "--network", network(TCMR))
    weights = np.stack([numbers[name] for name in ("past", "all", "future")], axis=1)
    assert numbers["frames"].tolist() == list(range(40))
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-6
    clip = ArchiveClip(Path(archive), "made 0")
    features, _ = clip.read(slice(0, 40), [], flow=False, progress=lambda done, total: None)
    own = torch.load(network(TCMR), weights_only=True)["gen_state_dict"]
    tcmr = Tcmr(32)
    tcmr.load_state_dict(own)
    with torch.no_grad():
        middle = tcmr.eval()(torch.from_numpy(features[None, 12:28]))[1][0]
    assert weights[20] == pytest.approx(middle.numpy(), abs=1e-5)
    skeletons = (picture[44:156] == (200, 60, 40)).all(axis=-1)
    assert skeletons.any(axis=0).sum() > 8 * 10


def test_dts_vibe_on_an_archive_is_what_the_network_says_of_the_window(
    tmp_path: Path, archive: str, network: Callable[..., str]
) -> None:
    told = [archive, "--sequence", "made 0", "--network", network(DTS_VIBE), "--frame", "20"]
    _, numbers = explained(tmp_path, *told)
    assert numbers["frames"].tolist() == list(range(12, 28))
    assert numbers["encoder"].shape == (6, 8, 16, 16)
    assert numbers["regressor"].shape == (3, 4, 16, 16)
    for name in ("encoder", "regressor"):
        assert np.abs(numbers[name].sum(axis=-1) - 1).max() < 1e-5
    clip = ArchiveClip(Path(archive), "made 0")
    features, flow = clip.read(slice(12, 28), [], flow=True, progress=lambda done, total: None)
    dts_vibe = DtsVibe(16, flow="grid")
    dts_vibe.load_state_dict(torch.load(told[4], weights_only=True)["gen_state_dict"])
    with torch.no_grad():
        attended = dts_vibe.eval().attention(torch.from_numpy(features)[None], torch.from_numpy(flow)[None])
    assert numbers["regressor"] == pytest.approx(attended.regressor[0].numpy(), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "there"),
    [
        (DtsVibeOptions("none", "transformer", "iterative"), {"encoder"}),
        (DtsVibeOptions("none", "gru", "transformer"), {"regressor"}),
    ],
)
def test_of_an_ablation_what_there_is(
    tmp_path: Path, archive: str, network: Callable[..., str], options: DtsVibeOptions, there: set[str]
) -> None:
    file = network(Architecture("dts-vibe", 32, dts_vibe=options))
    _, numbers = explained(tmp_path, archive, "--sequence", "made 1", "--network", file)
    assert set(numbers) == {"frames", *there}
    assert len(numbers["frames"]) == 12


def test_a_take_s_features_are_made_again_as_its_capture_made_them(
    studio: Studio, tmp_path: Path, network: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[int, list[np.ndarray]] = {1: [], 2: []}
    keep = recording.Recording.keep

    def also(self: recording.Recording, encoded: Any) -> None:
        kept[encoded.person].append(encoded.features)
        keep(self, encoded)

    monkeypatch.setattr(recording.Recording, "keep", also)
    path = shot(studio)
    for person in (1, 2):
        clip = TakeClip(path, person, PublishedFiles(spin=Path("spin")))
        assert clip.frames.tolist() == list(SEEN[person])
        rows = slice(0, len(clip.frames))
        features, flow = clip.read(rows, [5], flow=True, progress=lambda done, total: None)
        assert np.abs(features - np.concatenate(kept[person])).max() < 0.01
        assert clip.picture(5).shape == (224, 224, 3)
        assert clip.picture(6) is None
        pictures = [frame.image for frame in read_frames(load_take(path).video.path)]
        boxes = load_take(path).person(person).words.boxes
        for row, frame in enumerate(SEEN[person]):
            if frame - 1 in SEEN[person]:
                now, before = (cut_out(pictures[at], boxes[row], 1.0) for at in (frame, frame - 1))
                assert np.abs(flow[row] - backward_flow(now, before)).max() < 0.1
            else:
                assert not flow[row].any()
        part = clip.read(slice(9, 12), [], flow=True, progress=lambda done, total: None)
        assert np.abs(part[0] - features[9:12]).max() < 0.01
        assert np.array_equal(part[1], flow[9:12])
    models = tmp_path / "models"
    models.mkdir()
    (models / "spin_model_checkpoint.pth.tar").touch()
    told = [str(path), "--person", "2", "--models", str(models)]
    picture, numbers = explained(tmp_path, *told, "--network", network(TCMR))
    assert numbers["frames"].tolist() == SEEN[2]
    assert picture[44:156].std() > 20
    _, numbers = explained(tmp_path, *told, "--network", network(DTS_VIBE), "--frame", "26")
    assert numbers["frames"].tolist() == list(range(25, 40))


def test_windows_stay_in_what_was_seen_without_a_gap(archive: str) -> None:
    clip = ArchiveClip(Path(archive), "made 0")
    clip.frames = np.array([*range(100, 120), *range(130, 160)])
    assert window_around(clip, 100, 16) == slice(0, 16)
    assert window_around(clip, 109, 16) == slice(1, 17)
    assert window_around(clip, 119, 16) == slice(4, 20)
    assert window_around(clip, 130, 16) == slice(20, 36)
    assert window_around(clip, None, 16) == slice(27, 43)
    assert window_around(clip, 105, 64) == slice(0, 20)
    with pytest.raises(CaptureError, match="no frame 125") as caught:
        window_around(clip, 125, 16)
    assert "100 to 119, 130 to 159" in caught.value.hint


# What goes wrong


def test_networks_that_attend_to_nothing_say_so(
    tmp_path: Path, archive: str, network: Callable[..., str], capsys: Any
) -> None:
    told = [archive, "--sequence", "made 0", "-o", str(tmp_path / "a.png"), "--network"]
    assert "of the kind VIBE, which has no attention over time" in failure(
        capsys, *told, network(Architecture("gru", 32))
    )
    bare = Architecture("dts-vibe", 32, dts_vibe=DtsVibeOptions("none", "gru", "iterative"))
    assert "without a transformer" in failure(capsys, *told, network(bare))
    assert "all frames are drawn" in failure(capsys, *told, network(TCMR), "--frame", "3")
    assert "the TCMR network knows those of landmarks" in failure(capsys, *told, network(TCMR, "landmarks"))
    assert "There is no network" in failure(capsys, *told, str(tmp_path / "none.pt"))
    assert not (tmp_path / "a.png").exists()


def test_sequences_that_are_not_there_or_lack_something_say_so(
    tmp_path: Path, archive: str, network: Callable[..., str], capsys: Any
) -> None:
    file = network(DTS_VIBE)

    def told(*arguments: str) -> str:
        return failure(capsys, *arguments, "-o", str(tmp_path / "a.png"), "--network", file)

    assert "has no sequence made 7. There are: made 0, made 1." in told(archive, "--sequence", "made 7")
    assert "has 2 sequences. Name one with --sequence" in told(archive)
    assert "no frame 90. There are 0 to 39." in told(archive, "--sequence", "made 0", "--frame", "90")
    write_archive(tmp_path / "still.clips", "3d", (20,))
    assert "has no optical flow, which the network reads" in told(str(tmp_path / "still.clips"))
    write_archive(tmp_path / "motion.clips", "motion", (20,))
    assert "has no features" in told(str(tmp_path / "motion.clips"))
    assert "is no clip archive" in told(str(tmp_path))
    assert "--person is for takes" in told(archive, "--person", "1")


def test_takes_that_cannot_be_looked_at_again_say_so(
    studio: Studio, tmp_path: Path, network: Callable[..., str], capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "none"))
    path, file = shot(studio), network(TCMR)

    def told(*arguments: str, person: str = "1") -> str:
        return failure(capsys, *arguments, "-o", str(tmp_path / "a.png"), "--person", person)

    assert "spin_model_checkpoint.pth.tar is not in" in told(str(path), "--network", file)
    assert "tcmr_demo_model.pth.tar is not in" in told(str(path))
    assert "has no person 7" in told(str(path), "--network", file, person="7")
    assert "--sequence is for clip archives" in told(str(path), "--network", file, "--sequence", "a")
    (tmp_path / "spin_model_checkpoint.pth.tar").touch()
    whole = [str(path), "--network", file, "--models", str(tmp_path)]
    take = load_take(path)
    save_take(replace(take, estimator="keypoints"), tmp_path / "k.take")
    assert "was captured by keypoints and does not say what a network was shown" in told(
        str(tmp_path / "k.take"), *whole[1:]
    )
    save_take(replace(take, estimator="dts-vibe"), tmp_path / "d.take")
    assert "Nobody publishes DTS-VIBE's weights" in told(str(tmp_path / "d.take"), "--models", str(tmp_path))
    assert "has 2 people. Name one with --person" in failure(capsys, *whole, "-o", str(tmp_path / "a.png"))
    video = Path(take.video.path)
    shutil.copy(video, tmp_path / "kept.mp4")
    studio.make_video(name=f"{COUNT}/made.mp4", count=COUNT, size=(64, 64))
    assert "is not the video of" in told(*whole)
    studio.make_video(name=f"{COUNT}/made.mp4", count=20, size=(96, 64))
    assert "ends before frame 39" in told(*whole)
    video.unlink()
    assert "does not keep the features of its pictures, and its video is no longer at" in told(*whole)


@pytest.mark.parametrize(("out", "numbers"), [("a.take", "b.npz"), ("a.png", "b.take"), ("none/a.png", "b.npz")])
def test_other_files_are_spared(
    tmp_path: Path, archive: str, network: Callable[..., str], capsys: Any, out: str, numbers: str
) -> None:
    (tmp_path / "a.take").write_text("mine")
    (tmp_path / "b.take").write_text("mine")
    told = [archive, "--sequence", "made 1", "--network", network(TCMR)]
    said = failure(capsys, *told, "-o", str(tmp_path / out), "--numbers", str(tmp_path / numbers))
    assert "does not end in" in said or "cannot be written" in said
    assert {path.read_text() for path in tmp_path.glob("*.take")} == {"mine"}


def test_help_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = sys.modules['cv2'] = None; from backend.__main__ import main; main()"
    told = subprocess.run(
        [sys.executable, "-c", code, "explain", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "--numbers" in told.stdout
