# SPDX-License-Identifier: MIT
"""Rigs with as many bones as a test wants, on the body of `characters`; and how to read where a rig's limbs point."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tests.characters import Axes, Character, Recipe, make
from tests.characters_body import Build
from vibe_blender.contract.quaternions import Array, conjugate, rotate
from vibe_blender.motion.retargeting.bone_map import BoneMap
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.rig import BoneMotion, Rig, RigMotion, pose_of, posed

LIMBS = tuple(
    (f"{side}_{joint}", f"{side}_{end}")
    for side in ("left", "right")
    for joint, end in (
        ("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")
    )
)  # fmt: skip
"""Parts whose bones go from one to the other, and hold their directions whatever the rig."""


@dataclass(frozen=True)
class Parts:
    """What a stick figure has.

    Attributes:
        spine, neck: how many bones.
        collars, hands, feet, toes, root: whether it has any.
        inline: bones in line of upper arm, forearm, thigh and shin each.
        beside: how many twist bones lie beside each of them.
    """

    spine: int = 3
    neck: int = 1
    collars: bool = True
    hands: bool = True
    feet: bool = True
    toes: bool = True
    root: bool = False
    inline: int = 1
    beside: int = 0


def stick(
    parts: Parts | None = None, *, build: Build | None = None, axes: Axes = "rolled", up: str = "Z", unit_m: float = 1.0
) -> Character:
    """The rig of a stick figure; by default one with every part, in T-pose."""
    parts = parts or Parts()
    rows = ["root - ground >ahead =root"] if parts.root else []
    rows.append(f"pelvis {'root' if parts.root else '-'} pelvis {'' if parts.spine else '>spine0.1 '}=pelvis")
    before = "pelvis"
    for number in range(parts.spine):
        place = round(0.1 + 0.9 * number / parts.spine, 2)
        end = " >neck" if number + 1 == parts.spine else ""
        rows.append(f"spine{number} {before} spine{place:g}{end} =spine")
        before = f"spine{number}"
    chest = before
    for number in range(parts.neck):
        end = " >head" if number + 1 == parts.neck else ""
        rows.append(f"neck{number} {before} neck/head:{number / parts.neck:g}{end} =neck")
        before = f"neck{number}"
    rows.append(f"head {before} head >crown =head")
    if parts.collars:
        rows.append(f"*collar {chest} collar >shoulder =collar")
    body = "*collar" if parts.collars else chest
    for carrier, joints, has in (
        (body, ("shoulder", "elbow", "wrist"), (parts.hands,)),
        ("pelvis", ("hip", "knee", "ankle", "ball"), (parts.feet, parts.feet and parts.toes)),
    ):
        for joint, end in (joints[:2], joints[1:3]):
            carrier = _limb(rows, carrier, joint, end, parts)
        for joint, there in zip(joints[2:], has, strict=True):
            if there:
                end, part = {"wrist": ("middle0", "wrist"), "ankle": ("ball", "ankle"), "ball": ("toe", "foot")}[joint]
                rows.append(f"*{part} {carrier} {joint} >{end} ={part}")
                carrier = f"*{part}"
    recipe = Recipe(
        f"stick {parts}", "\n".join(rows), ("l.", "r."), build or Build(), axes=axes, up="Y" if up == "Y" else "Z",
        unit_m=unit_m,
    )  # fmt: skip
    return make(recipe)


def _limb(rows: list[str], carrier: str, joint: str, end: str, parts: Parts) -> str:
    """Adds the bones of a limb; the last one's name."""
    for number in range(parts.inline):
        begin = joint if not number else f"{joint}/{end}:{number / parts.inline:g}"
        stop = end if number + 1 == parts.inline else f"{joint}/{end}:{(number + 1) / parts.inline:g}"
        rows.append(f"*{joint}{number} {carrier} {begin} >{stop} ={joint}")
        carrier = f"*{joint}{number}"
    for number in range(parts.beside):
        along = (number + 1) / (parts.beside + 1)
        rows.append(f"*{joint}_twist{number} *{joint}0 {joint}/{end}:{along:g} >{end} ~{joint}:{along:g}")
    return carrier


def played(rig: Rig, motion: BoneMotion) -> RigMotion:
    """The rig in motion, through its pose channels: what Blender shows."""
    heads, turned = posed(rig, motion.bones, pose_of(rig, motion))
    return RigMotion(motion.frames, heads, turned)


def pointing(rig: Rig, bone_map: BoneMap, motion: RigMotion) -> dict[str, Array]:
    """Where limbs point, unit vectors (T, 3) in the character frame, by the part; of those whose ends are mapped."""
    back, found = conjugate(figure_of(rig, bone_map).frame), {}
    for part, end in LIMBS:
        if bone_map.bones(part) and bone_map.bones(end):
            begin, stop = (rig.numbers[bone_map.bones(name)[0]] for name in (part, end))
            along = rotate(back, motion.heads[:, stop] - motion.heads[:, begin])
            found[part] = along / np.linalg.norm(along, axis=1, keepdims=True)
    return found


def degrees_apart(one: Array, other: Array) -> Array:
    """Degrees (...,) between unit vectors (..., 3)."""
    return np.degrees(2.0 * np.arcsin(np.clip(np.linalg.norm(one - other, axis=-1) / 2.0, 0.0, 1.0)))


def with_arms(character: Character, factor: float) -> Character:
    """The same rig with longer or shorter arms."""
    build = character.recipe.build
    other = replace(build, upper_arm=build.upper_arm * factor, forearm=build.forearm * factor)
    return make(replace(character.recipe, name=f"{character.name} arms {factor:g}", build=other))
