# SPDX-License-Identifier: MIT
from __future__ import annotations

import json
import math
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.training.archive import COLUMNS, ArchiveWriter, Facts, open_archive
from tests.training_data import write_archive
from vibe_blender.contract.errors import CaptureError

REPOSITORY = Path(__file__).resolve().parents[3]
FACTS = Facts("made", "train", "Free for all uses.")


def arrays_of(count: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"betas": random.normal(size=(count, 10)), "features": random.uniform(size=(count, 2048))}


def write(folder: Path, count: int = 3) -> None:
    writer = ArchiveWriter(folder, FACTS, ("betas", "features"))
    for number in range(count):
        if f"s{number}" not in writer.done:
            writer.add(f"s{number}", 25.0, arrays_of(10 + number, number))
    writer.finish()


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(CaptureError) as caught:
        call(*arguments)
    return caught.value.code


def test_what_was_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "x 走 é.clips"
    writer = ArchiveWriter(folder, FACTS, ("features", "betas", "pictures", "picture_boxes", "contacts"))
    first, second = arrays_of(4, 0), arrays_of(6, 1)
    writer.add("a", 25, first)
    boxes = np.arange(24).reshape(6, 4)
    writer.add("b", 29.97, {**second, "picture_boxes": boxes}, [b"12", b"", b"345", b"6", b"", b"7890"])
    archive = writer.finish()
    assert len(archive) == 10
    assert archive.facts == FACTS
    assert [(s.name, s.first, s.count, s.fps) for s in archive.sequences] == [("a", 0, 4, 25), ("b", 4, 6, 29.97)]
    assert archive.sequences[0].columns == ("features", "betas")
    assert archive.sequences[1].columns == ("features", "betas", "pictures", "picture_boxes")
    np.testing.assert_array_equal(
        archive.column("features"), np.concatenate([first["features"], second["features"]]).astype(np.float16)
    )
    np.testing.assert_array_equal(archive.column("betas")[4:], second["betas"].astype(np.float32))
    np.testing.assert_array_equal(archive.column("contacts"), np.zeros((10, 2)))
    assert [archive.picture(frame) for frame in range(4, 10)] == [b"12", b"", b"345", b"6", b"", b"7890"]
    assert archive.picture(0) == b""
    with pytest.raises(KeyError):
        archive.column("boxes")
    archive.verify()
    assert {path.name for path in folder.iterdir()} == {
        "archive.json", "features.bin", "betas.bin", "contacts.bin", "pictures.bin", "picture_boxes.bin", "images.bin",
    }  # fmt: skip


def test_columns_say_what_numbers_they_hold() -> None:
    assert {column.name: column.frame_bytes for column in COLUMNS if column.name in ("features", "frames")} == {
        "features": 4096,
        "frames": 8,
    }


@pytest.mark.parametrize(
    ("arrays", "pictures", "says"),
    [
        ({"betas": np.zeros((5, 9))}, None, "shape"),
        ({"betas": np.zeros((5, 10)), "features": np.zeros((4, 2048))}, None, "4, 5"),
        ({"betas": np.full((5, 10), np.nan)}, None, "numbers"),
        ({"features": np.full((5, 2048), 1e6)}, None, "numbers"),  # more than 16 bits hold
        ({"boxes": np.zeros((5, 4))}, None, "no column"),
        ({"betas": np.zeros((0, 10))}, None, "frames"),
        ({}, None, "frames"),
        ({"betas": np.zeros((2, 10))}, [b"1", b"2"], "pictures"),
    ],
)
def test_nonsense_is_not_written(
    tmp_path: Path, arrays: dict[str, np.ndarray], pictures: list[bytes] | None, says: str
) -> None:
    writer = ArchiveWriter(tmp_path / "x.clips", FACTS, ("betas", "features"))
    writer.add("good", 25, arrays_of(3, 0))
    with pytest.raises(ValueError, match=says):
        writer.add("bad", 25, arrays, pictures)
    with pytest.raises(ValueError, match="second"):
        writer.add("good", 25, arrays_of(3, 0))
    with pytest.raises(ValueError, match="frames a second"):
        writer.add("still", math.nan, arrays_of(3, 0))
    assert [sequence.name for sequence in writer.finish().sequences] == ["good"]


@pytest.mark.parametrize("columns", [(), ("nonsense",), ("pictures",)])
def test_columns_that_cannot_be(tmp_path: Path, columns: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="columns"):
        ArchiveWriter(tmp_path / "x.clips", FACTS, columns)
    assert not (tmp_path / "x.clips").exists()


def test_pictures_without_their_place_are_refused(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "x.clips", FACTS, ("pictures", "picture_boxes"))
    with pytest.raises(ValueError, match="go together"):
        writer.add("a", 25, {}, [b"1"])
    with pytest.raises(ValueError, match="go together"):
        writer.add("a", 25, {"picture_boxes": np.zeros((1, 4))})


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
import backend.training.archive as archive

folder, left = Path(sys.argv[1]), int(sys.argv[2])
real = archive.os.fsync

def fsync(number):
    global left
    real(number)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

archive.os.fsync = fsync
writer = archive.ArchiveWriter(folder, archive.Facts("made", "train", "Free for all uses."), ("betas", "features"))
for number in range(3):
    random = np.random.default_rng(number)
    arrays = {"betas": random.normal(size=(10 + number, 10)), "features": random.uniform(size=(10 + number, 2048))}
    writer.add(f"s{number}", 25.0, arrays)
writer.finish()
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_killed_after_any_write_it_goes_on(tmp_path: Path) -> None:
    write(tmp_path / "whole.clips")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole.clips").iterdir()}
    for moment in range(1, 40):
        folder = tmp_path / f"{moment}.clips"
        command = [sys.executable, "-c", KILLED, str(folder), str(moment)]
        ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if ended.stdout:
            break
        assert ended.returncode == -9, ended.stderr
        assert code_of(open_archive, folder) == "archive_missing"
        # What another kill leaves behind is more than what was whole.
        with (folder / "betas.bin").open("ab") as file:
            file.write(b"torn")
        write(folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole, moment
    else:
        pytest.fail("it never came to its end")
    assert moment > 10


def test_what_is_done_is_known_after_an_end(tmp_path: Path) -> None:
    folder = tmp_path / "x.clips"
    writer = ArchiveWriter(folder, FACTS, ("betas", "features"))
    writer.add("s0", 25.0, arrays_of(10, 0))
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"name": "s1", "first": 10, "cou')
    again = ArchiveWriter(folder, FACTS, ("betas", "features"))
    assert again.done == {"s0"}
    again.add("s1", 25.0, arrays_of(11, 1))
    again.add("s2", 25.0, arrays_of(12, 2))
    again.finish()
    write(tmp_path / "whole.clips")
    for name in ("archive.json", "betas.bin", "features.bin"):
        assert (folder / name).read_bytes() == (tmp_path / "whole.clips" / name).read_bytes()


def test_a_full_disk_leaves_a_writer_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ArchiveWriter(tmp_path / "x.clips", FACTS, ("betas", "features"))
    writer.add("s0", 25.0, arrays_of(10, 0))
    real = ArchiveWriter._write

    def full(self: ArchiveWriter, name: str, data: bytes, at: int) -> None:
        real(self, name, data[: len(data) // 2], at)
        if name == "betas.bin":
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(ArchiveWriter, "_write", full)
        with pytest.raises(OSError, match="space"):
            writer.add("s1", 25.0, arrays_of(11, 1))
    assert writer.done == {"s0"}
    writer.add("s1", 25.0, arrays_of(11, 1))
    archive = writer.finish()
    np.testing.assert_array_equal(archive.column("betas")[10:], arrays_of(11, 1)["betas"].astype(np.float32))
    archive.verify()


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "x.clips"
    write(folder)
    assert code_of(ArchiveWriter, folder, FACTS, ("betas",)) == "archive_finished"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("…", encoding="utf-8")
    assert code_of(ArchiveWriter, tmp_path / "mine", FACTS, ("betas",)) == "archive_other"
    assert code_of(ArchiveWriter, tmp_path / "mine" / "thesis.txt", FACTS, ("betas",)) == "archive_other"
    ArchiveWriter(tmp_path / "begun.clips", FACTS, ("betas",))
    assert code_of(ArchiveWriter, tmp_path / "begun.clips", FACTS, ("betas", "features")) == "archive_other"
    other = Facts("other", "train", "Free for all uses.")
    assert code_of(ArchiveWriter, tmp_path / "begun.clips", other, ("betas",)) == "archive_other"
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["thesis.txt"]


def test_files_that_vanished_under_an_unfinished_archive(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path / "x.clips", FACTS, ("betas",))
    writer.add("a", 25, {"betas": np.zeros((3, 10))})
    (tmp_path / "x.clips" / "betas.bin").write_bytes(b"")
    assert code_of(ArchiveWriter, tmp_path / "x.clips", FACTS, ("betas",)) == "archive_broken"


@pytest.mark.parametrize("journal", [b"\n", b"[]\n", b"nonsense\n", b"\xff\xfe\n", b'{"facts": 3}\n'])
def test_strange_journals(tmp_path: Path, journal: bytes) -> None:
    folder = tmp_path / "x.clips"
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(journal)
    assert code_of(ArchiveWriter, folder, FACTS, ("betas",)) in ("archive_other", "archive_broken")


def test_of_two_writers_one_gives_up(tmp_path: Path) -> None:
    folder = tmp_path / "x.clips"
    one = ArchiveWriter(folder, FACTS, ("betas",))
    two = ArchiveWriter(folder, FACTS, ("betas",))
    two.add("a", 25, {"betas": np.ones((3, 10))})
    assert code_of(one.add, "b", 25, {"betas": np.zeros((9, 10))}) == "archive_busy"
    assert code_of(one.finish) == "archive_busy"
    two.add("b", 25, {"betas": np.full((2, 10), 2)})
    archive = two.finish()
    assert code_of(one.add, "c", 25, {"betas": np.zeros((9, 10))}) == "archive_busy"
    archive.verify()
    np.testing.assert_array_equal(archive.column("betas")[:, 0], [1, 1, 1, 2, 2])


def _fill(folder: Path, results: Any) -> None:
    try:
        writer = ArchiveWriter(folder, FACTS, ("betas",))
        for number in range(60):
            if f"{number}" not in writer.done:
                writer.add(f"{number}", 25, {"betas": np.full((3, 10), number)})
        writer.finish()
        results.put("whole")
    except CaptureError as error:
        results.put(error.code)


def test_two_processes_leave_one_whole_archive(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_fill, args=(tmp_path / "x.clips", results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    told = sorted(results.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    assert told[1] == "whole"
    assert told[0] in ("archive_busy", "archive_finished")
    archive = open_archive(tmp_path / "x.clips")
    archive.verify()
    np.testing.assert_array_equal(archive.column("betas")[:, 4], np.repeat(np.arange(60), 3))


def test_processes_read_the_same_archive(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "x.clips", "3d", (5, 4), pictures=True)
    archive.column("betas")
    again = pickle.loads(pickle.dumps(archive))
    assert again.sequences == archive.sequences
    assert not again._maps
    np.testing.assert_array_equal(again.column("joints2d"), archive.column("joints2d"))
    assert again.picture(3) == archive.picture(3) != b""


@pytest.mark.parametrize("damage", ["betas.bin", "images.bin"])
def test_changed_bytes_are_found(tmp_path: Path, damage: str) -> None:
    archive = write_archive(tmp_path / "x.clips", "3d", (5,), pictures=True)
    data = bytearray((archive.folder / damage).read_bytes())
    data[len(data) // 2] ^= 1
    (archive.folder / damage).write_bytes(bytes(data))
    open_archive(archive.folder)
    assert code_of(archive.verify) == "archive_broken"
    (archive.folder / damage).unlink()
    assert code_of(archive.verify) == "archive_broken"
    assert code_of(open_archive, archive.folder) == "archive_broken"


def test_files_of_wrong_sizes_are_found(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "x.clips", "3d", (5,), pictures=True)
    for change in (1, -1):
        path = archive.folder / "betas.bin"
        whole = path.read_bytes()
        path.write_bytes(whole + b"0" if change > 0 else whole[:-1])
        assert code_of(open_archive, archive.folder) == "archive_broken"
        path.write_bytes(whole)
    path = archive.folder / "images.bin"
    path.write_bytes(path.read_bytes()[:-1])
    cut = open_archive(archive.folder)
    assert cut.picture(3) == archive.picture(3)
    assert code_of(cut.picture, 4) == "archive_broken"


@pytest.mark.parametrize("entry", [(-4, 8), (2**62, 2**62), (0, 2**62), (0, -1), (2**63 - 1, 2**63 - 1)])
def test_pictures_that_lie_elsewhere(tmp_path: Path, entry: tuple[int, int]) -> None:
    archive = write_archive(tmp_path / "x.clips", "3d", (5,), pictures=True)
    places = np.fromfile(archive.folder / "pictures.bin", "<i8").reshape(-1, 2)
    places[2] = entry
    places.tofile(archive.folder / "pictures.bin")
    again = open_archive(archive.folder)
    assert again.picture(1) == archive.picture(1)
    assert code_of(again.picture, 2) == "archive_broken"


def _hostile(index: dict[str, Any]) -> list[Any]:
    """Indices that are wrong in one way each."""
    first, second = index["sequences"]
    hashes = index["sha256"]

    def with_sequences(*entries: Any) -> dict[str, Any]:
        return {**index, "sequences": list(entries)}

    return [
        {key: value for key, value in index.items() if key != "facts"},
        {**index, "facts": {**index["facts"], "more": "x"}},
        {**index, "facts": {**index["facts"], "terms": 3}},
        {**index, "facts": {**index["facts"], "features": "hmr"}},
        {**index, "facts": []},
        {**index, "program": None},
        {**index, "sequences": 3},
        {**index, "sequences": {"a": 1}},
        {**index, "sha256": [1, 2]},
        {**index, "sha256": {}},
        {**index, "sha256": {**hashes, "../../passwd": "0"}},
        {**index, "sha256": {**hashes, "features.bin": 3}},
        {**index, "sha256": {**hashes, "images.bin": "0"}},
        with_sequences(first),
        with_sequences(second, first),
        with_sequences(first, {**second, "count": -4}),
        with_sequences(first, {**second, "count": 4.0}),
        with_sequences(first, {**second, "count": math.nan}),
        with_sequences(first, {**second, "count": 10**400}),
        with_sequences(first, {**second, "count": "4"}),
        with_sequences(first, {**second, "first": False}),
        with_sequences(first, {**second, "fps": 0}),
        with_sequences(first, {**second, "fps": math.inf}),
        with_sequences(first, {**second, "fps": "25"}),
        with_sequences(first, {**second, "name": first["name"]}),
        with_sequences(first, {**second, "name": ["x"]}),
        with_sequences(first, {**second, "columns": ["joints3d"]}),
        with_sequences(first, {**second, "columns": 3}),
        with_sequences(first, {**second, "columns": [["betas"]]}),
        with_sequences(first, {**second, "more": 3}),
        with_sequences(first, []),
    ]


def test_hostile_indices(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "x.clips", "2d", (5, 4))
    path = archive.folder / "archive.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    for number, hostile in enumerate(_hostile(index)):
        path.write_text(json.dumps(hostile), encoding="utf-8")
        assert code_of(open_archive, archive.folder) == "archive_broken", number
    for text in (b"", b"\xff\xfe", b"[" * 100000, b"{", b"null", b'{"format": "other"}'):
        path.write_bytes(text)
        assert code_of(open_archive, archive.folder) == "archive_broken", text[:9]
    path.write_text(json.dumps({**index, "version": 2}), encoding="utf-8")
    assert code_of(open_archive, archive.folder) == "archive_newer"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    assert code_of(open_archive, archive.folder) == "archive_broken"


def test_what_is_no_archive(tmp_path: Path) -> None:
    assert code_of(open_archive, tmp_path / "not there") == "archive_missing"
    (tmp_path / "file").write_bytes(b"")
    assert code_of(open_archive, tmp_path / "file") == "archive_missing"
    ArchiveWriter(tmp_path / "begun.clips", FACTS, ("betas",))
    with pytest.raises(CaptureError, match="unfinished"):
        open_archive(tmp_path / "begun.clips")


LARGE = """
import json, resource, sys
from pathlib import Path
from backend.training.archive import open_archive

folder, frames = Path(sys.argv[1]), int(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
archive = open_archive(folder)
total = sum(float(archive.column("features")[at : at + 16].sum()) for at in range(0, frames - 16, frames // 50))
more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([len(archive), total, more / (1 if sys.platform == "darwin" else 1024) / 1024]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory as Unix does")
def test_gigabytes_are_not_loaded(tmp_path: Path) -> None:
    frames = 1 << 19
    folder = tmp_path / "large.clips"
    write(folder, 1)
    index = json.loads((folder / "archive.json").read_text(encoding="utf-8"))
    index["sequences"][0]["count"] = frames
    (folder / "archive.json").write_text(json.dumps(index), encoding="utf-8")
    for name, each in (("features.bin", 4096), ("betas.bin", 40)):
        with (folder / name).open("r+b") as file:
            file.truncate(frames * each)  # holes: two gigabytes that take no room
    command = [sys.executable, "-c", LARGE, str(folder), str(frames)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    count, total, more_mb = json.loads(ended.stdout)
    assert count == frames
    assert total == pytest.approx(arrays_of(10, 0)["features"].sum(), rel=1e-3)
    assert more_mb < 100
