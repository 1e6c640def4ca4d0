# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.characters import CHARACTERS, Character, character
from vibe_blender.contract.quaternions import Array, conjugate, continuous, from_axis_angles, multiply, rotate
from vibe_blender.motion.retargeting.bone_map import BoneMap, Limb, TwistBone
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.ik import with_ik
from vibe_blender.motion.retargeting.rig import BoneMotion, Rig

COUNT = 60
JOINTS = {"hip": ("hip", "knee", "ankle"), "shoulder": ("shoulder", "elbow", "wrist")}


def with_controls(one: Character) -> tuple[Rig, BoneMap]:
    """The rig with a control at every hand and foot, and a pole before every knee and behind every elbow."""
    rig, figure = one.rig, figure_of(one.rig, one.true_map)
    names, heads, axes, limbs = [], [], [], []
    for side in ("left", "right"):
        for joint, (first, second, last) in JOINTS.items():
            parts = [one.true_map.bones(f"{side}_{name}")[0] for name in (first, second, last)]
            begin, middle, end = rig.heads[[rig.numbers[part] for part in parts]]
            length = np.linalg.norm(end - begin)
            ahead = rotate(figure.frame, [0.0, -1.0 if joint == "hip" else 1.0, 0.0])
            names += [f"{side} {joint} end", f"{side} {joint} pole"]
            heads += [end + 0.1 * length * rotate(figure.frame, [0.2, 0.3, -0.4]), middle + length * ahead]
            axes += [from_axis_angles(np.array([0.3, -1.0, 0.5])), from_axis_angles(np.array([0.0, 0.7, 0.1]))]
            limbs.append(Limb(f"{side}_{joint}", *names[-2:]))
    grown = replace(
        rig,
        names=(*rig.names, *names),
        parents=np.append(rig.parents, np.full(len(names), -1)),
        heads=np.concatenate([rig.heads, heads]),
        tails=np.concatenate([rig.tails, np.array(heads) + 0.1]),
        axes=np.concatenate([rig.axes, axes]),
        inherits=np.append(rig.inherits, np.ones(len(names), bool)),
        local=np.append(rig.local, np.ones(len(names), bool)),
    )
    return grown, replace(one.true_map, limbs=tuple(limbs))


def acted(rig: Rig, bone_map: BoneMap, bend: Array | None = None) -> tuple[BoneMotion, dict[str, Array]]:
    """A motion of all mapped bones whose elbows and knees bend by angles (T,), and where the joints of limbs are."""
    figure, random = figure_of(rig, bone_map), np.random.default_rng(0)
    phase = np.linspace(0, 5, COUNT)[:, None]
    bend = 0.7 + 0.65 * np.sin(2 * phase[:, 0]) if bend is None else bend
    turns: list[Array] = []
    for part, carrier in zip(figure.parts, figure.carriers, strict=True):
        own = from_axis_angles(0.4 * np.sin(phase + random.uniform(0, 6, 3)))
        if part.endswith(("knee", "elbow")):
            sign = 1.0 if part.endswith("knee") else -1.0
            axis = rotate(figure.frame, [1.0, 0.0, 0.0]) if part.endswith("knee") else across(figure, rig, part)
            own = from_axis_angles(sign * bend[:, None] * axis)
        turns.append(multiply(turns[carrier], own) if carrier >= 0 else own)
    places = [np.zeros((COUNT, 3))] * len(turns)
    for row, carrier in enumerate(figure.carriers):
        if carrier < 0:
            places[row] = rig.heads[figure.bones[row]] + np.sin(phase) * 0.1
        else:
            off = rig.heads[figure.bones[row]] - rig.heads[figure.bones[carrier]]
            places[row] = places[carrier] + rotate(turns[carrier], off)
    names = [rig.names[bone] for bone in figure.bones]
    turned = np.stack([multiply(turn, rig.axes[bone]) for turn, bone in zip(turns, figure.bones, strict=True)], axis=1)
    pelvis = figure.row("pelvis")
    motion = BoneMotion(
        np.arange(COUNT) + 1.0, tuple(names), continuous(turned), (names[pelvis],), places[pelvis][:, None]
    )
    return motion, dict(zip(names, places, strict=True))


def across(figure, rig: Rig, part: str) -> Array:
    """The axis about which an elbow bends forwards, for its arm as it rests."""
    limb = figure.directions[figure.row(part)]
    axis = np.cross(limb, [0.0, 1.0, 0.0])
    return rotate(figure.frame, axis / np.linalg.norm(axis))


@pytest.mark.parametrize("one", [one for one in CHARACTERS if one.true_map.bones("left_wrist")], ids=str)
def test_controls_are_carried_by_hands_and_feet_as_at_rest(one) -> None:
    rig, bone_map = with_controls(one)
    motion, places = acted(rig, bone_map)
    found = with_ik(rig, bone_map, motion)
    for limb in bone_map.limbs:
        side, _, joint = limb.part.rpartition("_")
        last, end = bone_map.bones(f"{side}_{JOINTS[joint][2]}")[0], rig.numbers[limb.end]
        turn = multiply(motion.turned[:, motion.bones.index(last)], conjugate(rig.axes[rig.numbers[last]]))
        off = rig.heads[end] - rig.heads[rig.numbers[last]]
        placed = found.heads[:, found.moved.index(limb.end)]
        assert np.allclose(placed, places[last] + rotate(turn, off), atol=1e-9 / one.unit_m)
        turned = found.turned[:, found.bones.index(limb.end)]
        assert np.abs(np.sum(turned * multiply(turn, rig.axes[end]), axis=-1)).min() > 1 - 1e-9


@pytest.mark.parametrize("one", [one for one in CHARACTERS if one.true_map.bones("left_wrist")], ids=str)
def test_poles_lie_beyond_knees_and_elbows_in_the_plane_of_the_limb(one) -> None:
    rig, bone_map = with_controls(one)
    motion, places = acted(rig, bone_map)
    found = with_ik(rig, bone_map, motion)
    for limb in bone_map.limbs:
        side, _, joint = limb.part.rpartition("_")
        begin, middle, end = (places[bone_map.bones(f"{side}_{name}")[0]] for name in JOINTS[joint])
        length = np.linalg.norm(middle[0] - begin[0]) + np.linalg.norm(end[0] - middle[0])
        line = (end - begin) / np.linalg.norm(end - begin, axis=-1, keepdims=True)
        out = middle - begin - np.sum((middle - begin) * line, axis=-1, keepdims=True) * line
        bent = np.linalg.norm(out, axis=-1) > 0.021 * length
        pole = found.heads[:, found.moved.index(limb.pole)] - middle
        assert np.allclose(np.linalg.norm(pole, axis=-1), length)
        cosines = np.sum(pole * out, axis=-1)[bent] / (length * np.linalg.norm(out, axis=-1)[bent])
        assert bent.sum() > 20
        assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 1e-3


def test_a_pole_stays_steady_while_its_limb_is_straight() -> None:
    rig, bone_map = with_controls(character("Mixamo"))
    noise = 0.004 * np.random.default_rng(1).normal(size=COUNT)  # the knee is on either side of the line by turns
    legs = acted(rig, bone_map, noise)[0]
    begin, middle, end = (rig.heads[rig.numbers[bone_map.bones(f"left_{name}")[0]]] for name in JOINTS["hip"])
    # A rest pose that is straight, too: nothing but the bones' own axes says where the knee would go.
    at = rig.numbers[bone_map.bones("left_knee")[0]]
    heads = rig.heads.copy()
    heads[at] = begin + (end - begin) * np.linalg.norm(middle - begin) / (
        np.linalg.norm(middle - begin) + np.linalg.norm(end - middle)
    )
    straight = replace(rig, heads=heads)
    found = with_ik(straight, bone_map, legs)
    pole = found.heads[:, found.moved.index("left hip pole")]
    steps = np.linalg.norm(np.diff(pole, axis=0), axis=-1) / np.linalg.norm(end - begin)
    assert steps.max() < 0.15


def test_what_ik_stands_for_gets_no_keys_and_all_else_stays() -> None:
    rig, bone_map = with_controls(character("Unreal 5"))
    twist = TwistBone(next(name for name in rig.names if "upperarm_twist" in name), "left_shoulder", 0.5)
    bone_map = replace(bone_map, twists=(twist,), limbs=bone_map.limbs[:2])
    motion, _ = acted(rig, bone_map)
    found = with_ik(rig, bone_map, motion)
    gone = {bone_map.bones(f"left_{name}")[0] for names in JOINTS.values() for name in names}
    new = {name for limb in bone_map.limbs for name in (limb.end, limb.pole)}
    assert set(found.bones) == (set(motion.bones) - gone) | new
    assert list(found.bones) == sorted(found.bones, key=rig.names.index)
    assert set(found.moved) == {*motion.moved, *new}
    for name in set(found.bones) & set(motion.bones):
        same = found.turned[:, found.bones.index(name)] == motion.turned[:, motion.bones.index(name)]
        assert same.all()


def test_toes_with_a_control_beside_an_ik_foot_turn_as_their_fk_does() -> None:
    rig, bone_map = with_controls(character("Mixamo"))
    rig = replace(rig, names=tuple("toes" if name == "right shoulder pole" else name for name in rig.names))
    leg = next(limb for limb in bone_map.limbs if limb.part == "left_hip")
    bone_map = replace(bone_map, limbs=(replace(leg, toes="toes"),))
    motion, _ = acted(rig, bone_map)
    found, fk = with_ik(rig, bone_map, motion), bone_map.bones("left_foot")[0]
    assert fk not in found.bones
    assert "toes" not in found.moved
    turn = multiply(motion.turned[:, motion.bones.index(fk)], conjugate(rig.axes[rig.numbers[fk]]))
    wanted = multiply(turn, rig.axes[rig.numbers["toes"]])
    assert np.abs(np.sum(found.turned[:, found.bones.index("toes")] * wanted, axis=-1)).min() > 1 - 1e-9
    same = with_ik(rig, replace(bone_map, limbs=(replace(leg, toes=fk),)), motion)  # one control for both
    assert fk in same.bones
    assert "toes" not in with_ik(rig, bone_map.with_part("left_foot", ()), motion).bones


def test_limbs_without_their_controls_or_without_a_hand_stay_as_they_are() -> None:
    rig, bone_map = with_controls(character("Mixamo"))
    motion, _ = acted(rig, bone_map)
    assert with_ik(rig, replace(bone_map, limbs=()), motion) is motion
    gone = replace(bone_map, limbs=(Limb("left_hip", "nobody", "left hip pole"),))
    assert with_ik(rig, gone, motion) is motion
    handless = bone_map.with_part("left_wrist", ())
    found = with_ik(rig, handless, acted(rig, handless)[0])
    assert "left shoulder end" not in found.bones
    assert "right shoulder end" in found.bones
    poleless = replace(bone_map, limbs=(Limb("left_hip", "left hip end"),))
    assert "left hip end" in with_ik(rig, poleless, motion).bones
