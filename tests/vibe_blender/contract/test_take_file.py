# SPDX-License-Identifier: MIT
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract import take_file as module
from vibe_blender.contract import take_tables
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take import Take
from vibe_blender.contract.take_file import (
    TakeWriter,
    free_take_path,
    is_growing,
    load_take,
    partial_path,
    release_take_path,
    save_take,
)

REPOSITORY = Path(__file__).resolve().parents[3]
GROW_FOREVER = """
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
import numpy as np
from tests.fake_backend import small_take, walking_person
from vibe_blender.contract.take_file import TakeWriter
take = small_take()
writer = TakeWriter(Path(sys.argv[1]))
n = 0
while True:
    times = np.array([n / 25.0])
    writer.extend(replace(take, video=replace(take.video, times=times), people=(walking_person(np.array([n])),)))
    n += 1
    print(n, flush=True)
"""
DIE_WHILE_WRITING = """
import os, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from tests.fake_backend import small_take, walking_person
from vibe_blender.contract import take_file as module, take_tables
writer = module.TakeWriter(Path(sys.argv[1]))
writer.extend(small_take(count=5))
insert = take_tables.insert
def die(database, owner, name, chunk, values):
    insert(database, owner, name, chunk, values)
    if name == "take.keypoints":
        os._exit(9)
take_tables.insert = die
more = small_take(count=9)
person = replace(more.people[0], keypoints=np.zeros((9, 50_000, 3)))
writer.extend(replace(more, people=(person,)))
"""


def same(a: object, b: object) -> bool:
    """Whether two takes, or parts of them, say the same."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray) and a.shape == b.shape and a.dtype.kind == b.dtype.kind and np.array_equal(a, b)
        )
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, item.name), getattr(b, item.name)) for item in fields(a))
    return a == b


def code_of(action, *arguments) -> str:
    with pytest.raises(CaptureError) as caught:
        action(*arguments)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.code


def piece(first: int, count: int) -> Take:
    take = small_take()
    frames = np.arange(first, first + count)
    return replace(take, video=replace(take.video, times=frames / 25.0), people=(walking_person(frames),))


@pytest.fixture
def somebody_else(path):
    """A process that writes the take, killed in the end."""
    command = [sys.executable, "-c", GROW_FOREVER, str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as writer:
        assert next(writer.stdout) == "1\n"
        yield writer
        writer.kill()


def test_a_take_comes_back_as_it_was(path, rich) -> None:
    assert save_take(rich, path) == path
    assert same(load_take(path), rich)
    assert [*path.parent.iterdir()] == [path]


def test_a_growing_take_can_be_read_at_any_moment(path) -> None:
    with TakeWriter(path) as writer:
        assert code_of(load_take, path) == "take_empty"
        for n in range(3):
            writer.extend(piece(4 * n, 4))
            take = load_take(path)
            assert take.status == "partial"
            assert same(take.people[0].root, piece(0, 4 * n + 4).people[0].root)
            assert take.people[0].frames.tolist() == list(range(4 * n + 4))
            assert len(take.video.times) == 4 * n + 4
        writer.finish(piece(0, 12))
    assert load_take(path).status == "complete"
    assert not partial_path(path).exists()


def test_a_take_that_grows_from_a_later_frame_keeps_its_times_with_their_frames(path) -> None:
    with TakeWriter(path) as writer:
        for start in (40, 44):
            grown = piece(start, 4)
            writer.extend(replace(grown, video=replace(grown.video, first_frame=start)))
    take = load_take(path)
    assert take.video.first_frame == 40
    assert np.array_equal(take.video.times[take.people[0].frames - take.video.first_frame], np.arange(40, 48) / 25)


def test_an_unfinished_capture_can_go_on(path) -> None:
    with TakeWriter(path) as writer:
        writer.append(0, {"scores": np.arange(3.0)})
        writer.note("settings", {"fast": True})
        writer.finish(replace(piece(0, 3), status="partial"))
    assert load_take(path).status == "partial"
    with TakeWriter(path, keep=True) as writer:
        writer.append(0, {"scores": np.arange(3.0, 5.0)})
        assert writer.evidence(0, "scores").tolist() == [0, 1, 2, 3, 4]
        assert writer.evidence(7, "scores") is None
        assert writer.owners("scores") == [0]
        assert writer.noted("settings") == {"fast": True}
        assert writer.noted("nothing") is None
    with TakeWriter(path) as writer:
        assert writer.evidence(0, "scores") is None
        writer.discard()
    assert not partial_path(path).exists()


def test_a_killed_writer_leaves_what_it_had_said(path) -> None:
    command = [sys.executable, "-c", GROW_FOREVER, str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as writer:
        said = [int(next(writer.stdout)) for _ in range(20)][-1]
        writer.kill()
        said = max([said, *(int(line) for line in writer.stdout if line.strip())])
    take = load_take(path)
    count = len(take.video.times)
    assert count in (said, said + 1)
    assert take.people[0].frames.tolist() == list(range(count))


def test_a_writer_that_dies_in_the_middle_of_a_write_leaves_the_state_before(path) -> None:
    command = [sys.executable, "-c", DIE_WHILE_WRITING, str(path)]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 9
    journal = partial_path(path).with_name(partial_path(path).name + "-journal")
    assert journal.stat().st_size > 0
    assert same(load_take(path).people, small_take(count=5).people)


def test_a_full_disk_is_told_and_loses_nothing(path) -> None:
    with TakeWriter(path) as writer:
        writer.extend(piece(0, 4))
        (pages,) = writer._database.execute("PRAGMA page_count").fetchone()
        writer._database.execute(f"PRAGMA max_page_count = {pages}")
        big = replace(piece(4, 4).people[0], keypoints=np.zeros((4, 5000, 3)))
        assert code_of(writer.extend, replace(piece(4, 4), people=(big,))) == "disk_full"
        assert code_of(writer.append, 1, {"scores": np.zeros(50_000)}) == "disk_full"
    assert same(load_take(path).people, piece(0, 4).people)


def test_a_disk_that_fills_up_at_the_end_keeps_both_files(path, monkeypatch) -> None:
    save_take(piece(0, 2), path)
    create = take_tables.create

    def small_disk(database: sqlite3.Connection) -> None:
        create(database)
        database.execute("PRAGMA max_page_count = 6")

    with TakeWriter(path) as writer:
        writer.extend(piece(0, 4))
        monkeypatch.setattr(take_tables, "create", small_disk)
        big = replace(piece(0, 4).people[0], keypoints=np.zeros((4, 5000, 3)))
        assert code_of(writer.finish, replace(piece(0, 4), people=(big,))) == "disk_full"
    assert len(load_take(path).video.times) == 2
    assert len(load_take(partial_path(path)).video.times) == 4
    assert sorted(path.parent.iterdir()) == sorted([path, partial_path(path)])


def test_a_growing_file_that_somebody_holds_on_to_does_not_make_a_finished_take_a_failure(path, monkeypatch) -> None:
    remove = module._remove

    def held(victim: Path) -> None:
        if victim == partial_path(path):
            raise PermissionError(13, "used by another process")
        remove(victim)

    with TakeWriter(path) as writer:
        writer.extend(piece(0, 4))
        monkeypatch.setattr(module, "_remove", held)
        assert writer.finish(piece(0, 4)) == path
        assert code_of(writer.discard) == "take_unwritable"
    assert load_take(path).status == "complete"


def test_a_system_that_reports_no_space_is_the_same(path, monkeypatch) -> None:
    def replace_fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace_fails)
    assert code_of(save_take, small_take(), path) == "disk_full"


def test_a_folder_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert code_of(save_take, small_take(), tmp_path / "file" / "walk.take") == "take_unwritable"
    (tmp_path / "walk.take").mkdir()
    assert code_of(save_take, small_take(), tmp_path / "walk.take") == "take_unwritable"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing is read-only for this user")
def test_a_read_only_folder_is_told(tmp_path) -> None:
    tmp_path.chmod(0o500)
    assert code_of(save_take, small_take(), tmp_path / "walk.take") == "take_unwritable"
    tmp_path.chmod(0o700)


def test_an_array_of_another_kind_is_a_fault_of_the_program(path) -> None:
    with TakeWriter(path) as writer, pytest.raises(TypeError):
        writer.append(0, {"names": np.array(["a"])})


def test_a_take_has_one_writer_and_many_readers(path) -> None:
    for keep in (False, True):
        with TakeWriter(path) as writer:
            writer.extend(piece(0, 4))
            assert is_growing(path)
            assert is_growing(partial_path(path))
            assert code_of(lambda keep=keep: TakeWriter(path, keep=keep)) == "take_in_use"
            assert same(load_take(path).people, piece(0, 4).people)
            writer.extend(piece(4, 4))
        assert not is_growing(path)
    with TakeWriter(path, keep=True) as writer:
        writer.finish(piece(0, 8))
        assert code_of(save_take, piece(0, 2), path) == "take_in_use"
    assert len(load_take(path).video.times) == 8
    assert [*path.parent.iterdir()] == [path]


def test_another_process_keeps_its_take_until_it_dies(path, somebody_else) -> None:
    assert is_growing(path)
    assert code_of(lambda: TakeWriter(path, keep=True)) == "take_in_use"
    assert code_of(save_take, piece(0, 2), path) == "take_in_use"
    for _ in range(6):  # each time it is whole, whatever is written meanwhile
        assert load_take(path).status == "partial"
    somebody_else.kill()
    somebody_else.wait()
    assert not is_growing(path)
    with TakeWriter(path, keep=True) as writer:
        assert len(writer.evidence(0, "take.times")) >= 1


def test_a_part_that_was_never_begun_is_begun(path) -> None:
    path.parent.mkdir()
    partial_path(path).touch()
    with TakeWriter(path, keep=True) as writer:
        writer.extend(piece(0, 4))
    assert len(load_take(path).video.times) == 4


class TestFreeTakePath:
    def test_who_asks_at_the_same_time_gets_another(self, tmp_path) -> None:
        with ThreadPoolExecutor(8) as starters:
            names = [path.name for path in starters.map(lambda _: free_take_path(tmp_path, "walk"), range(16))]
        assert set(names) == {"walk.take", *(f"walk {n}.take" for n in range(2, 17))}

    def test_a_name_that_nobody_used_is_free_again(self, tmp_path) -> None:
        first = free_take_path(tmp_path, "walk")
        assert free_take_path(tmp_path, "walk") == tmp_path / "walk 2.take"
        long_ago = time.time() - 120
        os.utime(partial_path(first), (long_ago, long_ago))
        assert free_take_path(tmp_path, "walk") == first
        release_take_path(first)
        assert free_take_path(tmp_path, "walk") == first

    def test_a_capture_that_was_begun_is_not_given_back(self, tmp_path) -> None:
        path = free_take_path(tmp_path, "walk")
        with TakeWriter(path) as writer:
            writer.extend(small_take())
            release_take_path(path)
        release_take_path(path)
        assert load_take(path).status == "partial"
        assert free_take_path(tmp_path, "walk") == tmp_path / "walk 2.take"

    def test_no_other_take_is_touched(self, tmp_path) -> None:
        folder = tmp_path / "not there yet"
        assert free_take_path(folder, "walk") == folder / "walk.take"
        release_take_path(folder / "walk.take")
        assert list(folder.iterdir()) == []
        (folder / "walk.take").write_bytes(b"")
        assert free_take_path(folder, "walk") == folder / "walk 2.take"
        partial_path(folder / "walk 2.take").write_bytes(b"")
        (folder / "walk 4.take").write_bytes(b"")
        assert free_take_path(folder, "walk") == folder / "walk 3.take"
        assert free_take_path(folder, "jump é 走") == folder / "jump é 走.take"

    @pytest.mark.parametrize("stem", ["走" * 80, "x" * 250, "é" * 127, "", "  ", "\udcff"])
    def test_a_take_can_be_written_there_whatever_the_video_is_called(self, tmp_path, stem) -> None:
        for number in range(1, 3):
            path = free_take_path(tmp_path, stem)
            assert save_take(small_take(), path).is_file()
            assert len(list(tmp_path.iterdir())) == number
