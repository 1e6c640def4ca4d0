# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from collections.abc import Iterator

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import CHARACTERS, SCRAMBLED, Character, character, posed_as, scaled_legs, wide
from tests.characters_blender import add_character, add_rigify, remove_rigify
from tests.characters_motion import (
    add_source,
    between_deg,
    dance,
    limb_directions,
    orientations,
    romp,
    smpl_map,
)
from vibe_blender.contract.quaternions import Array, from_axis_angles, multiply, rotate, to_axis_angles
from vibe_blender.motion.mapping.mapping import map_bones
from vibe_blender.motion.retargeting.bone_map import BoneMap, MappedPart
from vibe_blender.motion.retargeting.settings import Retarget
from vibe_blender.scene.retargeting.rigs import read_rig
from vibe_blender.scene.retargeting.transfer import retargeting
from vibe_blender.scene.steps import run_through

BOUND_DEG = 0.1
POSED = [posed_as(one, "T" if one.pose == "A" else "A") for one in CHARACTERS]
BUILT = [make(one) for one in CHARACTERS[:3] for make in (lambda one: scaled_legs(one, 0.7), wide)]


def errors_deg(
    source,
    target,
    bone_map: BoneMap,
    scene,
    settings: Retarget,
    stands: Array | None = None,
    seen: BoneMap | None = None,
) -> Array:
    """Angles (T, 8) between the limbs of both, when the target has been given the source's motion.

    Args:
        stands: (4,) how the target's object has been turned from where its character stands upright and faces -y; None
            compares in the world.
        seen: the bones whose directions are compared; None for those of the map.
    """
    outcome = run_through(retargeting(source, target, bone_map, settings, "test"))
    assert target.animation_data.action == outcome.action
    first, last = (int(frame) for frame in source.animation_data.action.frame_range)
    frames = np.arange(first, last + 1)
    wanted = limb_directions(source, smpl_map(), frames, scene)
    found = limb_directions(target, seen or bone_map, frames, scene)
    if stands is not None:
        found = rotate(stands * [1.0, -1.0, -1.0, -1.0], found)
    return between_deg(wanted, found)


def upright(one: Character) -> Array:
    """How the object of a character that stands is turned from its armature's axes."""
    return from_axis_angles(np.array([np.pi / 2 if one.up == "Y" else 0.0, 0.0, 0.0]))


@pytest.fixture(params=["romp", "dance"])
def source(scene, request: pytest.FixtureRequest):
    """A take's armature that moves every joint every way; and one that dances, where that is beside the checkout."""
    person = romp() if request.param == "romp" else dance(request.getfixturevalue("shared"))
    return add_source(person, scene)


@pytest.mark.parametrize("one", [*CHARACTERS, *POSED, *SCRAMBLED], ids=repr)
def test_limbs_point_as_the_sources_do(scene, source, one: Character) -> None:
    target = add_character(one, scene.collection)
    still = np.array([1.0, 0.0, 0.0, 0.0])
    assert errors_deg(source, target, one.true_map, scene, Retarget(), still).max() <= BOUND_DEG


@pytest.fixture
def romping(scene):
    return add_source(romp(), scene)


@pytest.mark.parametrize("one", CHARACTERS, ids=repr)
@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_neither_scale_nor_turn_nor_parents_of_the_object_matter(scene, romping, one: Character, scale: float) -> None:
    parent = bpy.data.objects.new("parent", None)
    scene.collection.objects.link(parent)
    parent.rotation_mode, parent.rotation_quaternion = "QUATERNION", from_axis_angles(np.array([0.3, -1.1, 2.0]))
    parent.location, parent.scale = (3.0, -20.0, 1.0), (2.0, 2.0, 2.0)
    turn = np.array([-0.4, 0.9, -0.6])
    target = add_character(
        one, scene.collection, scale=scale, rotation=tuple(turn), location=(-1.0, 2.0, 9.0), parent=parent
    )
    stands = multiply(np.array(parent.rotation_quaternion), from_axis_angles(turn))
    assert errors_deg(romping, target, one.true_map, scene, Retarget(), stands).max() <= BOUND_DEG


@pytest.mark.parametrize("name", ["Mixamo", "Unreal 5", "MPFB"])
def test_in_the_sources_own_place_limbs_are_parallel_in_the_world(scene, romping, name: str) -> None:
    one = character(name)
    romping.rotation_mode, romping.rotation_quaternion = "QUATERNION", from_axis_angles(np.array([0.2, -0.1, 1.2]))
    romping.location, romping.scale = (1.0, 2.0, 0.5), (3.0, 3.0, 3.0)
    target = add_character(one, scene.collection, scale=0.3, rotation=(0.5, 0.1, -2.0), location=(0.0, 5.0, 0.0))
    bpy.context.view_layer.update()
    assert errors_deg(romping, target, one.true_map, scene, Retarget(place="world")).max() <= BOUND_DEG


@pytest.mark.parametrize("one", BUILT, ids=repr)
@pytest.mark.parametrize(
    "settings",
    [Retarget(root="in_place", lock_height=True), Retarget(align_trunk=True), Retarget(twist=1.0, path_scale=0.5)],
    ids=["in place", "trunk", "twist"],
)
def test_whatever_is_set_that_is_not_about_limbs_leaves_them(
    scene, romping, one: Character, settings: Retarget
) -> None:
    target = add_character(one, scene.collection)
    still = np.array([1.0, 0.0, 0.0, 0.0])
    assert errors_deg(romping, target, one.true_map, scene, settings, still).max() <= BOUND_DEG


def test_rotation_modes_and_bones_that_inherit_nothing_do_not_matter(scene, romping) -> None:
    one = character("Unreal 4")
    target = add_character(one, scene.collection)
    modes = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "AXIS_ANGLE", "QUATERNION")
    for number, bone in enumerate(target.pose.bones):
        bone.rotation_mode = modes[number % len(modes)]
        bone.bone.use_inherit_rotation = number % 3 > 0
        bone.bone.use_local_location = number % 2 > 0
    still = np.array([1.0, 0.0, 0.0, 0.0])
    assert errors_deg(romping, target, one.true_map, scene, Retarget(), still).max() <= BOUND_DEG
    assert [bone.rotation_mode for bone in target.pose.bones][:8] == list(modes)


@pytest.mark.parametrize("motion", ["romp", "dance"])
def test_a_motion_comes_back_from_mixamo_as_it_went(scene, motion: str, request: pytest.FixtureRequest) -> None:
    person = romp() if motion == "romp" else dance(request.getfixturevalue("shared"))
    source, one = add_source(person, scene), character("Mixamo")
    between = add_character(one, scene.collection, scale=2.0, rotation=(0.3, 0.0, 1.0))
    run_through(retargeting(source, between, one.true_map, Retarget(feet=0.0)))
    back = add_source(person, scene)
    run_through(retargeting(between, back, smpl_map(), Retarget(feet=0.0), source_parts=one.true_map))
    frames = np.arange(1, len(person.frames) + 1)
    names = [bone for entry in smpl_map().parts for bone in entry.bones]
    wanted, found = (orientations(armature, names, frames, scene) for armature in (source, back))
    apart = np.degrees(np.linalg.norm(to_axis_angles(multiply(found, wanted * [1, -1, -1, -1])), axis=-1))
    assert len(names) == 22
    assert dict(zip(names, apart.max(axis=0) <= BOUND_DEG, strict=True)) == dict.fromkeys(names, True)


@pytest.fixture
def rigify(scene) -> Iterator[tuple]:
    yield add_rigify(scene)
    remove_rigify()


@pytest.mark.slow
def test_limbs_point_as_the_sources_do_on_rigifys_own_rigs(scene, rigify, source) -> None:
    turn = np.array([1.0, 0.0, 0.0, 0.0])
    for scale in (1.0, 0.01, 100.0):
        for target, prefix in zip(rigify, ("", "DEF-"), strict=True):
            target.rotation_mode, target.rotation_quaternion, target.scale = "QUATERNION", turn, (scale,) * 3
            bone_map = map_bones(read_rig(target))
            assert errors_deg(source, target, bone_map, scene, Retarget(), turn, flesh(prefix)).max() <= BOUND_DEG
        turn = from_axis_angles(np.array([0.4, -0.2, 2.0]))


def flesh(prefix: str) -> BoneMap:
    """The bones of a Rigify rig that move its mesh."""
    called = {
        "shoulder": "upper_arm", "elbow": "forearm", "wrist": "hand", "hip": "thigh", "knee": "shin", "ankle": "foot",
    }  # fmt: skip
    return BoneMap(
        tuple(
            MappedPart(f"{side}_{joint}", (f"{prefix}{name}.{side[0].upper()}",))
            for side in ("left", "right")
            for joint, name in called.items()
        )
    )
