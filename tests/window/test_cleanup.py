# SPDX-License-Identifier: MIT
"""The clean-up in a real window: every label is there, a slider is one undo step, contacts follow the dope sheet."""

from __future__ import annotations

import time

import pytest

TAKE = "bpy.context.scene.vibe.active_take"
GROUP = f"{TAKE}.vibe_cleanup"
ACTION = "next(item for item in bpy.data.objects if item.type == 'ARMATURE').animation_data.action"
KEYS = (
    f"__import__('zlib').crc32(repr([(curve.data_path, curve.array_index, [tuple(key.co) for key in "
    f"curve.keyframe_points]) for curve in {ACTION}.fcurves]).encode())"
)
LABELS = ("Raw", "Light", "Game", "Film", "Show Raw Motion", "Foot slide, mm/frame", "Jitter, 10 m/s³", "Smoothing")


@pytest.mark.slow
def test_a_slider_is_one_undo_step_and_contacts_follow(acted, tmp_path) -> None:
    from tests.fake_backend import small_take
    from vibe_blender.contract.take_file import save_take

    blender = acted("stream")
    path = save_take(small_take(count=120), blender.work / "walk.take")
    blender.ask("setattr(bpy.context.scene.render, 'fps', 25)")
    blender.ask(f"bpy.ops.vibe.open_take('EXEC_DEFAULT', True, filepath={str(path)!r}) and 1")
    view = blender.region("VIEW_3D", "WINDOW")
    blender.move(view)
    blender.key("n")
    blender.wait("region('VIEW_3D', 'UI')[2] > 100")
    sidebar = blender.region()
    blender.click("VIBE", sidebar, sideways=True)
    blender.click(blender.find("Capture", sidebar)[0])  # its heading folds the panel up
    for label in LABELS:
        blender.see(label, sidebar)
    blender.picture("cleanup_1_panel")

    states = [blender.ask(KEYS)]
    for label in ("Raw", "Light", "Film", "Game"):
        blender.click(label, sidebar)
        time.sleep(0.3)
        states.append(blender.ask(KEYS))
    assert len(set(states)) >= 4
    blender.move(view)
    for state in states[-2::-1]:
        blender.key("ctrl+z")
        blender.wait(f"{KEYS} == {state}")
    for state in states[1:]:
        blender.key("ctrl+shift+z")
        blender.wait(f"{KEYS} == {state}")

    toes = f"next(curve for curve in {ACTION}.fcurves if curve.data_path == '[\"contact right toe\"]')"
    blender.ask(
        f"[{toes}.keyframe_points.insert(30, 1.0), {toes}.keyframe_points.insert(50, 0.0), {ACTION}.update_tag()] and 1"
    )
    blender.wait(f"{KEYS} != {states[-1]} and 'vibe_contacts' in bpy.context.scene.objects['walk person 1']")
    blender.picture("cleanup_2_contacts")
