# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import CHARACTERS, Character
from tests.characters_blender import add_character, build_bones, pose_matrices
from tests.random_rigs import random_rig, random_turns
from vibe_blender.contract.quaternions import Array, multiply, to_axis_angles
from vibe_blender.motion.retargeting.rig import BoneMotion, Pose, Rig, pose_of, posed

FRAMES = 3


def blender_poses(armature, bones, pose: Pose, frame: int, names) -> tuple[Array, Array]:
    """Heads and orientations of the named bones when Blender is given a frame of a pose."""
    for row, name in enumerate(bones):
        bone = armature.pose.bones[name]
        bone.rotation_mode = "QUATERNION"
        bone.rotation_quaternion, bone.location = pose.rotations[frame, row], pose.locations[frame, row]
    bpy.context.view_layer.update()
    return pose_matrices(armature, list(names))


def angles_deg(one: Array, other: Array) -> Array:
    """Angles between orientations (..., 4), degrees."""
    back = other * [1.0, -1.0, -1.0, -1.0]
    return np.degrees(np.linalg.norm(to_axis_angles(multiply(one, back)), axis=-1))


def random_pose(rig: Rig, bones: list[str], seed: int, size: float = 1.0) -> Pose:
    places = np.random.default_rng(seed).normal(scale=0.2 * size, size=(FRAMES, len(bones), 3))
    return Pose(random_turns(FRAMES, len(bones), seed=seed, size=2.8), places)


def armature_of(rig: Rig, scene):
    armature = bpy.data.objects.new("rig", bpy.data.armatures.new("rig"))
    scene.collection.objects.link(armature)
    build_bones(armature, rig)
    return armature


@pytest.mark.parametrize("seed", range(6))
def test_bones_of_every_kind_are_where_blender_has_them(scene, seed: int) -> None:
    rig = random_rig(seed, 16)
    armature, pose = armature_of(rig, scene), random_pose(rig, list(rig.names), seed)
    heads, turned = posed(rig, rig.names, pose)
    for frame in range(FRAMES):
        seen_heads, seen_turned = blender_poses(armature, rig.names, pose, frame, rig.names)
        assert np.abs(heads[frame] - seen_heads).max() < 2e-5
        assert angles_deg(turned[frame], seen_turned).max() < 0.01
    assert not rig.inherits.all()
    assert not rig.local.all()


def test_bones_that_are_not_posed_follow_their_parents(scene) -> None:
    rig = random_rig(3, 16)
    armature, some = armature_of(rig, scene), list(rig.names[1::3])
    pose = random_pose(rig, some, 4)
    heads, turned = posed(rig, some, pose)
    seen_heads, seen_turned = blender_poses(armature, some, pose, 1, rig.names)
    assert np.abs(heads[1] - seen_heads).max() < 2e-5
    assert angles_deg(turned[1], seen_turned).max() < 0.01


@pytest.mark.parametrize("seed", range(6))
def test_channels_bring_bones_where_they_are_to_be_whatever_lies_between(scene, seed: int) -> None:
    rig, random = random_rig(seed, 16), np.random.default_rng(seed)
    armature = armature_of(rig, scene)
    wanted = [name for name in rig.names if random.uniform() < 0.6]
    moved = [name for name in wanted if random.uniform() < 0.5]
    motion = BoneMotion(
        frames=np.arange(FRAMES, dtype=float),
        bones=tuple(wanted),
        turned=random_turns(FRAMES, len(wanted), seed=seed + 10, size=3.0),
        moved=tuple(moved),
        heads=random.normal(size=(FRAMES, len(moved), 3)),
    )
    others = [name for name in rig.names if name not in wanted][::2]
    held = Pose(random_turns(1, len(others), seed=seed + 20), random.normal(scale=0.3, size=(1, len(others), 3)))
    blender_poses(armature, others, held, 0, rig.names)
    pose = pose_of(rig, motion, others, held)
    for frame in range(FRAMES):
        _, turned = blender_poses(armature, wanted, pose, frame, wanted)
        assert angles_deg(motion.turned[frame], turned).max() < 0.01
        heads, _ = pose_matrices(armature, moved)
        assert np.abs(heads - motion.heads[frame]).max() < 5e-5
    places = [wanted.index(name) for name in wanted if name not in moved]
    assert not pose.locations[:, places].any()


def test_no_bones_and_no_frames_are_no_trouble() -> None:
    rig = random_rig()
    heads, turned = posed(rig, (), Pose(np.zeros((2, 0, 4)), np.zeros((2, 0, 3))))
    assert np.allclose(heads, rig.heads)
    assert angles_deg(turned, np.broadcast_to(rig.axes, turned.shape)).max() < 1e-4
    nothing = pose_of(rig, BoneMotion(np.zeros(0), rig.names, np.zeros((0, len(rig), 4)), (), np.zeros((0, 0, 3))))
    assert nothing.rotations.shape == (0, len(rig), 4)


@pytest.mark.parametrize("one", CHARACTERS, ids=repr)
def test_a_known_rig_is_where_blender_has_it(scene, one: Character) -> None:
    rig = one.rig
    armature, some = add_character(one, scene.collection), list(rig.names[::2])
    pose = random_pose(rig, some, 5, size=1.0 / one.unit_m)
    # Bones that are connected do not leave their parents' tails.
    pose.locations[:, [armature.data.bones[name].use_connect for name in some]] = 0.0
    heads, turned = posed(rig, some, pose)
    seen_heads, seen_turned = blender_poses(armature, some, pose, 2, rig.names)
    assert np.abs(heads[2] - seen_heads).max() < 5e-5 / one.unit_m
    assert angles_deg(turned[2], seen_turned).max() < 0.02


def test_what_carries_a_bone_is_named_from_its_parent_up() -> None:
    rig = random_rig(2, 16)
    for bone in range(len(rig)):
        above = rig.ancestors(bone)
        assert above[:1] == ([int(rig.parents[bone])] if rig.parents[bone] >= 0 else [])
        assert all(bone in rig.children[parent] for parent in above[:1])
    assert sorted(child for children in rig.children for child in children) == list(np.flatnonzero(rig.parents >= 0))
    assert [rig.numbers[name] for name in rig.names] == list(range(len(rig)))
