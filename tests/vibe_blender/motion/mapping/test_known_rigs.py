# SPDX-License-Identifier: MIT
"""Each table knows its rig, whatever exporters did to the names, and no other."""

import json
from collections.abc import Callable

import pytest

from tests.characters import CHARACTERS, SCRAMBLED, Character
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_NAMES, PARENTS
from vibe_blender.motion.mapping.known_rigs import KnownRig, known_map, known_rigs, read_table
from vibe_blender.motion.mapping.lineage import Lineage
from vibe_blender.motion.retargeting.bone_map import CARRIERS, PARTS, BoneMap, Limb, Switch

TABLE = {
    "rig": "R", "sides": ["l", "r"],
    "parts": {"pelvis": ["p"], "hip": ["* h"], "knee": ["*k"], "shoulder": ["*s"], "elbow": ["*e"]},
}  # fmt: skip


def rig_of(table: KnownRig) -> tuple[list[str], list[int]]:
    """Bones as a table names them, each carried as a body's are."""
    own = {name for _, bones in table.parts for bone in bones for name in bone}
    names = [mark for mark in table.marks if mark not in own]
    parents, last = [-1] * len(names), dict[str, int]()
    for part in sorted((part for part, _ in table.parts), key=PARTS.index):
        carrier = CARRIERS.get(part, "")
        while carrier and carrier not in last:
            carrier = CARRIERS[carrier]
        for spellings in dict(table.parts)[part]:
            if spellings[0] in names:
                last[part] = names.index(spellings[0])
                parents[last[part]] = last.get(carrier, -1)
                continue
            names.append(spellings[0])
            parents.append(last.get(part, last.get(carrier, -1)))
            last[part] = len(names) - 1
    for switch in table.switches:
        if switch.bone not in names:
            names.append(switch.bone)
            parents.append(-1)
    order = sorted(range(len(names)), key=lambda bone: depth(parents, bone))
    return [names[bone] for bone in order], [order.index(parents[bone]) if parents[bone] >= 0 else -1 for bone in order]


def depth(parents: list[int], bone: int) -> int:
    return 0 if parents[bone] < 0 else 1 + depth(parents, parents[bone])


def found(names: list[str], parents: list[int]) -> BoneMap:
    known = known_map(tuple(names), Lineage(parents))
    assert known is not None
    return known[0]


@pytest.mark.parametrize("table", known_rigs(), ids=lambda table: table.rig)
def test_a_table_knows_its_own_rig(table: KnownRig) -> None:
    names, parents = rig_of(table)
    bone_map = found(names, parents)
    assert bone_map.rig == table.rig
    assert {entry.part for entry in bone_map.parts} == {part for part, _ in table.parts}
    assert {entry.certainty for entry in bone_map.parts} == {"sure"}


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda name: name,
    "namespace": lambda name: f"hero:{name}",
    "armature": lambda name: f"Armature|{name}",
    "numbered namespace": lambda name: name.replace("mixamorig:", "mixamorig12:"),
    "no colon": lambda name: name.replace("mixamorig:", "mixamorig"),
    "prefix": lambda name: f"DEF_{name}",
    "capitals": str.upper,
    "no separators": lambda name: name.replace(".", "").replace("_", ""),
    "other separators": lambda name: name.replace(".", "_").replace(" ", "_"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("character", CHARACTERS, ids=lambda one: one.name)
def test_what_exporters_do_to_names_does_not_matter(character: Character, spelling: str) -> None:
    names = [SPELLINGS[spelling](name) for name in character.rig.names]
    bone_map = found(names, character.rig.parents.tolist())
    # MPFB's game rig differs from Unreal's in one capital letter.
    same = {"MPFB game engine": "Unreal 4"} if spelling in ("capitals", "no separators") else {}
    assert bone_map.rig in (character.true_map.rig, same.get(character.name))
    for entry in character.true_map.parts:
        wanted = tuple(names[character.rig.numbers[bone]] for bone in entry.bones)
        assert entry.part == "root" or bone_map.bones(entry.part) == wanted


@pytest.mark.parametrize(
    ("rig", "spelt"),
    [
        ("3ds Max Biped", lambda name: "Bip001 " + name),
        ("3ds Max Biped", lambda name: "Bip01_" + name),
        ("SMPL", lambda name: "m_avg_" + name),
        ("Mixamo", lambda name: "Character1_" + name),
        ("Unreal 5", lambda name: "SK_Hero:" + name),
    ],
)
def test_prefixes_of_the_world(rig: str, spelt: Callable[[str], str]) -> None:
    names, parents = rig_of(next(table for table in known_rigs() if table.rig == rig))
    assert found([spelt(name) for name in names], parents).rig == rig


def test_our_own_armature_is_known() -> None:
    bone_map = found(list(JOINT_NAMES), list(PARENTS))
    assert bone_map.rig == "SMPL"
    assert bone_map.missing() == ()
    assert bone_map.bones("spine") == ("spine1", "spine2", "spine3")


@pytest.mark.parametrize("character", SCRAMBLED, ids=lambda one: one.name)
def test_a_rig_that_is_not_known_is_none_of_them(character: Character) -> None:
    assert known_map(character.rig.names, Lineage(character.rig.parents.tolist())) is None


def test_bones_in_another_order_are_another_rig() -> None:
    names, parents = rig_of(next(table for table in known_rigs() if table.rig == "Mixamo"))
    thigh, shin = names.index("leftupleg"), names.index("leftleg")
    names[thigh], names[shin] = names[shin], names[thigh]
    assert known_map(tuple(names), Lineage(parents)) is None


def test_controls_win_over_the_bones_they_move() -> None:
    rigify = rig_of(next(table for table in known_rigs() if table.rig == "Rigify"))
    metarig = rig_of(next(table for table in known_rigs() if table.rig == "Rigify metarig"))
    for prefix in ("ORG-", "DEF-", ""):
        names = [*rigify[0], *(prefix + name for name in metarig[0])]
        parents = [*rigify[1], *(parent + len(rigify[0]) if parent >= 0 else -1 for parent in metarig[1])]
        assert found(names, parents).rig == "Rigify"


def test_switches_and_limbs_of_control_rigs() -> None:
    arp = next(one for one in CHARACTERS if one.name == "Auto-Rig Pro")
    bone_map = found(list(arp.rig.names), arp.rig.parents.tolist())
    assert set(bone_map.switches) == set(arp.true_map.switches)
    rigify = next(table for table in known_rigs() if table.rig == "Rigify")
    assert Switch("thigh_parent.L", "IK_FK", 1.0, 0.0) in rigify.switches
    pole = Switch("upper_arm_parent.R", "pole_vector", 0.0, 1.0)
    assert Limb("right_shoulder", "hand_ik.R", "upper_arm_ik_target.R", pole) in rigify.limbs
    assert [limb.toes for limb in rigify.limbs if limb.part == "left_hip"] == ["toe_ik.L"]


def test_toes_that_a_rig_has_no_ik_control_for_are_left_to_their_fk() -> None:
    names, parents = rig_of(next(table for table in known_rigs() if table.rig == "Rigify"))
    controls = ["foot_ik.L", "thigh_ik_target.L", "foot_ik.R", "thigh_ik_target.R", "toe_ik.L"]
    bone_map = found([*names, *controls], [*parents, *(-1 for _ in controls)])
    assert {limb.part: limb.toes for limb in bone_map.limbs} == {"left_hip": "toe_ik.L", "right_hip": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1}, {"rig": ""}, {"rig": 3}, {"sides": ["l"]}, {"sides": None}, {"parts": {}}, {"parts": []},
        {"parts": {**TABLE["parts"], "tail": ["t"]}}, {"parts": {**TABLE["parts"], "pelvis": [3]}},  # type: ignore[dict-item]
        {"marks": [1]}, {"controls": "yes"}, {"exact": 1}, {"switches": [{"bone": "b"}]},
        {"limbs": [{"part": "knee", "end": "e", "pole": "p"}]},
        {"limbs": [{"part": "shoulder", "end": "e", "pole": "p", "toes": "t"}]}, {"limbs": [3]},
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused(change: dict[str, object]) -> None:
    assert read_table(json.dumps(TABLE), "t.json").rig == "R"
    with pytest.raises(CaptureError) as caught:
        read_table(json.dumps({**TABLE, **change}), "t.json")
    assert caught.value.code == "bad_map"
