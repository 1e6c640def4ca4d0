# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters_blender import editing, pose_matrices
from tests.random_rigs import add_rig, connect, random_rig, random_turns
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import multiply
from vibe_blender.motion.retargeting.bone_map import BoneMap, MappedPart
from vibe_blender.motion.retargeting.rig import Pose, posed
from vibe_blender.scene.retargeting.rigs import (
    OURS,
    check_armature,
    check_own,
    held_pose,
    is_plain,
    mapped,
    moves_itself,
    path_of,
    read_rig,
    with_ancestors,
)


@pytest.fixture
def armature(scene):
    return add_rig(random_rig(), scene.collection)


def mapped_to(*names: str) -> BoneMap:
    return BoneMap((MappedPart("spine", names),))


def test_a_rig_that_was_read_is_posed_as_blender_poses_it(armature) -> None:
    rig = read_rig(armature)
    turned = random_turns(1, len(rig), size=2.5)
    places = np.random.default_rng(2).normal(size=(1, len(rig), 3))
    for row, name in enumerate(rig.names):
        bone = armature.pose.bones[name]
        bone.rotation_mode = "QUATERNION"
        bone.rotation_quaternion, bone.location = turned[0, row], places[0, row]
    bpy.context.view_layer.update()
    heads, axes = posed(rig, rig.names, Pose(turned, places))
    seen_heads, seen_axes = pose_matrices(armature, list(rig.names))
    assert np.abs(heads[0] - seen_heads).max() < 1e-5
    assert np.abs(np.sum(axes[0] * seen_axes, axis=-1)).min() > 1 - 1e-9
    assert not rig.inherits.all()
    assert not rig.local.all()


def test_parents_come_before_their_children_and_tails_are_where_bones_end(armature) -> None:
    rig = read_rig(armature)
    assert all(parent < bone for bone, parent in enumerate(rig.parents))
    known = random_rig()
    for name in rig.names:
        here, there = rig.numbers[name], known.numbers[name]
        assert np.allclose(rig.tails[here], known.tails[there], atol=1e-5)
        parent = known.parents[there]
        assert rig.parents[here] == (-1 if parent < 0 else rig.numbers[known.names[parent]])


def test_a_part_of_a_rig_has_what_carries_it_and_its_children_and_is_the_same_else(armature) -> None:
    whole, name = read_rig(armature), random_rig().names[3]
    part = read_rig(armature, [name, "nobody"])
    number = whole.numbers[name]
    expected = {name, *(whole.names[bone] for bone in (*whole.ancestors(number), *whole.children[number]))}
    assert set(part.names) == expected
    for bone in part.names:
        assert np.array_equal(part.heads[part.numbers[bone]], whole.heads[whole.numbers[bone]])
        above = whole.parents[whole.numbers[bone]]
        assert part.parents[part.numbers[bone]] == (-1 if above < 0 else part.numbers[whole.names[above]])


def test_mapped_bones_are_named_once() -> None:
    assert mapped(BoneMap((MappedPart("spine", ("a", "b")), MappedPart("neck", ("b",))))) == ("a", "b")


def test_a_rig_is_plain_until_something_else_moves_a_mapped_bone_or_what_carries_it(armature) -> None:
    rig = read_rig(armature)
    leaf = next(name for name in rig.names if len(rig.ancestors(rig.numbers[name])) >= 2)
    above = rig.names[rig.ancestors(rig.numbers[leaf])[1]]
    stranger = next(name for name in rig.names if name not in with_ancestors(armature, [leaf]))
    bone_map = mapped_to(leaf)
    assert is_plain(armature, bone_map)
    armature.pose.bones[stranger].constraints.new("COPY_ROTATION")
    assert is_plain(armature, bone_map)
    for name in (leaf, above):
        constraint = armature.pose.bones[name].constraints.new("COPY_ROTATION")
        assert not is_plain(armature, bone_map)
        constraint.mute = True
        assert is_plain(armature, bone_map)
    driver = armature.driver_add(path_of(above, "rotation_euler"), 0)
    assert not is_plain(armature, bone_map)
    driver.mute = True
    assert is_plain(armature, bone_map)
    armature.pose.bones[above].scale = (1.0, 2.0, 1.0)
    assert not is_plain(armature, bone_map)


def test_the_bones_that_an_ik_chain_reaches_are_not_plain(armature) -> None:
    rig = read_rig(armature)
    leaf = max(rig.names, key=lambda name: len(rig.ancestors(rig.numbers[name])))
    chain = [rig.names[bone] for bone in rig.ancestors(rig.numbers[leaf])]
    ik = armature.pose.bones[leaf].constraints.new("IK")
    ik.chain_count = 2
    assert not is_plain(armature, mapped_to(chain[0]))
    assert is_plain(armature, mapped_to(chain[1]))
    ik.chain_count = 0
    assert not is_plain(armature, mapped_to(chain[-1]))


def test_constraints_of_ours_leave_a_target_plain_but_move_a_source(armature) -> None:
    name = armature.pose.bones[3].name
    armature.pose.bones[3].constraints.new("COPY_ROTATION").name = f"{OURS}turn"
    assert is_plain(armature, mapped_to(name))
    assert not moves_itself(armature, [name])


def test_what_carries_mapped_bones_and_is_not_at_rest_is_held(armature) -> None:
    rig = read_rig(armature)
    leaf = next(name for name in rig.names if len(rig.ancestors(rig.numbers[name])) >= 2)
    parent, above = (rig.names[bone] for bone in rig.ancestors(rig.numbers[leaf])[:2])
    for name in (leaf, above):
        armature.pose.bones[name].rotation_mode = "XYZ"
        armature.pose.bones[name].rotation_euler = (0.3, 0.0, 0.0)
        armature.pose.bones[name].location = (0.1, 0.2, 0.3)
    names, pose = held_pose(armature, [leaf, parent])
    assert names == (above,)
    assert np.allclose(pose.rotations, [[[np.cos(0.15), np.sin(0.15), 0, 0]]])
    assert np.allclose(pose.locations, [[[0.1, 0.2, 0.3]]])
    assert held_pose(armature, [leaf, parent, above])[0] == ()


def test_a_connected_bone_is_held_where_it_hangs(armature) -> None:
    rig = read_rig(armature)
    child = next(name for name in rig.names if rig.parents[rig.numbers[name]] >= 0)
    connect(armature, child)
    under = read_rig(armature)
    armature.pose.bones[child].rotation_mode = "QUATERNION"
    armature.pose.bones[child].rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    armature.pose.bones[child].location = (5.0, 0.0, 0.0)
    names, pose = held_pose(armature, ["nobody"])
    assert names == ()
    leaf = _add_leaf(armature, child)
    names, pose = held_pose(armature, [leaf])
    assert names == (child,)
    bpy.context.view_layer.update()
    heads, axes = posed(read_rig(armature), names, pose)
    row = read_rig(armature).numbers[child]
    seen_heads, seen_axes = pose_matrices(armature, [child])
    assert np.allclose(heads[0, row], seen_heads[0], atol=1e-5)
    assert abs(np.dot(axes[0, row], seen_axes[0])) > 1 - 1e-6
    assert np.allclose(axes[0, row], multiply(under.axes[under.numbers[child]], [0.8, 0.6, 0, 0]), atol=1e-5)


def _add_leaf(armature, parent: str) -> str:
    with editing(armature) as bones:
        bone = bones.new("leaf")
        bone.head, bone.tail = (0, 0, 0), (0, 0, 1)
        bone.parent = bones[parent]
    return "leaf"


def test_what_cannot_give_or_take_a_motion_says_why(scene, armature) -> None:
    def why(thing) -> str:
        bpy.context.view_layer.update()
        with pytest.raises(CaptureError) as caught:
            check_armature(thing, "target")
        assert caught.value.hint
        return caught.value.code

    empty = bpy.data.objects.new("empty", None)
    assert why(None) == why(empty) == "not_armature"
    for scale, code in (
        ((0.0, 0.0, 0.0), "armature_flat"),
        ((1.0, 0.0, 1.0), "armature_flat"),
        ((1.0, 1.1, 1.0), "uneven_scale"),
        ((-1.0, 1.0, 1.0), "uneven_scale"),
    ):
        armature.scale = scale
        assert why(armature) == code
    for scale in (0.01, 100.0):
        armature.scale = (scale,) * 3
        bpy.context.view_layer.update()
        assert check_armature(armature, "target") == armature
    scene.collection.objects.link(empty)
    empty.scale, armature.parent, armature.rotation_euler = (1.0, 3.0, 1.0), empty, (0.5, 0.0, 0.0)
    assert why(armature) == "uneven_scale"
    armature.parent = None
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    assert why(armature) == "edit_mode"
    bpy.ops.object.mode_set(mode="OBJECT")


def test_a_linked_armature_cannot_be_animated_but_its_override_can(scene, armature, tmp_path) -> None:
    check_own(armature)
    path = tmp_path / "characters é.blend"
    bpy.data.libraries.write(str(path), {armature})
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = ["rig"]
    linked = wanted.objects[0]
    scene.collection.objects.link(linked)
    with pytest.raises(CaptureError) as caught:
        check_own(linked)
    assert caught.value.code == "target_linked"
    override = linked.override_create(remap_local_usages=True)
    override.override_library.is_system_override = False
    check_own(override)
