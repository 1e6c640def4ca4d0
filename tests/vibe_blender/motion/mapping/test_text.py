# SPDX-License-Identifier: MIT
"""Bone maps go through text unharmed, and texts that are none are refused."""

import json
from typing import Any

import pytest

from vibe_blender.contract.errors import CaptureError
from vibe_blender.motion.mapping.text import FORMAT, LONGEST, from_json, to_json
from vibe_blender.motion.retargeting.bone_map import BoneMap, Limb, MappedPart, Offset, Switch, TwistBone

SWITCH = Switch("thigh_parent.L", "pole_vector", 0.0, 1.0)
WHOLE = BoneMap(
    parts=(
        MappedPart("pelvis", ("Hüfte",)),
        MappedPart("spine", ("a", "b"), "guessed"),
        MappedPart("left_hip", ("左足",), "chosen"),
    ),
    rig="Home made",
    twists=(TwistBone("tw", "left_elbow", 0.25),),
    offsets=(Offset("Hüfte", (0.5, 0.5, -0.5, 0.5)),),
    switches=(SWITCH,),
    limbs=(Limb("left_hip", "foot_ik.L", "knee.L", SWITCH, "toe_ik.L"), Limb("right_shoulder", "hand_ik.R")),
)


def test_everything_comes_back() -> None:
    assert from_json(to_json(WHOLE)) == WHOLE
    assert from_json(to_json(BoneMap(()))) == BoneMap(())


def changed(**values: Any) -> str:
    return json.dumps({**json.loads(to_json(WHOLE)), **values})


PART = {"part": "head", "bones": ["head"]}
SWITCHED = {"bone": "b", "name": "n", "fk": 0, "ik": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        "1" * 10_000,
        " " * LONGEST + to_json(WHOLE),
        changed(format="another"),
        changed(more=1),
        changed(parts={}),
        changed(parts=[PART, PART]),
        changed(parts=[{**PART, "part": "tail"}]),
        changed(parts=[{**PART, "part": ["head"]}]),
        changed(parts=[{**PART, "bones": []}]),
        changed(parts=[{**PART, "bones": ["x"] * 7}]),
        changed(parts=[{**PART, "bones": "head"}]),
        changed(parts=[{**PART, "bones": [1]}]),
        changed(parts=[{**PART, "bones": ["x" * 256]}]),
        changed(parts=[{**PART, "bones": ["x\0"]}]),
        changed(parts=[{**PART, "certainty": "perhaps"}]),
        changed(parts=[{**PART, "certainty": ["sure"]}]),
        changed(parts=[{**PART, "colour": "red"}]),
        changed(rig=3),
        changed(rig="\ud800"),
        changed(twists=[{"bone": "b", "part": "head", "along": 0.5}]),
        changed(twists=[{"bone": "b", "part": "left_hip", "along": 1.5}]),
        changed(twists=[{"bone": "b", "part": "left_hip", "along": True}]),
        changed(offsets=[{"bone": "b", "turn": [0, 0, 0, 0]}]),
        changed(offsets=[{"bone": "b", "turn": [1, 0, 0]}]),
        changed(offsets=[{"bone": "b", "turn": [1, 0, 0, 1e30]}]),
        changed(offsets=[{"bone": "b", "turn": [1, 0, 0, "0"]}]),
        changed(offsets=[{"bone": "b", "turn": [1, 0, 0, float("nan")]}]),
        changed(offsets=[{"bone": "b", "turn": [1, 0, 0, 0]}] * 513),
        changed(switches=[{**SWITCHED, "fk": None}]),
        changed(switches=[{**SWITCHED, "name": ""}]),
        changed(switches=[{**SWITCHED, "driver": "__import__('os')"}]),
        changed(limbs=[{"part": "left_knee", "end": "e"}]),
        changed(limbs=[{"part": "left_hip", "end": "e", "pole_switch": 1}]),
        changed(limbs=[{"part": "left_hip", "end": "e", "toes": 1}]),
        changed(limbs=[{"part": "left_shoulder", "end": "e", "toes": "t"}]),
    ],
)
def test_what_is_no_bone_map_is_refused(text: str) -> None:
    with pytest.raises(CaptureError) as caught:
        from_json(text)
    assert caught.value.code == "bad_map"
    assert len(str(caught.value)) < 400


def test_a_turn_becomes_a_unit_quaternion() -> None:
    read = from_json(changed(offsets=[{"bone": "b", "turn": [2, 0, 0, 0]}]))
    assert read.offsets == (Offset("b", (1.0, 0.0, 0.0, 0.0)),)


def test_a_limb_from_before_there_were_toes_is_read() -> None:
    read = from_json(changed(limbs=[{"part": "left_hip", "end": "e", "pole": "p"}]))
    assert read.limbs == (Limb("left_hip", "e", "p"),)


def test_a_map_of_few_words_is_enough() -> None:
    read = from_json(json.dumps({"format": FORMAT, "parts": [PART]}))
    assert read == BoneMap((MappedPart("head", ("head",), "chosen"),))
