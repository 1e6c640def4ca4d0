# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.__main__ import main
from backend.flow import Dis, backward_flow
from backend.person_crops import cut_out, square_around
from backend.training.archive import open_archive
from backend.training.prepare import posetrack
from backend.training.prepare.archive_copy import add_columns
from backend.training.prepare.command import MODULES, find_dataset
from backend.training.prepare.preparing import Dataset, Options, Progress, Recording, prepare
from backend.training.prepare.tracks import Track, boxes_around, seen_enough, thinned, with_boxes
from tests.moving_pictures import drifting
from tests.raw_datasets import make_3dpw, make_amass, make_penn_action, make_posetrack
from vibe_blender.contract.errors import CaptureError

REPOSITORY = Path(__file__).resolve().parents[4]


class Counting:
    """Stands for the image network: features say what the crop looked like."""

    name = "spin"

    def __init__(self) -> None:
        self.crops: list[np.ndarray] = []

    def encode(self, crops: np.ndarray) -> np.ndarray:
        self.crops += list(crops)
        return np.repeat(crops.mean(axis=(1, 2, 3))[:, None], 2048, axis=1).astype(np.float16)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "writing.lock"}


class StopHere(Exception):
    """What an interruption is in a test."""


def interrupted(dataset: Dataset, after: int) -> Dataset:
    """The dataset, whose reading ends with an exception after so many tracks."""
    left = [after]

    def stopping(recording: Recording) -> Iterator[Track]:
        for track in recording.read():
            if not left[0]:
                raise StopHere
            left[0] -= 1
            yield track

    def recordings(raw: Path, split: str, options: Options) -> list[Recording]:
        listed = dataset.recordings(raw, split, options)
        return [replace(item, read=lambda item=item: stopping(item)) for item in listed]

    return replace(dataset, recordings=recordings)


@pytest.mark.parametrize("name", ["amass", "3dpw", "penn-action", "posetrack"])
def test_resumed_equals_uninterrupted(tmp_path, name):
    raw = tmp_path / "raw"
    {"amass": make_amass, "3dpw": make_3dpw, "penn-action": make_penn_action, "posetrack": make_posetrack}[name](raw)
    dataset = find_dataset(name)
    options = Options(images=dataset.pictures)
    whole = prepare(dataset, raw, tmp_path / "whole.clips", options)
    for after in range(len(whole.sequences)):
        out = tmp_path / f"{after}.clips"
        with pytest.raises(StopHere):
            prepare(interrupted(dataset, after), raw, out, options)
        with pytest.raises(CaptureError) as caught:
            open_archive(out)
        assert caught.value.code == "archive_missing"
        prepare(dataset, raw, out, options)
        assert contents(out) == contents(tmp_path / "whole.clips")


def test_what_is_done_is_not_read_again(tmp_path):
    make_penn_action(tmp_path / "raw")
    dataset = find_dataset("penn-action")
    with pytest.raises(StopHere):
        prepare(interrupted(dataset, 1), tmp_path / "raw", tmp_path / "a.clips", Options())
    (tmp_path / "raw" / "labels" / "0001.mat").write_bytes(b"it would be noticed only if 0001 were the last one begun")
    with pytest.raises(CaptureError):  # the last that was begun is looked through for more people
        prepare(dataset, tmp_path / "raw", tmp_path / "a.clips", Options())
    make_amass(tmp_path / "amass")
    dataset = find_dataset("amass")
    for number in range(3):
        copy = tmp_path / "amass" / "CMU" / "01" / f"01_0{number}_poses.npz"
        copy.write_bytes((tmp_path / "amass" / "CMU" / "01" / "01_01_poses.npz").read_bytes())
    with pytest.raises(StopHere):
        prepare(interrupted(dataset, 3), tmp_path / "amass", tmp_path / "b.clips", Options())
    (tmp_path / "amass" / "CMU" / "01" / "01_00_poses.npz").write_bytes(b"")
    assert len(prepare(dataset, tmp_path / "amass", tmp_path / "b.clips", Options()).sequences) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="a process that ends at once is told so by a signal")
def test_killed_and_gone_on_with(tmp_path):
    make_posetrack(tmp_path / "raw")
    code = """
import sys
from pathlib import Path
from backend.training.prepare import posetrack, preparing
from backend.training.archive import ArchiveWriter
import time
added = ArchiveWriter.add
def slow(self, *arguments):
    added(self, *arguments)
    print("added", flush=True)
    time.sleep(60)
ArchiveWriter.add = slow
preparing.prepare(posetrack.DATASET, Path(sys.argv[1]), Path(sys.argv[2]), preparing.Options())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "raw"), str(tmp_path / "a.clips")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"added\n"
        process.send_signal(signal.SIGKILL)
    prepare(posetrack.DATASET, tmp_path / "raw", tmp_path / "a.clips", Options())
    prepare(posetrack.DATASET, tmp_path / "raw", tmp_path / "b.clips", Options())
    assert contents(tmp_path / "a.clips") == contents(tmp_path / "b.clips")


def test_other_options_are_not_mixed(tmp_path):
    make_posetrack(tmp_path / "raw")
    with pytest.raises(StopHere):
        prepare(interrupted(posetrack.DATASET, 1), tmp_path / "raw", tmp_path / "a.clips", Options())
    with pytest.raises(CaptureError) as caught:
        prepare(posetrack.DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(shortest=20))
    assert caught.value.code == "archive_other"


def test_what_two_networks_make_is_not_mixed(tmp_path):
    make_posetrack(tmp_path / "raw")
    for name in ("one", "same", "other"):
        (tmp_path / name).write_bytes(b"a network" if name != "other" else b"another")
    one, same, other = (Options(networks=(tmp_path / name,)) for name in ("one", "same", "other"))
    with pytest.raises(StopHere):
        prepare(interrupted(posetrack.DATASET, 1), tmp_path / "raw", tmp_path / "a.clips", one)
    for options in (other, Options()):
        with pytest.raises(CaptureError) as caught:
            prepare(posetrack.DATASET, tmp_path / "raw", tmp_path / "a.clips", options)
        assert caught.value.code == "archive_other"
    prepare(posetrack.DATASET, tmp_path / "raw", tmp_path / "a.clips", same)


def test_flow_of_whole_pictures(tmp_path):
    make_penn_action(tmp_path / "raw")
    for number, path in enumerate(sorted((tmp_path / "raw" / "frames" / "0001").iterdir())):
        path.write_bytes(cv2.imencode(".png", drifting(number))[1].tobytes())
    dataset, options = find_dataset("penn-action"), Options(limit=1, images=True)
    archive = prepare(dataset, tmp_path / "raw", tmp_path / "a.clips", options, Counting(), flow=Dis())
    assert {"features", "flow", "pictures"} <= set(archive.columns)
    flow, boxes = archive.column("flow").astype(float), archive.column("boxes").astype(float)
    assert not flow[0].any()
    assert len(flow) > 10
    for frame in range(1, len(flow)):
        pictures = [drifting(frame), drifting(frame - 1)]
        wanted = backward_flow(*(cut_out(picture, square_around(boxes[frame])) for picture in pictures))
        np.testing.assert_array_equal(flow[frame], wanted)
    copy = add_columns(archive, tmp_path / "b.clips", flow=Dis()).column("flow").astype(float)
    assert np.abs(copy - flow)[:, :, 8:-8, 8:-8].mean() < 0.2, "what JPEG costs"
    alone = prepare(dataset, tmp_path / "raw", tmp_path / "c.clips", Options(limit=1), flow=Dis())
    assert (alone.column("flow") == flow).all()
    make_amass(tmp_path / "amass")
    with pytest.raises(CaptureError) as caught:
        prepare(find_dataset("amass"), tmp_path / "amass", tmp_path / "d.clips", Options(), flow=Dis())
    assert caught.value.code == "no_pictures"


def test_features_are_of_the_crops_that_networks_see(tmp_path):
    make_penn_action(tmp_path / "raw")
    folder = tmp_path / "raw" / "frames" / "0001"
    random = np.random.default_rng(0)
    for path in folder.iterdir():
        picture = cv2.resize(random.integers(0, 255, (12, 16, 3)).astype(np.uint8), (320, 240))
        path.write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    encoder = Counting()
    archive = prepare(
        find_dataset("penn-action"), tmp_path / "raw", tmp_path / "a.clips", Options(limit=1), encoder=encoder
    )
    assert archive.columns == ("features", "joints2d", "boxes", "frames")
    for frame in (0, 7, 19):
        data = np.frombuffer((folder / f"{frame + 1:06d}.jpg").read_bytes(), np.uint8)
        picture = np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
        crop = cut_out(picture, square_around(archive.column("boxes")[frame]))
        assert (encoder.crops[frame] == crop).all()
        assert archive.column("features")[frame, 0] == pytest.approx(crop.mean(), rel=1e-3)


def test_progress(tmp_path):
    make_penn_action(tmp_path / "raw")
    told: list[Progress] = []
    prepare(find_dataset("penn-action"), tmp_path / "raw", tmp_path / "a.clips", Options(), progress=told.append)
    assert told == [Progress(1, 2, 20), Progress(2, 2, 40)]


def test_every_dataset_has_its_columns_and_says_where_from():
    for name in MODULES:
        dataset = find_dataset(name)
        assert dataset.name == name
        assert dataset.pictures == ("boxes" in dataset.columns)
        assert dataset.origin.source
        assert dataset.origin.terms.endswith(".")


@pytest.mark.parametrize("name", MODULES)
def test_a_folder_that_is_not_there(tmp_path, name):
    for raw in (tmp_path / "none", tmp_path):
        with pytest.raises(CaptureError) as caught:
            prepare(find_dataset(name), raw, tmp_path / "a.clips", Options())
        assert caught.value.code == "dataset_missing"
        assert find_dataset(name).origin.source in caught.value.hint
        assert find_dataset(name).origin.layout in caught.value.message


def test_command_line(tmp_path, capsys):
    make_penn_action(tmp_path / "Penn 数据")
    out = tmp_path / "penn.clips"
    arguments = ["prepare", "penn-action", str(tmp_path / "Penn 数据"), "-o", str(out), "--split", "train", "--images"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert f"{out}: 20 frames, 1 sequence." in said.out
    assert "2/2 recordings" in said.err
    assert open_archive(out).facts.split == "train"
    assert main(arguments) == 1
    assert "is done already" in capsys.readouterr().err
    assert main(["prepare", "amass", str(tmp_path), "-o", str(tmp_path / "a.clips")]) == 1
    assert "is expected as downloaded" in capsys.readouterr().err
    for wrong in (["prepare", "amas", "x", "-o", "y"], ["prepare", "amass", "x", "-o", "y", "--fps", "0"],
                  ["prepare", "amass", "x", "-o", "y", "--models", "z"]):  # fmt: skip
        with pytest.raises(SystemExit):
            main(wrong)


def test_the_command_line_loads_nothing_heavy():
    code = "import sys; import backend.training.prepare.command; print({'torch', 'scipy', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


class TestTracks:
    def joints(self, count: int = 40) -> np.ndarray:
        joints = np.random.default_rng(0).uniform(100, 200, (1, 10, 3)).repeat(count, axis=0)
        joints[..., 2] = 1
        return joints

    def test_boxes_of_somebody_who_stands_still(self):
        joints = self.joints()
        joints[:, 3] = (900, 900, 0.2)  # hardly seen
        boxes = boxes_around(joints)
        seen = np.delete(joints[0], 3, axis=0)[:, :2]
        low, high = seen.min(axis=0), seen.max(axis=0)
        side = 1.2 * np.hypot(*(high - low))
        assert boxes == pytest.approx(np.tile([*(low + high) / 2, side, side], (40, 1)), rel=1e-5)

    def test_boxes_do_not_jump_with_one_frame(self):
        joints = self.joints()
        joints[20, :, :2] += 500
        assert boxes_around(joints)[20, 0] == pytest.approx(boxes_around(self.joints())[20, 0])

    def test_frames_with_few_joints_split(self):
        joints = self.joints()
        joints[10, :4, 2] = 0  # six are left
        joints[20, :3, 2] = 0  # seven are
        assert np.flatnonzero(~seen_enough(joints)).tolist() == [10]
        track = Track("a", 30, {"joints2d": joints, "frames": np.arange(40)})
        known = np.arange(40) < 35
        found = {piece.name: piece.arrays["frames"].tolist() for piece in with_boxes(track, known)}
        assert found == {"a from 0": list(range(10)), "a from 11": list(range(11, 35))}

    @pytest.mark.parametrize(("fps", "wanted", "stride"), [(120, 25, 4), (59.94, 25, 2), (30, 25, 1), (25, None, 1)])
    def test_thinned(self, fps, wanted, stride):
        thin = thinned(Track("a", fps, {"frames": np.arange(41)}), wanted)
        assert thin.arrays["frames"].tolist() == list(range(0, 41, stride))
        assert thin.fps == pytest.approx(fps / stride)
