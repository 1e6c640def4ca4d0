# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.characters import character
from tests.characters_blender import add_character, add_rigify, remove_rigify
from tests.fake_backend import small_take
from vibe_blender import retarget_baking
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take_file import save_take
from vibe_blender.retarget_baking import Work
from vibe_blender.scene.animation import assigned_curves
from vibe_blender.scene.retargeting.leader import is_bound
from vibe_blender.scene.retargeting.live import bind
from vibe_blender.scene.takes import people

pytestmark = pytest.mark.usefixtures("panel")
COUNT = 20


@pytest.fixture
def source(video, tmp_path):
    bpy.context.scene.render.fps = 25
    path = save_take(small_take(str(video), count=COUNT), tmp_path / "one.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    return people(bpy.context.scene.vibe.active_take)[0][0]


@pytest.fixture
def rigify(source):
    """A generated rig, chosen as the target."""
    metarig, rig = add_rigify(bpy.context.scene)
    bpy.data.objects.remove(metarig)
    bpy.context.scene.vibe_retargeting.target = rig
    yield rig
    remove_rigify()


def controlled(name: str):
    """A rig that is not plain, chosen as the target."""
    armature = add_character(character("Mixamo"), bpy.context.scene.collection)
    armature.name = name
    armature.pose.bones["mixamorig:LeftArm"].constraints.new("LIMIT_SCALE")
    bpy.context.view_layer.update()
    bpy.context.scene.vibe_retargeting.target = armature
    return armature


def names() -> tuple[list[str], ...]:
    kinds = ("scenes", "objects", "armatures", "actions", "collections")
    return tuple(sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds)


def tick(times: int) -> None:
    for _ in range(times):
        retarget_baking.pump(0.0)


def test_a_generated_rig_is_baked_in_steps_with_progress(rigify, source) -> None:
    frame, before = bpy.context.scene.frame_current, names()
    baking = retarget_baking.start((Work.of(source, rigify),))
    shares = []
    while retarget_baking.current() is not None:
        shares.append(baking.share())
        retarget_baking.pump(0.0)
    assert shares == sorted(shares)
    assert len(shares) > COUNT
    assert shares[-1] > 0.9
    assert retarget_baking.told().kind == "done"
    assert any("IK_FK" in note for note in retarget_baking.told().notes)
    assert bpy.context.scene.frame_current == frame
    after = names()
    assert after[:3] == before[:3]
    assert set(after[3]) - set(before[3]) == {rigify.animation_data.action.name}


def test_cancel_leaves_nothing(source) -> None:
    hero = controlled("Hero")
    before = names()
    retarget_baking.start((Work.of(source, hero),))
    tick(5)
    assert names() != before
    retarget_baking.cancel()
    tick(1)
    assert names() == before
    assert retarget_baking.told().text == "Cancelled."


def test_an_undo_meanwhile_lets_the_character_begin_anew(source) -> None:
    hero = controlled("Hero")
    uid = hero.session_uid
    bpy.ops.ed.undo_push(message="one")
    before = names()
    bpy.context.scene.frame_end = 77
    bpy.ops.ed.undo_push(message="two")
    retarget_baking.start((Work.of(source, hero),))
    tick(5)
    bpy.context.scene.frame_end = 88
    bpy.ops.ed.undo_push(message="meanwhile")  # a step that holds what is in the making
    tick(2)
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    assert names() == before
    bpy.ops.ed.redo()
    bpy.ops.ed.redo()
    assert names() == before
    assert retarget_baking.current().steps == 0
    tick(3 * COUNT)
    assert retarget_baking.told().kind == "done"
    hero = next(thing for thing in bpy.data.objects if thing.session_uid == uid)
    assert hero.animation_data.action is not None


def test_a_character_removed_meanwhile_is_told(source) -> None:
    first, second = controlled("First"), controlled("Second")
    first_work, second_work = Work.of(source, first, keep=True), Work.of(source, second, keep=True)
    retarget_baking.start((first_work, second_work))
    tick(5)
    bpy.data.objects.remove(second)
    bpy.context.view_layer.update()
    tick(3 * COUNT)
    told = retarget_baking.told()
    assert told.kind == "done"
    assert "1 of 2" in told.text
    assert any("not in the file any more" in note for note in told.notes)


def test_a_bone_renamed_while_bound_is_known_to_the_bake(source) -> None:
    armature = controlled("Held")
    bind(source, armature, armature.vibe_retarget.bone_map(), armature.vibe_retarget.settings())
    armature.pose.bones["mixamorig:LeftForeArm"].name = "my forearm"
    retarget_baking.start((Work.of(source, armature),), at_once=True)
    assert retarget_baking.told().kind == "done"
    assert not is_bound(armature)
    assert any("my forearm" in curve.data_path for curve in assigned_curves(armature))


def test_a_bone_renamed_while_at_work_is_told_and_nothing_is_left(source) -> None:
    armature, before = controlled("Held"), names()
    retarget_baking.start((Work.of(source, armature),))
    tick(6)
    armature.pose.bones["mixamorig:LeftForeArm"].name = "my forearm"
    tick(COUNT + 20)
    told = retarget_baking.told()
    assert told.kind == "error"
    assert "LeftForeArm" in f"{told.text} {told.notes}"
    assert names() == before


def test_the_source_removed_while_at_work_is_told_or_no_matter(source) -> None:
    hero = controlled("Hero")
    before = len(bpy.data.scenes)
    retarget_baking.start((Work.of(source, hero),))
    tick(5)
    bpy.data.objects.remove(hero)
    tick(3 * COUNT)
    assert retarget_baking.current() is None
    assert retarget_baking.told().kind == "error"
    assert len(bpy.data.scenes) == before


def test_another_file_ends_it(source, tmp_path) -> None:
    hero = controlled("Hero")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    before = names()
    retarget_baking.start((Work.of(source, hero),))
    tick(5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "meanwhile.blend"), copy=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "meanwhile.blend"))
    assert retarget_baking.current() is None
    assert names() == before


def test_one_bake_at_a_time(source) -> None:
    hero = controlled("Hero")
    retarget_baking.start((Work.of(source, hero),))
    with pytest.raises(CaptureError) as caught:
        retarget_baking.start((Work.of(source, hero),))
    assert caught.value.code == "already_baking"
    retarget_baking.stop()
    assert retarget_baking.current() is None


def test_what_nobody_foresaw_does_not_leave_the_panel_waiting(source, monkeypatch) -> None:
    hero = controlled("Hero")
    monkeypatch.setattr(retarget_baking, "retargeting", lambda *_: 1 / 0)
    retarget_baking.start((Work.of(source, hero),))
    with pytest.raises(ZeroDivisionError):
        tick(1)
    assert retarget_baking.current() is None
    assert retarget_baking.told().kind == "error"


def test_nothing_is_done_while_a_render_reads_the_characters(source, monkeypatch) -> None:
    hero = controlled("Hero")
    monkeypatch.setattr(retarget_baking, "rendering", lambda: True)
    with pytest.raises(CaptureError) as caught:
        retarget_baking.start((Work.of(source, hero),))
    assert caught.value.code == "rendering"
    monkeypatch.setattr(retarget_baking, "rendering", lambda: False)
    baking = retarget_baking.start((Work.of(source, hero),))
    monkeypatch.setattr(retarget_baking, "rendering", lambda: True)
    tick(3)
    assert baking.steps == 0
    retarget_baking.stop()
