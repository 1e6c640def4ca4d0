# SPDX-License-Identifier: MIT
from __future__ import annotations

import re

import numpy as np
import pytest

from backend.body.smpl import JOINTS49
from backend.training.prepare import joint_orders
from backend.training.prepare.joint_orders import (
    HUMAN36M,
    INSTA_VARIETY,
    MPI_INF_3DHP_17,
    MPI_INF_3DHP_28,
    OPENPOSE18,
    PENN_ACTION,
    POSETRACK,
    SMPL24,
    to_49,
)
from vibe_blender.contract.skeleton import JOINT_NAMES

NAMES = [name for name, _ in JOINTS49]
ORDERS = {
    "openpose": (OPENPOSE18, 18), "penn": (PENN_ACTION, 13), "posetrack": (POSETRACK, 17),
    "3dhp 28": (MPI_INF_3DHP_28, 28), "3dhp 17": (MPI_INF_3DHP_17, 17), "h36m": (HUMAN36M, 32),
    "insta": (INSTA_VARIETY, 25),
}  # fmt: skip
# What Human3.6M's skeleton, of motion capture, calls what others call something else: a bone begins at its joint.
BONES = {"UpLeg": "hip", "ForeArm": "elbow", "Arm": "shoulder", "Leg": "knee", "Foot": "ankle", "Hand": "wrist"}


def words(name: str) -> tuple[str, str]:
    """Side and part, however a name is written."""
    name = re.sub(r"^OP ", "", name)
    match = re.match(r"(left|right|l|r)(?=[ _A-Z])[ _]?(.+)|(.+)", name, re.IGNORECASE)
    assert match
    side, part = (match[1] or "")[:1].lower(), match[2] or match[3]
    for bone, joint in BONES.items():
        if side and part == bone:
            part = joint
    return side, re.sub(r"[ _]|\(.*\)", "", part).lower()


@pytest.mark.parametrize("name", ORDERS)
def test_names_say_the_same_side_and_part(name):
    order, count = ORDERS[name]
    assert len(order) == count
    unlike = {("head", "topofhead"), ("headtop", "topofhead"), ("headbottom", "neck"), ("hips", "pelvis"),
              ("spine1", "spine"), ("head", "jaw"), ("site", "head"), ("foot", "ankle")}  # fmt: skip
    for theirs, ours in order:
        if ours is not None:
            (side, part), (our_side, our_part) = words(theirs), words(ours)
            assert side == our_side, (theirs, ours)
            assert part == our_part or (part, our_part) in unlike, (theirs, ours)


@pytest.mark.parametrize("name", ORDERS)
def test_no_place_is_taken_twice_and_both_sides_are_there(name):
    taken = [ours for _, ours in ORDERS[name][0] if ours is not None]
    assert len(set(taken)) == len(taken)
    assert set(taken) <= set(NAMES)
    for ours in taken:
        other = ours.replace("Left", "?").replace("Right", "Left").replace("?", "Right")
        other = re.sub(r"^OP ([LR])", lambda match: "OP " + "RL"["LR".index(match[1])], other)
        assert other in taken


@pytest.mark.parametrize(
    ("order", "joint", "place"),
    [("penn", 5, 36), ("posetrack", 10, 31), ("3dhp 28", 16, 31), ("3dhp 17", 7, 36), ("h36m", 3, 25),
     ("openpose", 4, 4), ("insta", 6, 4), ("insta", 0, 24), ("insta", 24, 11), ("h36m", 13, 37), ("h36m", 1, 27)],
)  # fmt: skip
def test_known_joints_are_at_known_places(order, joint, place):
    order, count = ORDERS[order]
    joints = np.random.default_rng(0).normal(size=(2, count, 3))
    placed = to_49(order, joints)
    assert placed.shape == (2, 49, 3)
    assert placed[:, place] == pytest.approx(joints[:, joint])
    known = sum(ours is not None for _, ours in order)
    assert (np.abs(placed).sum(axis=(0, 2)) > 0).sum() == known


def test_smpl_joints_that_have_places():
    assert (8, 25) in SMPL24
    assert (21, 31) in SMPL24
    assert (21, 4) in SMPL24
    for joint, place in SMPL24:
        side, _, part = JOINT_NAMES[joint].rpartition("_")
        ours_side, ours = words(NAMES[place])
        assert ours_side == side[:1]
        assert ours in (part, "midhip")


def test_orders_are_all_tested():
    there = {name for name in vars(joint_orders) if name[0].isupper() and name.isupper()} - {"SMPL24", "JOINTS49"}
    assert len(there) == len(ORDERS)
