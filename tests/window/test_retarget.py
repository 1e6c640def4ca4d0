# SPDX-License-Identifier: MIT
"""Retarget in a real window: a character is found, follows, is baked while Blender answers; one step undoes it."""

from __future__ import annotations

import time

import pytest

from tests.window.desktop import REPOSITORY

TAKE = "bpy.context.scene.vibe.active_take"
HERO = "bpy.data.objects['Hero']"
BAKING = "extension('retarget_baking')"
KEYS = f"len(({HERO}.animation_data and {HERO}.animation_data.action and 'x' or ''))"
BOUND = f"extension('scene.retargeting.leader').is_bound({HERO})"
COUNT = 2000


def add_hero(blender, rig: str, place: float = 0.0) -> None:
    blender.ask(f"__import__('sys').path.insert(0, {str(REPOSITORY)!r})")
    made = "__import__('tests.characters_blender', fromlist=['x']).add_character"
    known = f"__import__('tests.characters', fromlist=['x']).character({rig!r})"
    blender.ask(
        f"[setattr({made}({known}, bpy.context.scene.collection, location=({place}, 0, 0), fleshed=True), "
        f"'name', 'Hero'), "
        f"bpy.context.view_layer.update(), [thing.select_set(thing.name == 'Hero') for thing in bpy.data.objects], "
        f"setattr(bpy.context.view_layer.objects, 'active', {HERO}), "
        "bpy.ops.ed.undo_push(message='hero')] and 1"
    )


def open_panel(blender):
    """The sidebar with Retarget alone."""
    view = blender.region("VIEW_3D", "WINDOW")
    blender.move(view)
    blender.key("n")
    blender.wait("region('VIEW_3D', 'UI')[2] > 100")
    sidebar = blender.region()
    blender.click("VIBE", sidebar, sideways=True)
    for heading in ("Clean-up", "Takes", "Capture"):
        fold(blender, heading, sidebar)
    return view, sidebar


def fold(blender, heading: str, sidebar) -> None:
    """Folds a panel up; what is below has to be drawn where it is then."""
    blender.click(blender.find(heading, sidebar)[0])
    time.sleep(1.0)


@pytest.fixture
def opened(acted):
    from tests.fake_backend import small_take
    from vibe_blender.contract.take_file import save_take

    blender = acted("stream")
    path = save_take(small_take(count=COUNT), blender.work / "walk.take")
    blender.ask("setattr(bpy.context.scene.render, 'fps', 25)")
    blender.ask(f"bpy.ops.vibe.open_take('EXEC_DEFAULT', True, filepath={str(path)!r}) and 1")
    return blender


@pytest.mark.slow
def test_a_known_character_takes_three_clicks(opened) -> None:
    blender = opened
    add_hero(blender, "Mixamo", 1.0)
    view, sidebar = open_panel(blender)
    blender.picture("retarget_1_offered")
    blender.click("Use Hero", sidebar)
    blender.see("Mixamo: 20 of 20 parts", sidebar)
    blender.picture("retarget_2_found")

    blender.click("Live Link", sidebar)
    blender.wait(BOUND)
    blender.ask("bpy.context.scene.frame_set(200)")
    blender.picture("retarget_3_bound")
    blender.move(view)
    blender.key("ctrl+z")
    blender.wait(f"not {BOUND}")
    blender.key("ctrl+shift+z")
    blender.wait(BOUND)

    blender.click("Bake", sidebar)
    blender.wait(f"not {BOUND} and {KEYS}")
    blender.picture("retarget_4_baked")
    blender.move(view)
    blender.key("ctrl+z")
    blender.wait(f"{BOUND} and not {KEYS}")
    blender.key("ctrl+shift+z")
    blender.wait(f"not {BOUND} and {KEYS}")

    blender.click("Batch…", sidebar)
    blender.see("Characters")
    blender.picture("retarget_5_batch")
    blender.move(view)
    blender.key("Escape")
    for heading in ("Bones", "Motion", "Adjust"):
        blender.click(heading, sidebar)
        blender.picture(f"retarget_5_{heading.lower()}")
        fold(blender, heading, sidebar)
    blender.click("Adjust", sidebar)
    blender.click("Show Alignment", sidebar)
    blender.wait(f"{HERO}.mode == 'POSE'")
    blender.picture("retarget_6_alignment")
    blender.click("Cancel", sidebar)
    blender.wait(f"{HERO}.mode == 'OBJECT' and {KEYS}")


@pytest.mark.slow
def test_a_rig_of_controls_is_baked_while_blender_answers(opened) -> None:
    blender = opened
    add_hero(blender, "Auto-Rig Pro", 1.0)
    blender.ask(f"{HERO}.pose.bones[0].constraints.new('LIMIT_SCALE') and 1")
    view, sidebar = open_panel(blender)
    blender.click("Use Hero", sidebar)
    blender.see("Auto-Rig Pro: 20 of 20 parts", sidebar)
    blender.click("Bake", sidebar)
    blender.wait(f"{BAKING}.current() is not None and {BAKING}.current().steps > 5")
    waits = []
    for _ in range(5):
        began = time.monotonic()
        blender.ask("1")
        waits.append(time.monotonic() - began)
    assert max(waits) < 2.0, waits
    blender.picture("retarget_7_baking")
    blender.click("Cancel", sidebar)
    blender.wait(f"{BAKING}.current() is None")
    assert blender.ask(f"{BAKING}.told().kind") == "cancelled"
    assert not blender.ask(KEYS)
    blender.click("Bake", sidebar)
    blender.wait(f"{BAKING}.told() is not None and {BAKING}.told().kind == 'done'", seconds=120.0)
    assert blender.ask(KEYS)
    blender.picture("retarget_8_done")
    blender.move(view)
    blender.key("ctrl+z")
    blender.wait(f"not {KEYS}")
    assert "VIBE scratch" not in blender.ask("[scene.name for scene in bpy.data.scenes]")
    blender.key("ctrl+shift+z")
    blender.wait(KEYS)
