# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.__main__ import main
from backend.flow import Dis
from backend.training.archive import ArchiveWriter, ClipArchive, open_archive
from backend.training.prepare import archive_copy, command
from backend.training.prepare.archive_copy import add_columns
from backend.training.prepare.command import find_dataset
from backend.training.prepare.preparing import Options, prepare
from tests.moving_pictures import drifting_flow, write_drifting
from tests.raw_datasets import COUNT, make_penn_action
from tests.training_data import write_archive
from vibe_blender.contract.errors import CaptureError

REPOSITORY = Path(__file__).resolve().parents[4]


class Middle:
    """Stands for the encoder: what the middle of the crop looks like; keeps the crops."""

    name = "landmarks"

    def __init__(self) -> None:
        self.crops: list[np.ndarray] = []

    def encode(self, crops: np.ndarray) -> np.ndarray:
        self.crops += list(crops)
        middle = crops[:, 96:128, 96:128].astype(float).mean(axis=(1, 2, 3))
        return np.repeat(middle[:, None], 2048, axis=1).astype(np.float16)


class Counting(Dis):
    """Keeps how many pairs there were."""

    pairs = 0

    def backward(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        self.pairs += len(now)
        return super().backward(now, before)


def pictured(folder: Path) -> ClipArchive:
    return write_archive(folder, lengths=(12, 9), features=False, pictures=True)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "writing.lock"}


def test_a_copy_has_features_and_all_labels(tmp_path):
    archive = pictured(tmp_path / "a.clips")
    copy = add_columns(archive, tmp_path / "b.clips", encoder=Middle())
    assert set(copy.columns) == (set(archive.columns) - {"pictures", "picture_boxes"}) | {"features"}
    for name in set(copy.columns) - {"features"}:
        assert (copy.column(name) == archive.column(name)).all()
    assert [sequence.name for sequence in copy.sequences] == [sequence.name for sequence in archive.sequences]
    assert (copy.column("features").min(axis=1) > 20).all()
    with_pictures = add_columns(archive, tmp_path / "c.clips", encoder=Middle(), images=True)
    assert [with_pictures.picture(frame) for frame in range(21)] == [archive.picture(frame) for frame in range(21)]
    assert (with_pictures.column("features") == copy.column("features")).all()


def test_crops_of_kept_pictures_are_those_of_whole_ones(tmp_path):
    """Within what JPEG and scaling cost; an error of a pixel in where the crop is would cost several times as much."""
    make_penn_action(tmp_path / "raw")
    blocks = np.random.default_rng(3).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    picture = cv2.resize(blocks, (960, 720), interpolation=cv2.INTER_CUBIC)
    for path in (tmp_path / "raw" / "frames" / "0001").iterdir():
        path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    whole, kept = Middle(), Middle()
    archive = prepare(
        find_dataset("penn-action"), tmp_path / "raw", tmp_path / "a.clips", Options(limit=1, images=True), whole
    )
    add_columns(archive, tmp_path / "b.clips", encoder=kept)
    inside = slice(20, 204)
    for ours, theirs in zip(kept.crops, whole.crops, strict=True):
        apart = np.abs(ours[inside, inside].astype(float) - theirs[inside, inside]).mean()
        moved = np.abs(np.roll(ours, 1, axis=1)[inside, inside].astype(float) - theirs[inside, inside]).mean()
        assert apart < moved / 3


def test_flow_is_of_what_is_in_the_pictures(tmp_path):
    copy = add_columns(write_drifting(tmp_path / "a.clips"), tmp_path / "b.clips", flow=Dis())
    assert copy.columns == ("boxes", "frames", "flow")
    flow = copy.column("flow").astype(float)
    assert flow.shape == (9, 2, 56, 56)
    assert not flow[[0, 5]].any(), "first frames"
    rest = flow[[1, 2, 3, 4, 6, 7, 8]].transpose(0, 2, 3, 1)[:, 6:-6, 6:-6]
    assert rest.mean(axis=(1, 2)) == pytest.approx(np.tile(drifting_flow(), (7, 1)), abs=0.1)
    assert np.abs(rest - drifting_flow()).max() < 1


def test_flow_needs_both_pictures_and_the_box_of_now(tmp_path):
    archive = write_drifting(tmp_path / "a.clips", (7,), without=(2,), unboxed=(5,))
    copy = add_columns(archive, tmp_path / "b.clips", encoder=Middle(), flow=Dis())
    there = [bool(np.abs(flow).max() > 1) for flow in copy.column("flow")]
    assert there == [False, True, False, False, True, False, True]
    assert copy.column("features").any(axis=1).tolist() == [True, True, False, True, True, False, True]


def test_what_there_is_stays(tmp_path):
    archive = write_drifting(tmp_path / "a.clips", features=True)
    flowing = add_columns(archive, tmp_path / "b.clips", flow=Dis(), images=True)
    assert set(flowing.columns) == {*archive.columns, "flow"}
    for name in archive.columns:
        if name != "pictures":
            assert (flowing.column(name) == archive.column(name)).all()
    assert [flowing.picture(frame) for frame in range(9)] == [archive.picture(frame) for frame in range(9)]
    both = add_columns(flowing, tmp_path / "c.clips", encoder=Middle())
    assert (both.column("flow") == flowing.column("flow")).all()
    assert not (both.column("features") == archive.column("features")).all()
    assert "pictures" not in both.columns


def test_copies_say_whose_features_they_have(tmp_path):
    archive = write_drifting(tmp_path / "a.clips")
    landmarks = add_columns(archive, tmp_path / "b.clips", encoder=Middle(), images=True)
    assert landmarks.facts.features == "landmarks"
    assert add_columns(landmarks, tmp_path / "c.clips", flow=Dis()).facts == landmarks.facts
    spin = Middle()
    spin.name = "spin"
    assert add_columns(landmarks, tmp_path / "d.clips", encoder=spin).facts.features == "spin"


def test_interrupted_and_gone_on_with(tmp_path, monkeypatch):
    archive = pictured(tmp_path / "a.clips")
    whole = add_columns(archive, tmp_path / "whole.clips", encoder=Middle(), flow=Dis())
    added = ArchiveWriter.add

    def once(self, name, *arguments):
        if name == "made 1":
            raise KeyboardInterrupt
        added(self, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveWriter, "add", once)
        with pytest.raises(KeyboardInterrupt):
            add_columns(archive, tmp_path / "b.clips", encoder=Middle(), flow=Dis())
    again, flow = Middle(), Counting()
    copy = add_columns(archive, tmp_path / "b.clips", encoder=again, flow=flow)
    assert len(again.crops) == 9
    assert flow.pairs == 8
    assert files(copy.folder) == files(whole.folder)


@pytest.mark.skipif(sys.platform == "win32", reason="a process that ends at once is told so by a signal")
def test_killed_and_gone_on_with(tmp_path):
    archive = write_drifting(tmp_path / "a.clips", (4, 3, 4), features=True)
    code = """
import os, sys, time
from backend.training.archive import ArchiveWriter
written = ArchiveWriter._note
def slow(self, entry):
    if entry.get("name") == "made 1":  # all of it is in its files, but it does not count yet
        print("writing", flush=True)
        time.sleep(60)
    written(self, entry)
ArchiveWriter._note = slow
from backend.__main__ import main
main(["prepare", "archive", sys.argv[1], "-o", sys.argv[2], "--flow", "--images"])
"""
    command = [sys.executable, "-c", code, str(archive.folder), str(tmp_path / "b.clips")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=tmp_path, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    with pytest.raises(CaptureError) as caught:
        open_archive(tmp_path / "b.clips")
    assert caught.value.code == "archive_missing"
    assert (tmp_path / "b.clips" / "flow.bin").stat().st_size == 7 * 2 * 56 * 56 * 2
    flow = Counting()
    add_columns(archive, tmp_path / "b.clips", flow=flow, images=True)
    assert flow.pairs == 2 + 3
    whole = add_columns(archive, tmp_path / "whole.clips", flow=Dis(), images=True)
    assert files(tmp_path / "b.clips") == files(whole.folder)


def test_two_methods_are_not_mixed(tmp_path, monkeypatch):
    archive = write_drifting(tmp_path / "a.clips")
    other = Dis()
    other.name = "raft_small"
    with monkeypatch.context() as patch:
        patch.setattr(ArchiveWriter, "finish", lambda self: None)
        add_columns(archive, tmp_path / "b.clips", flow=Dis())
    with pytest.raises(CaptureError) as caught:
        add_columns(archive, tmp_path / "b.clips", flow=other)
    assert caught.value.code == "archive_other"
    assert add_columns(archive, tmp_path / "b.clips", flow=Dis()).column("flow").any()


def test_two_sources_or_networks_are_not_mixed(tmp_path, monkeypatch):
    one, other = (write_drifting(tmp_path / f"{name}.clips", (4, count)) for name, count in (("a", 3), ("b", 5)))
    network, better = tmp_path / "spin.pth.tar", tmp_path / "better.pth.tar"
    network.write_bytes(b"one")
    better.write_bytes(b"two")
    out, added = tmp_path / "out.clips", ArchiveWriter.add

    def once(self, name, *arguments):
        if name == "made 1":
            raise KeyboardInterrupt
        added(self, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ArchiveWriter, "add", once)
        with pytest.raises(KeyboardInterrupt):
            add_columns(one, out, encoder=Middle(), networks=(network,))
    begun = files(out)
    for source, used in ((other, (network,)), (one, (better,)), (one, ())):
        with pytest.raises(CaptureError) as caught:
            add_columns(source, out, encoder=Middle(), networks=used)
        assert caught.value.code == "archive_other"
        assert files(out) == begun
    elsewhere = (network.rename(tmp_path / "moved.pth.tar"), one.folder.rename(tmp_path / "moved.clips"))
    assert len(add_columns(open_archive(elsewhere[1]), out, encoder=Middle(), networks=elsewhere[:1])) == 7


def test_the_command_tells_whose_network_it_is(tmp_path, monkeypatch):
    source, told = write_drifting(tmp_path / "a.clips"), []

    def stopped(*_, networks, **__):
        told.append(networks)
        raise CaptureError("stopped", "Enough.", "None.")

    monkeypatch.setattr(archive_copy, "add_columns", stopped)
    monkeypatch.setattr(command, "_encoder", lambda options: Middle())
    monkeypatch.setattr(command, "_flow_method", lambda options: Dis())
    begin = ["prepare", "archive", str(source.folder), "-o", str(tmp_path / "b.clips")]
    for more in (["--features", "s.tar", "--raft", "r.pth"], ["--features", "landmarks", "--flow"]):
        assert main([*begin, *more]) == 1
    assert told == [(Path("s.tar"), Path("r.pth")), ()]


def test_archives_without_pictures(tmp_path):
    archive = write_archive(tmp_path / "a.clips", lengths=(12,))
    for more in ({"encoder": Middle()}, {"flow": Dis()}):
        with pytest.raises(CaptureError) as caught:
            add_columns(archive, tmp_path / "b.clips", **more)
        assert caught.value.code == "no_pictures"
    with pytest.raises(ValueError, match="nothing new"):
        add_columns(archive, tmp_path / "b.clips")


def test_damaged_pictures_are_told(tmp_path):
    archive = write_drifting(tmp_path / "a.clips")
    (archive.folder / "images.bin").write_bytes(bytes((archive.folder / "images.bin").stat().st_size))
    with pytest.raises(CaptureError) as caught:
        add_columns(open_archive(archive.folder), tmp_path / "b.clips", flow=Dis())
    assert caught.value.code == "archive_broken"


@pytest.mark.parametrize("dataset", ["archive", "amass", "rendered"])
def test_what_is_read_is_not_written_and_nobody_is_told_to_delete_it(tmp_path, capsys, monkeypatch, dataset):
    source = write_drifting(tmp_path / "a.clips", features=True).folder
    monkeypatch.chdir(tmp_path)
    before = files(source)
    for same in (str(source), "a.clips", str(tmp_path / "b" / ".." / "a.clips")):
        (tmp_path / "b").mkdir(exist_ok=True)
        assert main(["prepare", dataset, str(source), "-o", same, *(["--flow"] if dataset == "archive" else [])]) == 1
        told = capsys.readouterr().err
        assert "not written over" in told
        assert "elete" not in told
    assert files(source) == before


def test_short_sequences_of_datasets_on_the_command_line(tmp_path, capsys):
    make_penn_action(tmp_path / "raw")
    command = ["prepare", "penn-action", str(tmp_path / "raw"), "-o"]
    assert main([*command, str(tmp_path / "a.clips"), "--shortest", str(COUNT + 1)]) == 1
    assert f"at least {COUNT + 1} usable frames" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "b.clips"), "--fps", "15"]) == 1  # every other frame
    assert "at least 16 usable frames" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "c.clips"), "--shortest", str(COUNT)]) == 0


def test_pictures_that_are_rendered_get_flow_later(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["prepare", "rendered", str(tmp_path), "-o", str(tmp_path / "r.clips"), "--raft", "raft.pth"])
    assert "--raft and --models are not for rendered" in capsys.readouterr().err


def test_command_line(tmp_path, capsys, monkeypatch):
    write_drifting(tmp_path / "a.clips", features=True)
    command = ["prepare", "archive", str(tmp_path / "a.clips"), "-o", str(tmp_path / "b.clips")]
    assert main(command) == 1
    assert "--flow" in capsys.readouterr().err
    assert main([*command, "--flow"]) == 0
    assert "9 frames, 2 sequences" in capsys.readouterr().out
    assert open_archive(tmp_path / "b.clips").columns == ("features", "boxes", "frames", "flow")
    for option in ("--limit", "--shortest", "--fps"):
        with pytest.raises(SystemExit):
            main([*command[:-1], str(tmp_path / "c.clips"), "--flow", option, "16"])
        told = capsys.readouterr().err
        assert "datasets only" in told
        assert option in told.splitlines()[-1]
    assert main([*command[:-1], str(tmp_path / "d.clips"), "--raft", str(tmp_path / "none.pth")]) == 1
    assert not (tmp_path / "d.clips").exists()
