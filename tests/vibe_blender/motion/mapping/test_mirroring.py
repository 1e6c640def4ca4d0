# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from vibe_blender.motion.mapping.mirroring import flipped, mirror_map
from vibe_blender.motion.retargeting.bone_map import BoneMap, MappedPart
from vibe_blender.motion.retargeting.rig import Rig


def rig(names: list[str], heads: list[tuple[float, float, float]], up: int = 2) -> Rig:
    """Bones without parents, each a tenth long, ``up``."""
    places = np.array(heads, float)
    count = len(names)
    return Rig(
        names=tuple(names),
        parents=np.full(count, -1),
        heads=places,
        tails=places + 0.1 * np.eye(3)[up],
        axes=np.tile([1.0, 0.0, 0.0, 0.0], (count, 1)),
        inherits=np.ones(count, bool),
        local=np.ones(count, bool),
    )


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("mixamorig:LeftArm", "mixamorig:RightArm"), ("upper_arm_fk.L.001", "upper_arm_fk.R.001"),
        ("upperarm_r", "upperarm_l"), ("CC_Base_L_Upperarm", "CC_Base_R_Upperarm"), ("lShldrBend", "rShldrBend"),
        ("ArmL", "ArmR"), ("LEFT HAND", "RIGHT HAND"), ("J_Bip_L_Hand", "J_Bip_R_Hand"),
    ],
)  # fmt: skip
def test_a_name_s_other_side(name, other) -> None:
    assert next(flipped(name)) == other
    assert next(flipped(other)) == name


def test_a_name_without_a_side_has_no_other() -> None:
    assert not list(flipped("spine_curl"))


def test_a_side_is_copied_by_name() -> None:
    found = mirror_map(
        rig(["arm.L", "arm.R", "hand.L"], [(1, 0, 0), (-1, 0, 0), (2, 0, 0)]),
        BoneMap((MappedPart("left_shoulder", ("arm.L",), "guessed"), MappedPart("left_wrist", ("hand.L",)))),
        "left",
    )
    assert found.bones("right_shoulder") == ("arm.R",)
    assert found.bones("right_wrist") == ()
    assert found.bones("left_shoulder") == ("arm.L",)
    assert next(entry for entry in found.parts if entry.part == "right_shoulder").certainty == "chosen"


@pytest.mark.parametrize("across", [0, 1])
def test_a_side_is_copied_by_place_whatever_the_axis(across) -> None:
    places = np.array(
        [(0.1, 0, 1), (-0.1, 0.002, 1), (0.5, 0, 1.5), (-0.5, 0, 1.5), (0, 0, 1), (0, 0, 1.6), (0, 0.2, 1)]
    )
    if across == 1:
        places = places[:, [1, 0, 2]]
    names = ["Bein A", "Bein B", "Arm A", "Arm B", "Becken", "Kopf", "Schwanz"]
    found = mirror_map(
        rig(names, places + 3.0),
        BoneMap((MappedPart("right_shoulder", ("Arm A",)), MappedPart("right_hip", ("Bein A",)))),
        "right",
    )
    assert found.bones("left_shoulder") == ("Arm B",)
    assert found.bones("left_hip") == ("Bein B",)


def test_of_bones_in_one_place_the_one_called_alike_is_taken() -> None:
    names = ["DEF 腕 1", "ORG 腕 2", "DEF 腕 2"]
    found = mirror_map(
        rig(names, [(1, 0, 0), (-1, 0, 0), (-1, 0, 0)]), BoneMap((MappedPart("left_shoulder", ("DEF 腕 1",)),)), "left"
    )
    assert found.bones("right_shoulder") == ("DEF 腕 2",)


def test_a_bone_taken_from_another_part_is_not_there_twice() -> None:
    mapped = BoneMap((MappedPart("left_shoulder", ("arm.L",)), MappedPart("right_elbow", ("arm.R",))))
    found = mirror_map(rig(["arm.L", "arm.R"], [(1, 0, 0), (-1, 0, 0)]), mapped, "left")
    assert found == replace(mapped.with_part("right_elbow", ()).with_part("right_shoulder", ("arm.R",)))


def test_a_rig_of_one_side_stays_as_it_is() -> None:
    mapped = BoneMap((MappedPart("left_shoulder", ("Arm",)),))
    assert mirror_map(rig(["Arm"], [(1, 0, 0)]), mapped, "left") == mapped
