# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import os

import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from vibe_blender import stored_maps
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.retargeting.bone_map import BoneMap, Limb, MappedPart, Offset, Switch, TwistBone
from vibe_blender.stored_maps import fitted, forget_map, read_map, store_map, stored_map, write_map

FULL = BoneMap(
    (MappedPart("pelvis", ("a",)), MappedPart("spine", ("b", "c"), "guessed"), MappedPart("head", ("d",), "chosen")),
    rig="Mine é",
    twists=(TwistBone("e", "left_hip", 0.5),),
    offsets=(Offset("d", (1.0, 0.0, 0.0, 0.0)),),
    switches=(Switch("f", "IK_FK", 1.0, 0.0),),
    limbs=(Limb("left_hip", "g", "h", Switch("f", "pole", 0.0, 1.0), "i"),),
)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    place = tmp_path / "maps 地图" / "deep"
    monkeypatch.setattr(stored_maps, "maps_folder", lambda: place)
    return place


def test_a_stored_map_is_found_by_the_names_of_the_bones(folder) -> None:
    assert stored_map(["a", "b"]) is None
    store_map(["b", "a"], FULL)
    assert stored_map(["a", "b"]) == FULL
    assert stored_map(["a", "b", "c"]) is None
    store_map(["a", "b"], BoneMap(()))
    assert stored_map(["a", "b"]) == BoneMap(())
    assert len(list(folder.iterdir())) == 1
    forget_map(["a", "b"])
    forget_map(["a", "b"])
    assert not list(folder.iterdir())


def test_a_map_that_could_not_be_written_leaves_the_one_before(folder, monkeypatch) -> None:
    store_map(["a"], FULL)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CaptureError, match="No space left on device") as caught:
        store_map(["a"], BoneMap(()))
    assert caught.value.code == "map_unwritable"
    assert stored_map(["a"]) == FULL
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[]", b"x" * 1_000_001])
def test_a_file_that_is_no_map_is_refused(tmp_path, content) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as caught:
        read_map(path)
    assert caught.value.code == "bad_map"


def test_a_map_comes_back_from_its_file(tmp_path) -> None:
    write_map(tmp_path / "new" / "é.json", FULL)
    assert read_map(tmp_path / "new" / "é.json") == FULL


def test_what_a_rig_lacks_is_left_out_of_a_map() -> None:
    assert fitted(FULL, "abcdefghi") == (FULL, 0)
    found, lost = fitted(FULL, "bfg")
    assert lost == 2
    assert found == BoneMap(
        (MappedPart("spine", ("b",), "guessed"),),
        rig="Mine é",
        switches=FULL.switches,
        limbs=(Limb("left_hip", "g", "", FULL.limbs[0].pole_switch),),
    )
    assert fitted(character("Mixamo").true_map, ["x"]) == (
        BoneMap((), rig="Mixamo"),
        len(character("Mixamo").true_map.parts),
    )


def test_the_folder_is_the_user_s(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(tmp_path))
    assert stored_maps.maps_folder().parent == tmp_path
