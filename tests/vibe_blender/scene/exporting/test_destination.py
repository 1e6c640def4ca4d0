# SPDX-License-Identifier: MIT
import pytest

pytest.importorskip("bpy")

from vibe_blender.contract.errors import CaptureError
from vibe_blender.scene.exporting.destination import check_destination


@pytest.mark.parametrize("name", ["walk.obj", "walk", "walk.blend.txt"])
def test_an_unknown_format_is_told(tmp_path, name) -> None:
    with pytest.raises(CaptureError) as caught:
        check_destination(tmp_path / name)
    assert caught.value.code == "bad_format"
    assert ".glb" in caught.value.hint


def test_a_place_that_cannot_be_written_is_told(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder.blend").mkdir()
    for path in (tmp_path / "file" / "walk.blend", tmp_path / "folder.blend"):
        with pytest.raises(CaptureError) as caught:
            check_destination(path)
        assert caught.value.code == "unwritable"
        assert str(path) in caught.value.message


def test_checking_leaves_an_existing_file_alone(tmp_path) -> None:
    path = tmp_path / "walk.blend"
    path.write_bytes(b"precious")
    check_destination(path)
    assert path.read_bytes() == b"precious"
    assert [*tmp_path.iterdir()] == [path]
