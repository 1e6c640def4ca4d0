# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take
from tests.vibe_blender.conftest import blocks
from vibe_blender.contract.take_file import TakeWriter, partial_path, save_take

pytestmark = pytest.mark.usefixtures("panel")


@pytest.mark.parametrize("delete_file", [False, True])
def test_a_take_goes_and_its_file_only_when_asked(video, tmp_path, delete_file) -> None:
    before = blocks()
    path = save_take(small_take(str(video)), tmp_path / "one é.take")
    TakeWriter(path).close()
    bpy.ops.vibe.open_take(filepath=str(path))
    assert bpy.ops.vibe.delete_take(name="one é", delete_file=delete_file) == {"FINISHED"}
    assert blocks() == before
    assert path.exists() is partial_path(path).exists() is not delete_file
    assert bpy.context.scene.vibe.active_take is None
    assert not bpy.ops.vibe.delete_take.poll()


def test_only_the_named_one_goes(video, tmp_path) -> None:
    for name in ("one", "two"):
        bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / f"{name}.take")))
    bpy.ops.vibe.delete_take(name="one")
    assert [collection.name for collection in bpy.data.collections] == ["two"]
    assert bpy.context.scene.vibe.active_take.name == "two"


def test_a_collection_that_is_no_take_is_refused(video, tmp_path) -> None:
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "one.take")))
    mine = bpy.data.collections.new("mine")
    with pytest.raises(RuntimeError, match="There is no take mine"):
        bpy.ops.vibe.delete_take(name="mine")
    assert mine.name in bpy.data.collections


def test_a_file_that_is_no_take_is_never_deleted(video, tmp_path) -> None:
    path = save_take(small_take(str(video)), tmp_path / "one.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    path.unlink()
    path.write_bytes(b"my thesis")
    with pytest.raises(RuntimeError, match="cannot be read as a take"):
        bpy.ops.vibe.delete_take(name="one", delete_file=True)
    assert path.read_bytes() == b"my thesis"
    assert "one" in bpy.data.collections


def test_a_file_that_another_take_shows_stays(video, tmp_path) -> None:
    path = save_take(small_take(str(video)), tmp_path / "one.take")
    for _ in range(2):
        bpy.ops.vibe.open_take(filepath=str(path))
    with pytest.raises(RuntimeError, match="also shown by another take"):
        bpy.ops.vibe.delete_take(name="one", delete_file=True)
    assert path.is_file()


def test_after_the_active_take_is_deleted_the_others_can_be_used(video, tmp_path) -> None:
    for name in ("one", "two"):
        bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / f"{name}.take")))
    bpy.ops.vibe.delete_take(name="two")
    assert bpy.ops.vibe.fit_timeline() == {"FINISHED"}
    assert bpy.ops.vibe.rename_take(new_name="three") == {"FINISHED"}
    assert [collection.name for collection in bpy.data.collections] == ["three"]
