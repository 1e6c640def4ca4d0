# SPDX-License-Identifier: MIT
"""What names of bones say, as they are found in the world."""

import pytest

from vibe_blender.motion.mapping.names import read_name, tokens_of
from vibe_blender.motion.mapping.tree import read_names
from vibe_blender.motion.mapping.words import MEANINGS, plain

SAID = {
    "mixamorig:LeftForeArm": ("left", "elbow"),
    "Armature|mixamorig:RightUpLeg": ("right", "hip"),
    "upper_arm.L": ("left", "shoulder"),
    "L_UpArm_jnt": ("left", "shoulder"),
    "LEFTUPPERARM": ("left", "shoulder"),
    "rthigh": ("right", "hip"),
    "calf_r": ("right", "knee"),
    "Oberarm_links": ("left", "shoulder"),
    "LinkerUnterschenkel": ("left", "knee"),
    "Füße.R": ("right", "ankle"),
    "Brustwirbel": ("", "spine"),
    "Avant-bras gauche": ("left", "elbow"),
    "Épaule droite": ("right", "collar"),
    "MusloIzq": ("left", "hip"),
    "antebrazo_der": ("right", "elbow"),
    "dedos_pie.L": ("left", "foot"),
    "Coscia_sx": ("left", "hip"),
    "braço.L": ("left", "shoulder"),
    "Joelho_Esquerdo": ("left", "knee"),
    "Левое_Предплечье": ("left", "elbow"),
    "кисть.R": ("right", "wrist"),
    "左足首": ("left", "ankle"),
    "右ひじ": ("right", "elbow"),
    "左大腿": ("left", "hip"),
    "下半身": ("", "pelvis"),
    "上半身2": ("", "spine"),
    "왼쪽_팔꿈치": ("left", "elbow"),
    "Hips": ("", "pelvis"),
    "LeftHip": ("left", "hip"),
    "CC_Base_NeckTwist01": ("", "neck"),
    "upper body": ("", "spine"),
    "L_Ball": ("left", "foot"),
    "Bip01 L Clavicle": ("left", "collar"),
}


@pytest.mark.parametrize(("name", "said"), SAID.items())
def test_side_and_part(name: str, said: tuple[str, str]) -> None:
    reading = read_name(tokens_of(name))
    assert (reading.side, reading.kinds[0]) == said
    assert reading.role == "body"


@pytest.mark.parametrize(
    ("name", "role"),
    {
        "upperarm_twist_01_l": "twist", "LeftThighRoll": "twist", "腕捩.L": "twist", "L_UpArm_Roll_HLP": "twist",
        "thigh_ik_target.L": "helper", "MCH-spine": "helper", "ORG-spine": "helper", "HeadTop_End": "helper",
        "L_Foot_OFF": "helper", "elbow_pole.R": "helper", "f_index.01.L": "helper", "LeftHandMiddle2": "helper",
        "左人指１": "helper", "jaw": "helper", "HairFront_03": "helper", "breast.L": "helper", "skirt.001": "helper",
        "DEF-forearm.L.001": "deform",
    }.items(),
)  # fmt: skip
def test_what_is_no_part_of_a_body(name: str, role: str) -> None:
    reading = read_name(tokens_of(name))
    assert reading.role == role
    assert not reading.kinds or role == "deform"


@pytest.mark.parametrize("name", ["Bone.012", "", "...", "x" * 10_000, "7", "armor_gold", "legend", "\udc80"])
def test_names_that_say_nothing(name: str) -> None:
    assert not read_name(tokens_of(name)).kinds


def test_words_that_most_names_share_say_nothing() -> None:
    names = [f"prop_hero_{part}_ik" for part in ("hips", "spine", "neck", "head", "upperarm.L")]
    assert [reading.kinds for reading in read_names(names)] == [
        ("pelvis",), ("spine",), ("neck",), ("head",), ("shoulder",),
    ]  # fmt: skip
    assert {reading.role for reading in read_names(names)} == {"body"}


def test_every_word_is_as_it_is_looked_up() -> None:
    assert all(word == plain(word) for word in MEANINGS)
