# SPDX-License-Identifier: MIT
"""Rigs are mapped without a click: known ones, scrambled ones, ones without names; what is no body is left alone."""

import numpy as np
import pytest

from tests.characters import CHARACTERS, SCRAMBLED, Character, posed_as, renamed, scaled_legs, wide
from tests.vibe_blender.motion.mapping.figures import Figure
from vibe_blender.contract.quaternions import Array
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.bone_map import NEEDED, BoneMap, check_usable
from vibe_blender.motion.retargeting.rig import Rig

ALL = (*CHARACTERS, *SCRAMBLED)


def wrong(found: BoneMap, true: BoneMap) -> list[str]:
    return [entry.part for entry in found.parts if entry.bones != true.bones(entry.part)]


@pytest.mark.parametrize("character", CHARACTERS, ids=lambda one: one.name)
def test_known_rigs_are_mapped_whole(character: Character) -> None:
    for one in (
        character,
        posed_as(character, "A"),
        posed_as(character, "T"),
        scaled_legs(character, 0.7),
        wide(character),
    ):
        found = map_bones(one.rig)
        assert found.parts == one.true_map.parts
        assert found.rig == character.true_map.rig
        twists = {(twist.bone, twist.part): twist.along for twist in found.twists}
        assert twists == pytest.approx(
            {(twist.bone, twist.part): twist.along for twist in one.true_map.twists}, abs=0.02
        )


@pytest.mark.parametrize("character", SCRAMBLED, ids=lambda one: one.name)
def test_scrambled_rigs_are_mapped_and_nothing_wrongly(character: Character) -> None:
    for one in (
        character,
        posed_as(character, "A"),
        posed_as(character, "T"),
        scaled_legs(character, 1.4),
        wide(character),
    ):
        found = map_bones(one.rig)
        assert wrong(found, one.true_map) == []
        assert len(found.parts) >= 0.9 * len(one.true_map.parts)
        assert {twist.bone for twist in found.twists} <= {twist.bone for twist in one.true_map.twists}


@pytest.mark.parametrize("character", ALL, ids=lambda one: one.name)
def test_without_any_names_limbs_are_found_where_they_are(character: Character) -> None:
    nameless = renamed(character, "nameless", lambda name, number: f"Bone.{number:03d}")
    found = map_bones(nameless.rig)
    check_usable(found, nameless.rig.names, "It")
    assert {entry.certainty for entry in found.parts} == {"guessed"}
    sound = [part for part in NEEDED if part not in wrong(found, nameless.true_map)]
    assert sound == list(NEEDED)


def turned(radians: float) -> Array:
    cosine, sine = np.cos(radians), np.sin(radians)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


TURNS = {
    "as it is": np.eye(3), "y up": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
    "x up": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), "backwards": turned(np.pi),
    "sidewards": turned(np.pi / 2), "askew": turned(0.5),
}  # fmt: skip


def made(rng: np.random.Generator) -> Figure:
    legs = float(rng.choice([0.85, 0.6, 1.1, 0.45]))
    return Figure(
        spine=int(rng.integers(1, 7)), neck=int(rng.integers(1, 4)), collars=bool(rng.random() < 0.7),
        toes=bool(rng.random() < 0.7), fingers=int(rng.choice([0, 3, 5])), inline=int(rng.choice([0, 0, 1, 2])),
        root=bool(rng.random() < 0.6), face=bool(rng.random() < 0.4), clutter=bool(rng.random() < 0.4),
        arms_down_deg=float(rng.choice([0, 30, 45, 80])), legs=legs, arms=0.4 if legs < 0.5 else 0.53,
        head=float(rng.choice([0.25, 0.5])), pelvis_bones=bool(rng.random() < 0.3),
    ).made()  # fmt: skip


@pytest.mark.parametrize("turn", TURNS)
def test_bodies_of_all_sorts_without_names(turn: str) -> None:
    rng = np.random.default_rng(sum(map(ord, turn)))
    parts = sound = 0
    for scale in (1.0, 100.0, 0.01) * 6:
        figure = made(rng)
        rig = figure.rig([f"Bone.{number:03d}" for number in range(len(figure.names))], TURNS[turn], scale)
        found = map_bones(rig)
        parts += len(figure.truth)
        for part, bones in figure.truth.items():
            sound += found.bones(part) == tuple(rig.names[bone] for bone in bones)
    assert sound >= 0.98 * parts


WORDS = "pelvis spine neck head hip knee ankle foot collar shoulder elbow wrist"
LANGUAGES = {
    "German": (
        "Becken Wirbel Hals Kopf Oberschenkel Unterschenkel Fuß Zehen Schlüsselbein Oberarm Unterarm Hand",
        "_L",
        "_R",
    ),
    "French": (
        "Bassin Colonne Cou Tête Cuisse Tibia Pied Orteils Clavicule Bras AvantBras Main",
        " gauche",
        " droit",
    ),
    "Spanish": (
        "cadera columna cuello cabeza muslo pantorrilla pie dedos_pie clavicula brazo antebrazo mano",
        "_izq",
        "_der",
    ),
    "Portuguese": (
        "quadril coluna pescoço cabeça coxa canela pé dedos_pé clavícula braço antebraço mão",
        "_esq",
        "_dir",
    ),
    "Italian": (
        "bacino colonna collo testa coscia stinco piede dita_piede clavicola braccio avambraccio mano",
        "_sx",
        "_dx",
    ),
    "Russian": (
        "Таз Позвоночник Шея Голова Бедро Голень Стопа Носок Ключица Плечо Предплечье Кисть",
        "_Л",
        "_П",
    ),
    "Chinese": (
        "骨盆 脊柱 颈 头 大腿 小腿 脚 脚趾 锁骨 上臂 前臂 手",
        ".左",
        ".右",
    ),
    "Japanese": (
        "腰 背骨 首 頭 太もも すね 足首 つま先 鎖骨 上腕 前腕 手首",
        "左",
        "右",
    ),
    "Korean": (
        "골반 척추 목 머리 허벅지 종아리 발 발가락 쇄골 위팔 아래팔 손",
        "_왼쪽",
        "_오른쪽",
    ),
    "studio": (
        "COG Back Neck Skull Thigh Shin Foot Ball Clav UpArm LoArm Hand",
        ".l",
        ".r",
    ),
    "joints": (
        "pelvis torso neck head hip knee ankle toe collar shoulder elbow wrist",
        "_lf",
        "_rt",
    ),
    "no sides": (
        "Pelvis Spine Neck Head UpLeg LowLeg Foot Toe Clavicle UpArm ForeArm Hand",
        ".001",
        ".002",
    ),
}


@pytest.mark.parametrize("turn", ["as it is", "backwards", "y up"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_other_languages(language: str, turn: str) -> None:
    words, left, right = LANGUAGES[language]
    word = dict(zip(WORDS.split(), words.split(), strict=True))
    for figure in (Figure(clutter=True, face=True), Figure(spine=2, collars=False, arms_down_deg=45.0, root=False)):
        figure.made()
        names = [f"x{number}" for number in range(len(figure.names))]
        for part, bones in figure.truth.items():
            side, _, joint = part.rpartition("_")
            for count, bone in enumerate(bones):
                tail = {"left": left, "right": right}.get(side, str(count + 1) if len(bones) > 1 else "")
                names[bone] = word.get(joint, "root") + tail
        rig = figure.rig(names, TURNS[turn])
        found = map_bones(rig)
        assert {part: found.bones(part) for part in figure.truth} == {
            part: tuple(names[bone] for bone in bones) for part, bones in figure.truth.items()
        }
        guessed = {entry.part for entry in found.parts if entry.certainty == "guessed"}
        assert guessed <= {"pelvis", "spine", "neck"}, found


def test_sides_are_as_names_say_even_if_feet_point_nowhere() -> None:
    figure = Figure(toes=False).made()
    names = [f"{name[5:]}.R" if name.startswith("left") else name for name in figure.names]
    names = [f"{name[6:]}.L" if name.startswith("right") else name for name in names]
    found = map_bones(figure.rig(names))
    # The feet say that the names have it the wrong way round: the names are right, but not for sure.
    assert found.bones("left_hip") == ("hip.L",)
    assert {entry.certainty for entry in found.parts if entry.part.startswith("left")} == {"guessed"}


def test_names_that_lie_do_not_win_over_places() -> None:
    figure = Figure().made()
    swap = {"left_hip": "left_wrist", "left_wrist": "left_hip", "right_hip": "right_wrist", "right_wrist": "right_hip"}
    found = map_bones(figure.rig([swap.get(name, name) for name in figure.names]))
    for part in ("left_hip", "right_hip", "left_wrist"):
        entry = next((entry for entry in found.parts if entry.part == part), None)
        assert entry is None or entry.certainty == "guessed"


def plain_rig(names: list[str], parents: list[int], heads: Array) -> Rig:
    everything, tails = np.ones(len(names), bool), heads + np.array([0.0, 0.0, 0.01])
    axes = np.tile([1.0, 0.0, 0.0, 0.0], (len(names), 1))
    return Rig(tuple(names), np.array(parents, np.intp), heads, tails, axes, everything, everything)


def test_controls_that_do_not_hang_together_are_found_by_their_names() -> None:
    figure = Figure().made()
    for bone, name in enumerate(figure.names):
        if name in ("left_shoulder", "right_shoulder", "left_hip", "right_hip", "spine1"):
            figure.parents[bone] = -1
    rig = figure.rig([f"{name}_ctrl" for name in figure.names])
    found = map_bones(rig)
    assert {entry.certainty for entry in found.parts} == {"guessed"}
    for part in NEEDED:
        assert found.bones(part) == tuple(rig.names[bone] for bone in figure.truth[part])
    # Two that are called alike and do not carry each other are none.
    figure.bone("left_elbow", -1, (0, 0, 0), (0, 0, 1))
    assert map_bones(figure.rig([*rig.names, "left_elbow_ctrl.001"])).parts == ()


def test_what_is_no_body_is_not_mapped() -> None:
    figure = Figure().made()
    whole = figure.rig()
    hand = [bone for bone, name in enumerate(figure.names) if name.startswith("left_f") or name == "left_wrist"]
    number = {bone: at for at, bone in enumerate(hand)}
    rigs = [
        plain_rig([], [], np.zeros((0, 3))),
        plain_rig(["Bone"], [-1], np.zeros((1, 3))),
        plain_rig([f"rope{link}" for link in range(30)], list(range(-1, 29)), np.arange(90.0).reshape(30, 3)),
        plain_rig(["Hips", "Spine", "Head"] * 8, [-1] * 24, np.zeros((24, 3))),
        plain_rig(["a"] * 20, list(range(-1, 19)), np.full((20, 3), np.nan)),
        plain_rig(["a"] * 20, list(range(-1, 19)), np.full((20, 3), np.inf)),
        plain_rig(
            [figure.names[bone] for bone in hand],
            [number.get(int(whole.parents[bone]), -1) for bone in hand],
            whole.heads[hand],
        ),
    ]
    for rig in rigs:
        assert map_bones(rig).parts == ()


@pytest.mark.parametrize("shape", ["chain", "star", "roots", "tree"])
def test_ten_thousand_bones_are_no_trouble(shape: str) -> None:
    rng = np.random.default_rng(5)
    count = 10_000
    parents = {
        "chain": list(range(-1, count - 1)), "star": [-1] + [0] * (count - 1), "roots": [-1] * count,
        "tree": [-1, *(int(rng.integers(bone)) for bone in range(1, count))],
    }[shape]  # fmt: skip
    names = [f"left{'upperarm' * (bone % 5)}{bone}" for bone in range(count)]
    found = map_bones(plain_rig(names, parents, rng.normal(size=(count, 3))))
    assert len({bone for entry in found.parts for bone in entry.bones}) == sum(
        len(entry.bones) for entry in found.parts
    )


def test_a_body_is_found_among_thousands_of_other_bones() -> None:
    figure = Figure().made()
    head = figure.names.index("head")
    for strand in range(600):
        side, level = (strand % 2) * 2 - 1, 1.4 + 0.0003 * strand
        parent = head
        for link in range(5):
            at = np.array([0.05 * side, 0.01 * link, level - 0.04 * link])
            parent = figure.bone(f"strand{strand}_{link}", parent, at, at - (0, 0, 0.04))
    rig = figure.rig([f"Bone.{number:03d}" for number in range(len(figure.names))])
    found = map_bones(rig)
    for part in NEEDED:
        assert found.bones(part) == tuple(rig.names[bone] for bone in figure.truth[part])
