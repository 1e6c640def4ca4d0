# SPDX-License-Identifier: MIT
import argparse
from pathlib import Path

import pytest

from vibe_blender.casting import Piece, Role, pieces_from
from vibe_blender.contract.arguments import add_retarget_arguments
from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.retargeting.settings import Retarget


def pieces(*arguments: str) -> tuple[Piece, ...]:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path, nargs="+")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--format", default="blend")
    for name in ("--picture", "--take"):
        parser.add_argument(name, type=Path)
    add_retarget_arguments(parser)
    return pieces_from(parser.parse_args(arguments))


def rig(name: str) -> Path:
    return Path(name).absolute()


def test_without_characters_a_take_becomes_one_file() -> None:
    assert pieces("walk.take", "--save", "out.blend") == (Piece(Path("walk.take"), (), Path("out.blend")),)


def test_one_character_plays_where_it_stands() -> None:
    (piece,) = pieces("walk.take", "--save", "out.fbx", "--target", "hero.blend", "--retarget", "feet=0.5")
    assert piece.roles == (Role(rig("hero.blend"), "", None, None, Retarget(feet=0.5)),)


def test_several_characters_in_one_file_stay_together() -> None:
    (piece,) = pieces(
        "walk.take", "--save", "out.blend", "--target", "a.blend", "--target", "b.blend", "--target-object", "rig",
        "--bone-map", "a.json", "--bone-map", "", "--person", "3", "--person", "1",
    )  # fmt: skip
    assert piece.roles == (
        Role(rig("a.blend"), "rig", 3, rig("a.json"), Retarget(place="world")),
        Role(rig("b.blend"), "rig", 1, None, Retarget(place="world")),
    )
    (piece,) = pieces(
        "walk.take", "--save", "o.blend", "--target", "a.blend", "--target", "b.blend", "--retarget", "place=object"
    )
    assert {role.settings.place for role in piece.roles} == {"object"}


def test_a_folder_gets_each_take_with_each_character(tmp_path) -> None:
    folder = tmp_path / "v1.2 é"
    folder.mkdir()
    made = pieces(
        "walk.take", "run.mp4", "--save", str(folder), "--target", "x/hero.blend", "--target", "orc.blend",
        "--format", "fbx", "--person", "2",
    )  # fmt: skip
    assert [piece.save.name for piece in made] == [
        "walk-hero.fbx", "walk-orc.fbx", "run-hero.fbx", "run-orc.fbx",
    ]  # fmt: skip
    assert {piece.save.parent for piece in made} == {folder}
    assert [piece.source.name for piece in made] == ["walk.take", "walk.take", "run.mp4", "run.mp4"]
    assert all(len(piece.roles) == 1 and piece.roles[0].person == 2 for piece in made)
    assert {piece.roles[0].settings for piece in made} == {Retarget()}


def test_a_folder_that_is_not_there_yet_gets_takes_alone() -> None:
    made = pieces("walk.take", "run.take", "--save", "out")
    assert [(piece.save, piece.roles) for piece in made] == [
        (Path("out/walk.blend"), ()),
        (Path("out/run.blend"), ()),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.take", "b.take", "--save", "o.blend"], "do not go into one file"),
        (["a.take", "--save", "o.blend", "--person", "1"], "--person is about a character"),
        (["a.take", "--save", "o.blend", "--retarget", "feet=1"], "--retarget is about a character"),
        (["a.take", "--save", "o.npz", "--target", "r.blend"], "npz"),
        (["a.take", "--save", "out", "--format", "npz", "--target", "r.blend"], "npz"),
        (["a.take", "b.take", "--save", "out", "--picture", "p.png"], "--picture is for one file"),
        (["a.take", "b.take", "--save", "out", "--take", "t.take"], "--take is for one file"),
        (["x/a.take", "y/a.take", "--save", "out"], "a.blend would be written twice"),
        (["a.take", "--save", "out", "--target", "x/r.blend", "--target", "y/r.blend"], "a-r.blend would be written"),
        (
            ["a.take", "--save", "o.blend", *["--target", "r.blend"] * 3, "--bone-map", "m", "--bone-map", "n"],
            "--bone-map is there 2 times, --target 3 times",
        ),
    ],
)
def test_what_makes_no_sense_is_told(arguments, says) -> None:
    with pytest.raises(CaptureError) as caught:
        pieces(*arguments)
    assert caught.value.code == "bad_option"
    assert says in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("option", ["--save", "--picture", "--take"])
@pytest.mark.parametrize("read", ["walk.take", "hero.blend", "map.json"])
def test_what_is_read_is_never_overwritten(tmp_path, read, option) -> None:
    for name in ("walk.take", "hero.blend", "map.json"):
        (tmp_path / name).touch()
    take, hero, bones = (str(tmp_path / name) for name in ("walk.take", "hero.blend", "map.json"))
    (tmp_path / "deeper").mkdir()
    written = {"--save": "out.blend"} | {option: str(tmp_path / "deeper" / ".." / read)}
    with pytest.raises(CaptureError) as caught:
        pieces(take, *(text for pair in written.items() for text in pair), "--target", hero, "--bone-map", bones)
    assert "overwritten" in caught.value.message
