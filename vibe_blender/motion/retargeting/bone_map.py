# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Which bones of a rig are which parts of a body."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ...contract.errors import CaptureError

Certainty = Literal["sure", "guessed", "chosen"]
CERTAINTIES = get_args(Certainty)

_SIDED = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
PARTS = (
    "root", "pelvis", "spine", "neck", "head",
    *(f"{side}_{joint}" for side in ("left", "right") for joint in _SIDED),
)  # fmt: skip
"""All parts there are; those of limbs are called after the SMPL joint at which they begin."""
CHAINS = ("spine", "neck")
"""Parts that are chains of up to six bones; any other has its own bone, and perhaps more in line that twist with it."""
NEEDED = (
    "pelvis",
    *(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "shoulder", "elbow")),
)
"""Without these there is nothing to retarget to."""
CARRIERS = {
    "pelvis": "", "spine": "pelvis", "neck": "spine", "head": "neck",
    **{
        f"{side}_{joint}": carrier if carrier in ("pelvis", "spine") else f"{side}_{carrier}"
        for side in ("left", "right")
        for joint, carrier in zip(
            _SIDED, ("pelvis", "hip", "knee", "ankle", "spine", "collar", "shoulder", "elbow"), strict=True
        )
    },
}  # fmt: skip
"""The part that carries each part; where a rig does not have it, the one that carries that."""
MOST_BONES = 6


@dataclass(frozen=True)
class MappedPart:
    """The bones of one part of the body.

    Attributes:
        part: one of ``PARTS``.
        bones: names, from the body outwards. Of a limb the first is turned, any further is in line with it.
        certainty: how it was found: ``chosen`` by the user, else ``sure`` or ``guessed``.
    """

    part: str
    bones: tuple[str, ...]
    certainty: Certainty = "sure"


@dataclass(frozen=True)
class TwistBone:
    """A bone beside a limb's, not in line with it, that takes a share of the limb's roll.

    Attributes:
        bone: its name; its parent is a bone of ``part``.
        part: a shoulder, elbow, hip or knee.
        along: 0..1, how far along the limb it is.
    """

    bone: str
    part: str
    along: float


@dataclass(frozen=True)
class Offset:
    """A turn that the user has added to what a bone is given.

    Attributes:
        bone: its name.
        turn: (4,) unit quaternion, w x y z, about the bone's own axes.
    """

    bone: str
    turn: tuple[float, float, float, float]


@dataclass(frozen=True)
class Switch:
    """A property of a rig that says whether a limb follows its FK or its IK controls.

    Attributes:
        bone: pose bone that has the property.
        name: of the custom property.
        fk, ik: its values for either.
    """

    bone: str
    name: str
    fk: float
    ik: float


@dataclass(frozen=True)
class Limb:
    """The IK controls of an arm or a leg.

    Attributes:
        part: where the limb begins, such as ``left_hip``.
        end: bone that places the hand or the foot.
        pole: bone towards which knee or elbow points; empty where there is none.
        toes: bone that turns the toes while the foot follows ``end``; empty where the FK one does that too.
        pole_switch: makes the pole the one that is heeded, where that has to be said: its ``ik`` value does.
    """

    part: str
    end: str
    pole: str = ""
    pole_switch: Switch | None = None
    toes: str = ""


@dataclass(frozen=True)
class BoneMap:
    """Which bones of a rig are which parts of a body, and what else is to be known of it.

    Attributes:
        parts: at most one entry for each of ``PARTS``.
        rig: what the rig is known as, such as ``Mixamo``; empty for one that is not known.
        twists: bones that may take a share of roll.
        offsets: turns the user has added.
        switches: set to FK or IK before the rig follows.
        limbs: its IK controls.
    """

    parts: tuple[MappedPart, ...]
    rig: str = ""
    twists: tuple[TwistBone, ...] = ()
    offsets: tuple[Offset, ...] = ()
    switches: tuple[Switch, ...] = ()
    limbs: tuple[Limb, ...] = ()

    def bones(self, part: str) -> tuple[str, ...]:
        """The bones of a part; none where it is not mapped."""
        return next((entry.bones for entry in self.parts if entry.part == part), ())

    def missing(self) -> tuple[str, ...]:
        """The parts, without the root, that have no bone."""
        return tuple(part for part in PARTS if part != "root" and not self.bones(part))

    def with_part(self, part: str, bones: Iterable[str], certainty: Certainty = "chosen") -> BoneMap:
        """The same with other bones for one part; with no bones, without that part."""
        others = tuple(entry for entry in self.parts if entry.part != part)
        entry = MappedPart(part, tuple(bones), certainty)
        found = (*others, entry) if entry.bones else others
        return replace(self, parts=tuple(sorted(found, key=lambda item: PARTS.index(item.part))))


def check_usable(bone_map: BoneMap, there: Iterable[str], rig: str) -> None:
    """Raises ``CaptureError`` where a map cannot be used.

    Args:
        bone_map: to be checked.
        there: names of the rig's bones.
        rig: what to call the rig.

    Raises:
        CaptureError: ``bone_missing`` where it names bones that the rig lacks, ``part_missing`` where it lacks what is
            needed, ``bone_twice`` where one bone stands for two parts.
    """
    known, used = set(there), set[str]()
    for entry in bone_map.parts:
        for bone in entry.bones:
            if bone not in known:
                raise CaptureError(
                    "bone_missing",
                    f"{rig} has no bone called {bone}, mapped to {spoken(entry.part)}.",
                    "Choose another.",
                )
            if bone in used:
                raise CaptureError(
                    "bone_twice", f"{bone} is mapped twice.", f"Choose another for {spoken(entry.part)}."
                )
            used.add(bone)
    lacking = [spoken(part) for part in NEEDED if not bone_map.bones(part)]
    if lacking:
        raise CaptureError(
            "part_missing", f"No bone of {rig} is mapped to: {', '.join(lacking)}.", "Choose them in the list of bones."
        )


def spoken(part: str) -> str:
    """A part as animators call it, such as ``left upper arm``."""
    words = {
        "hip": "thigh", "knee": "shin", "ankle": "foot", "foot": "toes",
        "collar": "clavicle", "shoulder": "upper arm", "elbow": "forearm", "wrist": "hand", "pelvis": "hips",
    }  # fmt: skip
    side, _, joint = part.rpartition("_")
    return f"{side} {words.get(joint, joint)}".strip()


def mirrored(part: str) -> str:
    """The part on the other side; a part of the middle itself."""
    side, _, joint = part.partition("_")
    other = {"left": "right", "right": "left"}.get(side)
    return f"{other}_{joint}" if other else part
