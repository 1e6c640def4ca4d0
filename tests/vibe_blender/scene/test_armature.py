# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender.contract.skeleton import JOINT_NAMES, PARENTS, REST_JOINTS
from vibe_blender.motion.rotations import upright
from vibe_blender.scene.armature import add_armature

HEADS = upright(REST_JOINTS + np.array([0.0, 1.2, 0.0]))
CROWN = 1.72


def add(scene, name="rig"):
    return add_armature(name, HEADS, CROWN, scene.collection)


def test_bones_are_smpl_joints_in_place(scene) -> None:
    bones = add(scene).data.bones
    assert {bone.name for bone in bones} == set(JOINT_NAMES)
    for joint, name in enumerate(JOINT_NAMES):
        assert tuple(bones[name].head_local) == pytest.approx(HEADS[joint], abs=1e-6)
        parent = bones[name].parent
        assert (parent.name if parent else None) == (JOINT_NAMES[PARENTS[joint]] if joint else None)


def test_bones_have_length_and_reach_the_next_joint(scene) -> None:
    bones = add(scene).data.bones
    assert min(bone.length for bone in bones) > 0.04
    assert tuple(bones["left_knee"].tail_local) == pytest.approx(HEADS[JOINT_NAMES.index("left_ankle")], abs=1e-6)
    assert bones["left_elbow"].use_connect
    assert not bones["left_hip"].use_connect
    assert bones["head"].tail_local.z == pytest.approx(CROWN)
    assert min(bone.tail_local.z for bone in bones) > 0


def test_left_and_right_mirror(scene) -> None:
    bones = add(scene).data.bones
    mirror = np.diag([-1.0, 1.0, 1.0])
    for name in JOINT_NAMES:
        if name.startswith("left"):
            left = np.array(bones[name].matrix_local.to_3x3())
            right = np.array(bones[name.replace("left", "right")].matrix_local.to_3x3())
            np.testing.assert_allclose(mirror @ left @ np.diag([-1.0, 1.0, 1.0]), right, atol=1e-5)


@pytest.mark.parametrize("name", ["left_knee", "left_elbow", "right_hip", "spine2", "head"])
def test_z_looks_forward(scene, name) -> None:
    axes = add(scene).data.bones[name].matrix_local.to_3x3()
    assert axes.col[2].y < -0.9


def test_the_users_selection_mode_and_scene_stay(scene) -> None:
    mesh = bpy.data.meshes.new("cube")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    cube = bpy.data.objects.new("cube", mesh)
    scene.collection.objects.link(cube)
    view_layer = bpy.context.view_layer
    view_layer.objects.active = cube
    cube.select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    other = bpy.data.scenes.new("other")
    for home in (scene, other):
        assert len(add(home).data.bones) == 24
    assert view_layer.objects.active == cube
    assert cube.select_get()
    assert cube.mode == "EDIT"
    assert bpy.context.scene == scene
