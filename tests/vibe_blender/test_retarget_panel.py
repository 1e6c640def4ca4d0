# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from unittest.mock import MagicMock

import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character
from tests.fake_backend import small_take
from vibe_blender import retarget_baking, retarget_panel
from vibe_blender.contract.take_file import save_take

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def opened(video, tmp_path):
    bpy.context.scene.render.fps = 25
    path = save_take(small_take(str(video), count=20), tmp_path / "one.take")
    bpy.ops.vibe.open_take(filepath=str(path))


def add_hero(rig: str = "Mixamo"):
    armature = add_character(character(rig), bpy.context.scene.collection)
    armature.name = "Hero"
    bpy.context.view_layer.update()
    return armature


class Words:
    """Draws a panel into nothing, and knows its words and buttons."""

    def __init__(self, kind: type) -> None:
        self.labels: list[str] = []
        self.icons: list[str] = []
        self.operators: list[str] = []
        self.properties: list[str] = []
        layout = self._layout()
        context = MagicMock(wraps=bpy.context)
        context.scene, context.active_object = bpy.context.scene, bpy.context.view_layer.objects.active
        context.region.width, context.preferences.system.ui_scale = 100_000, 1.0
        panel = MagicMock(layout=layout)
        panel.begin = lambda given: kind.begin(panel, given)
        kind.draw(panel, context)

    def _layout(self) -> MagicMock:
        layout = MagicMock()
        for name in ("row", "column", "box", "split"):
            getattr(layout, name).side_effect = lambda *_, **__: self._layout()
        layout.label.side_effect = lambda text="", icon="NONE", **_: (self.labels.append(text), self.icons.append(icon))
        layout.operator.side_effect = lambda name, **_: self.operators.append(name) or MagicMock()
        layout.prop.side_effect = lambda _, name, **__: self.properties.append(name)
        layout.progress.side_effect = lambda text, factor, **_: self.labels.append(text)
        return layout


def main() -> Words:
    return Words(retarget_panel.VIBE_PT_retarget)


def test_without_a_character_the_selected_one_is_offered() -> None:
    assert not retarget_panel.VIBE_PT_retarget_bones.poll(bpy.context)
    assert "vibe.use_as_target" not in main().operators
    bpy.context.view_layer.objects.active = add_hero()
    assert "vibe.use_as_target" in main().operators


def test_a_known_rig_is_called_by_its_name(opened) -> None:
    bpy.context.scene.vibe_retargeting.target = add_hero()
    words = main()
    assert "Mixamo: 20 of 20 parts" in words.labels
    assert {"vibe.bind_target", "vibe.retarget"} <= set(words.operators)


def test_an_unknown_rig_says_what_is_to_be_chosen(opened) -> None:
    bpy.context.scene.vibe_retargeting.target = add_hero("German")
    assert any(label.startswith("Unknown rig: ") for label in main().labels)
    bpy.ops.vibe.clear_part(part="left_knee")
    words = main()
    assert "Choose in the list of bones: left shin." in words.labels
    assert "ERROR" in words.icons


def test_a_bound_character_can_be_let_go_and_says_what_is_wrong(opened) -> None:
    bpy.context.scene.vibe_retargeting.target = add_hero()
    bpy.ops.vibe.bind_target()
    assert "vibe.unbind_target" in main().operators
    assert "vibe.update_link" not in main().operators
    bpy.ops.vibe.clear_part(part="left_knee")
    assert "vibe.update_link" in main().operators


def test_a_running_bake_is_shown_with_its_button(opened) -> None:
    hero = add_hero()
    hero.pose.bones["mixamorig:LeftArm"].constraints.new("LIMIT_SCALE")
    bpy.context.scene.vibe_retargeting.target = hero
    source = bpy.data.objects["one person 1"]
    retarget_baking.start((retarget_baking.Work.of(source, hero),))
    for _ in range(8):
        retarget_baking.pump(0.0)
    words = main()
    assert "Baking one person 1 → Hero" in words.labels
    assert any(label.endswith("of 20 frames") for label in words.labels)
    assert words.operators == ["vibe.cancel_retarget"]
    retarget_baking.cancel()
    retarget_baking.pump(0.0)
    words = main()
    assert "Cancelled." in words.labels
    assert "vibe.dismiss_retarget" in words.operators


def test_while_the_alignment_is_shown_it_is_to_be_ended_first(opened) -> None:
    bpy.context.scene.vibe_retargeting.target = add_hero()
    assert "vibe.align_rig" in Words(retarget_panel.VIBE_PT_retarget_adjust).operators
    bpy.ops.vibe.align_rig()
    assert "vibe.retarget" not in main().operators
    assert {"vibe.apply_alignment", "vibe.cancel_alignment"} <= set(
        Words(retarget_panel.VIBE_PT_retarget_adjust).operators
    )
    bpy.ops.vibe.cancel_alignment()


def test_every_setting_is_in_the_panel(opened) -> None:
    bpy.context.scene.vibe_retargeting.target = target = add_hero()
    shown = {
        name
        for kind in (retarget_panel.VIBE_PT_retarget_motion, retarget_panel.VIBE_PT_retarget_adjust)
        for name in Words(kind).properties
    }
    kept = {"rna_type", "name", "map_text", "adjusting", "adjusting_action", "followed", "source", "source_from"}
    assert shown == {prop.identifier for prop in target.vibe_retarget.bl_rna.properties} - kept


def test_rows_have_the_colour_of_how_sure_they_are(opened) -> None:
    hero = add_hero()
    choice = bpy.context.scene.vibe_retargeting
    choice.target = hero
    choice.parts["head"].bone = "mixamorig:Neck"
    bpy.ops.vibe.clear_part(part="left_knee")
    found = {}
    for row in choice.parts:
        layout = MagicMock()
        retarget_panel.VIBE_UL_retarget_parts.draw_item(MagicMock(), bpy.context, layout, choice, row, 0, choice, "row")
        found[row.name] = layout.split().label.call_args.kwargs["icon"]
    assert found["left_hip"] == "COLLECTION_COLOR_04"
    assert found["head"] == "COLLECTION_COLOR_05"
    assert found["left_knee"] == "COLLECTION_COLOR_01"
    assert found["neck"] == found["root"] == "LAYER_USED"
