# SPDX-License-Identifier: MIT
import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.fake_backend import small_take
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take_file import TakeWriter, has_solved_frames, load_take, partial_path, save_take


def code_of(action, *arguments) -> str:
    with pytest.raises(CaptureError) as caught:
        action(*arguments)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.code


def alter(path: Path, script: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(script)


def test_a_take_of_a_newer_version_is_refused(path) -> None:
    save_take(small_take(), path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert code_of(load_take, path) == "take_newer"
    partial_path(path).write_bytes(path.read_bytes())
    assert code_of(lambda: TakeWriter(path, keep=True)) == "take_newer"


def test_foreign_files_are_refused(path) -> None:
    path.parent.mkdir()
    for content in (b"", b"a text", b"SQLite format 3\0", bytes(5000)):
        path.write_bytes(content)
        assert code_of(load_take, path) == "take_damaged"
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE accounts (owner TEXT)")
    database.close()
    assert code_of(load_take, path) == "take_damaged"
    path.unlink()
    assert code_of(load_take, path) == "take_missing"
    assert code_of(load_take, path.parent) == "take_missing"


def test_damage_never_shows_as_anything_but_an_error_to_act_on(path, rich) -> None:
    save_take(rich, path)
    whole = path.read_bytes()
    random = np.random.default_rng(8)
    codes = []
    for attempt in range(150):
        content = bytearray(whole[: random.integers(1, len(whole))] if attempt % 2 else whole)
        if not attempt % 2:
            for place in random.integers(0, len(content), 60):
                content[place] = random.integers(0, 256)
        path.write_bytes(content)
        try:
            load_take(path)
        except CaptureError as error:
            codes.append(error.code)
    assert len(codes) > 75
    assert set(codes) <= {"take_damaged", "take_newer", "take_empty"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("shape", "[-1, 4]"),
        ("shape", "[1073741824, 1073741824]"),
        ("shape", '"no"'),
        ("dtype", "object"),
        ("dtype", "|O"),
        ("data", b"short"),
    ],
)
def test_arrays_that_lie_about_themselves_are_refused(path, column, value) -> None:
    save_take(small_take(), path)
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE arrays SET {column} = ? WHERE name = 'take.root'", (value,))
    database.close()
    assert code_of(load_take, path) == "take_damaged"


def test_rows_of_a_growing_take_are_all_there_or_it_is_damaged(path) -> None:
    values = np.arange(10.0).reshape(5, 2)
    with TakeWriter(path) as writer:
        for some in (values[:3], values[3:]):
            writer.append(1, {"features": some})
        assert writer.rows(1, "features", 1, 4).tolist() == values[1:4].tolist()
        for first, last in ((0, 6), (4, 7), (5, 6), (8, 9)):
            assert code_of(writer.rows, 1, "features", first, last) == "take_damaged"
        assert code_of(writer.rows, 2, "features", 0, 1) == "take_damaged"


BLANK = "UPDATE arrays SET data = zeroblob(length(data)) WHERE name = 'take.{}'"
META = "UPDATE meta SET value = {} WHERE key = '{}'"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (BLANK.format("rotations"), "unit quaternion"),
        (BLANK.format("times"), "ascend"),
        (BLANK.format("frames"), "ascending"),
        (META.format("'[1, 1]'", "people"), "same number"),
        (META.format("""'{"focal_px": -3}'""", "camera"), "focal length"),
        (META.format("""'{"focal_px": NaN}'""", "camera"), "focal length"),
        (META.format("""replace(value, '"width_px": ', '"width_px": -')""", "video"), "video of"),
        (META.format("""replace(value, '"fps": ', '"fps": 0, "was": ')""", "video"), "video of"),
        (META.format("""replace(value, '"first_frame": ', '"first_frame": 7')""", "video"), "outside"),
        (META.format("replace(hex(zeroblob(60000)), '00', '[')", "video"), "recursion"),
    ],
)
def test_values_that_make_no_sense_are_damage(path, take, change: str, why: str) -> None:
    save_take(take, path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute(change).rowcount > 0
        database.commit()
    with pytest.raises(CaptureError, match=why) as caught:
        load_take(path)
    assert caught.value.code == "take_damaged"


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON meta BEGIN DELETE FROM arrays; END",
        "ALTER TABLE arrays RENAME TO a; CREATE VIEW arrays AS SELECT * FROM a",
        "CREATE INDEX i ON meta (upper(value))",
        "CREATE TABLE more (id)",
        "DROP TABLE arrays; CREATE TABLE arrays (owner, name, chunk, dtype, shape, data)",
        "DROP TABLE meta",
    ],
    ids=["trigger", "view", "index", "table", "other columns", "missing"],
)
def test_a_strangers_tables_are_neither_read_nor_written(path, script: str) -> None:
    with TakeWriter(path) as writer:
        writer.extend(small_take())
    part = partial_path(path)
    alter(part, script)
    before = part.read_bytes()
    assert code_of(load_take, path) == "take_damaged"
    assert code_of(lambda: TakeWriter(path, keep=True)) == "take_damaged"
    assert not has_solved_frames(part)
    assert part.read_bytes() == before
