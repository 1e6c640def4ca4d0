# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import time
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import NETWORKS, small_take
from tests.vibe_blender.conftest import blocks
from vibe_blender import aims, session
from vibe_blender.contract.take_file import load_take, save_take
from vibe_blender.contract.terms import NAMES, described, notice_of
from vibe_blender.scene.takes import people, take_collections, take_record

pytestmark = pytest.mark.usefixtures("panel")


def pump_until(condition, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        session.pump()
        time.sleep(0.002)


def ended() -> bool:
    return session.current() is None


def moving() -> bool:
    return any("capturing" in collection.name for collection in bpy.data.collections)


def begin(video: Path) -> None:
    bpy.context.scene.vibe.video = str(video)
    assert bpy.ops.vibe.capture() == {"FINISHED"}


def test_a_capture_becomes_an_animation(install_fake_backend, video) -> None:
    install_fake_backend("works")
    begin(video)
    pump_until(ended)
    outcome = session.outcome()
    assert (outcome.kind, outcome.text) == ("done", "Captured: 1 person, 12 frames.")
    (collection,) = take_collections(bpy.context.scene)
    assert collection.name == outcome.collection == video.stem
    assert bpy.context.scene.vibe.active_take == collection
    record = take_record(collection)
    assert (Path(record.path), record.status) == (video.with_suffix(".take"), "complete")
    assert [person.id for _, person in people(collection)] == [1]
    assert not moving()
    assert bpy.context.scene.frame_end == 250  # the timeline is offered, not forced


@pytest.mark.parametrize("name", [*NETWORKS])
def test_a_capture_with_a_network_says_what_it_may_be_used_for(install_fake_backend, video, tmp_path, name) -> None:
    install_fake_backend("works")
    settings, own = bpy.context.scene.vibe, tmp_path / "best.pt"
    own.touch()
    settings.estimator, settings.dts_vibe_network = name, str(own)
    settings.use_slerp = True
    begin(video)
    pump_until(ended)
    assert session.outcome().kind == "done"
    (collection,) = take_collections(bpy.context.scene)
    record = take_record(collection)
    assert (record.estimator, record.notice) == (name, notice_of(name))
    assert load_take(session.outcome().take).notice == notice_of(name)
    assert described(record.estimator, record.notice) == f"{NAMES[name]}, non-commercial research"
    ((armature, _),) = people(collection)
    before = armature.pose.bones["spine1"].matrix.copy()
    bpy.context.scene.frame_set(bpy.context.scene.frame_current + 5)
    assert armature.pose.bones["spine1"].matrix != before


@pytest.mark.parametrize("name", ["tcmr", "dts-vibe"])
def test_an_interrupted_capture_with_a_network_goes_on(install_fake_backend, video, monkeypatch, name) -> None:
    install_fake_backend("dies_half_way")
    monkeypatch.setenv("FAKE_FRAMES", "90")
    monkeypatch.setenv("FAKE_FPS", "0")
    settings, own = bpy.context.scene.vibe, video.with_name("best.pt")
    own.touch()
    settings.estimator, settings.dts_vibe_network = name, str(own)
    begin(video)
    pump_until(ended)
    assert session.outcome().resumable
    settings.estimator = "keypoints"  # the settings of now do not matter
    bpy.ops.vibe.resume_capture(take=str(session.outcome().take))
    pump_until(ended)
    assert session.outcome().kind == "done", session.outcome()
    take = load_take(session.outcome().take)
    assert (take.estimator, take.status, len(take.video.times)) == (name, "complete", 90)


def test_stand_ins_move_while_the_video_is_read_and_are_gone_afterwards(install_fake_backend, video) -> None:
    install_fake_backend("slow")
    before = blocks()
    begin(video)
    pump_until(moving)
    assert session.current().people == 1
    bpy.ops.vibe.cancel_capture()
    pump_until(ended)
    assert session.outcome().kind == "cancelled"
    assert session.outcome().resumable
    assert not moving()
    assert blocks() == before


def test_a_second_capture_does_not_touch_the_first(install_fake_backend, video) -> None:
    install_fake_backend("works")
    for _ in range(2):
        begin(video)
        pump_until(ended)
    names = [Path(take_record(collection).path).name for collection in take_collections(bpy.context.scene)]
    assert sorted(names) == [f"{video.stem} 2.take", f"{video.stem}.take"]


def test_one_capture_runs_at_a_time(install_fake_backend, video) -> None:
    install_fake_backend("slow")
    begin(video)
    with pytest.raises(RuntimeError, match="A capture is running already"):
        bpy.ops.vibe.capture()
    session.stop()


def test_a_capture_outlives_its_file(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("works")
    other = tmp_path / "other.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(other), copy=True)
    begin(video)
    bpy.ops.wm.open_mainfile(filepath=str(other))
    pump_until(ended)
    outcome = session.outcome()
    assert (outcome.kind, outcome.collection) == ("done", "")
    assert load_take(outcome.take).status == "complete"
    assert take_collections(bpy.context.scene) == []
    assert bpy.ops.vibe.open_take(filepath=str(outcome.take)) == {"FINISHED"}
    assert [collection.name for collection in take_collections(bpy.context.scene)] == [video.stem]
    assert session.outcome() is None


def test_a_capture_outlives_its_scene(install_fake_backend, video) -> None:
    install_fake_backend("slow")
    scene = bpy.data.scenes.new("other")
    bpy.context.window.scene = scene
    begin(video)
    pump_until(moving)
    bpy.data.scenes.remove(scene)
    bpy.ops.vibe.cancel_capture()
    pump_until(ended)
    assert session.outcome().kind == "cancelled"


def test_it_goes_into_the_scene_it_was_begun_in(install_fake_backend, video) -> None:
    install_fake_backend("works")
    first = bpy.context.scene
    begin(video)
    bpy.context.window.scene = bpy.data.scenes.new("other")
    first.name = "renamed"
    pump_until(ended)
    assert len(take_collections(first)) == 1
    assert take_collections(bpy.context.scene) == []


def test_stand_ins_that_somebody_removed_come_back(install_fake_backend, video) -> None:
    install_fake_backend("slow")
    begin(video)
    pump_until(moving)
    for collection in [found for found in bpy.data.collections if "capturing" in found.name]:
        for thing in list(collection.objects):
            bpy.data.objects.remove(thing)
        bpy.data.collections.remove(collection)
    pump_until(moving)
    session.stop()
    assert not moving()


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("fails", "The video has no pictures."),
        ("crashes", "the sky fell"),
        ("lies", "different protocol versions"),
        ("rubbish", "not part of the protocol"),
        ("no_hello", "did not say hello"),
        ("endless_line", "more than 4 MB"),
        ("quiet_exit", "exit status 0"),
        ("lacks_a_module", "No module named 'cv2'"),
    ],
)
def test_a_backend_that_misbehaves_is_reported(install_fake_backend, video, mode, says) -> None:
    install_fake_backend(mode)
    before = blocks()
    begin(video)
    pump_until(ended)
    outcome = session.outcome()
    assert outcome.kind == "error"
    assert says in outcome.text
    assert outcome.hint
    assert blocks() == before


def test_an_undo_while_it_is_built_begins_the_building_again(install_fake_backend, video) -> None:
    install_fake_backend("works")
    begin(video)
    pump_until(lambda: session.current()._finish is not None and video.stem in bpy.data.collections)
    session.before_change()
    assert video.stem not in bpy.data.collections
    pump_until(ended)
    assert session.outcome().kind == "done"
    assert [collection.name for collection in take_collections(bpy.context.scene)] == [video.stem]


def test_a_take_that_cannot_be_read_is_reported(install_fake_backend, video, monkeypatch) -> None:
    def load_garbled(path: Path) -> None:
        path.write_bytes(b"no take")
        load_take(path)

    install_fake_backend("works")
    monkeypatch.setattr(aims, "load_take", load_garbled)
    begin(video)
    pump_until(ended)
    assert session.outcome().kind == "error"
    assert "cannot be read as a take" in session.outcome().text


def test_disabling_the_add_on_ends_everything(install_fake_backend, video) -> None:
    from vibe_blender import register, unregister

    install_fake_backend("slow")
    before = blocks()
    begin(video)
    pump_until(moving)
    process = session.current()._process._process
    unregister()
    try:
        assert process.wait(2.0) is not None
        assert blocks() == before
        assert not hasattr(bpy.types.Scene, "vibe")
        assert not bpy.app.timers.is_registered(session._tick)
    finally:
        register()


def test_saved_stand_ins_are_removed_when_the_file_is_opened(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("slow")
    begin(video)
    pump_until(moving)
    path = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    session.stop()
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert not moving()


def test_a_range_is_captured_again_and_blended_in(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("works")
    path = save_take(small_take(str(video)), tmp_path / "first.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    settings = bpy.context.scene.vibe
    settings.resolve_first, settings.resolve_last, settings.resolve_blend = 3, 8, 2
    assert bpy.ops.vibe.resolve_range() == {"FINISHED"}
    pump_until(ended)
    outcome = session.outcome()
    assert (outcome.kind, outcome.collection) == ("done", "first")
    (collection,) = take_collections(bpy.context.scene)
    assert Path(take_record(collection).path) == outcome.take != path
    assert path.is_file()
    assert len([action for action in bpy.data.actions if action.users]) == 1


def test_a_range_that_is_cancelled_leaves_the_take_and_no_rest(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("slow")
    path = save_take(small_take(str(video)), tmp_path / "first.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    settings = bpy.context.scene.vibe
    settings.resolve_first, settings.resolve_last = 3, 8
    bpy.ops.vibe.resolve_range()
    folder = Path(session.current()._job.take).parent
    assert folder.is_dir()
    pump_until(lambda: session.current().done)
    bpy.ops.vibe.cancel_capture()
    pump_until(ended)
    assert (session.outcome().kind, session.outcome().take) == ("cancelled", None)
    assert not folder.exists()
    assert Path(take_record(bpy.data.collections["first"]).path) == path


def test_cancelling_while_it_is_built_leaves_a_finished_take(install_fake_backend, video) -> None:
    install_fake_backend("works")
    before = blocks()
    begin(video)
    pump_until(lambda: session.current()._finish is not None)
    bpy.ops.vibe.cancel_capture()
    session.pump()
    assert ended()
    outcome = session.outcome()
    assert (outcome.kind, outcome.resumable) == ("cancelled", False)
    assert load_take(outcome.take).status == "complete"
    assert blocks() == before


def test_a_fault_of_our_own_ends_the_capture_and_is_told(install_fake_backend, video, monkeypatch) -> None:
    install_fake_backend("slow")
    before = blocks()
    begin(video)
    pump_until(moving)
    monkeypatch.setattr(session.Session, "_move", lambda *_: 1 / 0)
    pump_until(ended)
    assert session.outcome().kind == "error"
    assert "ZeroDivisionError" in session.outcome().text
    assert blocks() == before


def test_a_resumed_take_takes_the_place_of_the_unfinished_one(install_fake_backend, video) -> None:
    install_fake_backend("slow")
    scene = bpy.context.scene
    scene.vibe.scene_start = 100
    begin(video)
    pump_until(lambda: session.current().done >= 4)
    bpy.ops.vibe.cancel_capture()
    pump_until(ended)
    bpy.ops.vibe.open_take(filepath=str(session.outcome().take))
    (unfinished,) = take_collections(scene)
    assert take_record(unfinished).status == "partial"
    bpy.ops.vibe.rename_take(new_name="my walk")
    scene.vibe.scene_start = 1
    assert bpy.ops.vibe.resume_capture() == {"FINISHED"}
    pump_until(ended)
    assert session.outcome().kind == "done"
    (finished,) = take_collections(scene)
    record = take_record(finished)
    assert (finished.name, record.status, record.start) == ("my walk", "complete", 100)
    assert scene.vibe.active_take == finished
    assert len(bpy.data.armatures) == 1


def test_a_file_that_cannot_be_opened_changes_nothing(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("slow")
    begin(video)
    pump_until(moving)
    broken = tmp_path / "broken.blend"
    broken.write_bytes(b"BLENDER-v405" + bytes(100))
    with pytest.raises(RuntimeError):
        bpy.ops.wm.open_mainfile(filepath=str(broken))
    session.pump()
    assert moving()
    bpy.ops.vibe.cancel_capture()
    pump_until(ended)
    assert not moving()


def test_a_range_outlives_its_file(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("works")
    other = tmp_path / "other.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(other), copy=True)
    path = save_take(small_take(str(video)), tmp_path / "first.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    settings = bpy.context.scene.vibe
    settings.resolve_first, settings.resolve_last = 3, 8
    bpy.ops.vibe.resolve_range()
    bpy.ops.wm.open_mainfile(filepath=str(other))
    pump_until(ended)
    outcome = session.outcome()
    assert outcome.kind == "done"
    assert outcome.take.parent == tmp_path
    assert bpy.ops.vibe.open_take(filepath=str(outcome.take)) == {"FINISHED"}


def test_a_range_that_is_cancelled_while_it_is_built_leaves_all_as_it_was(
    install_fake_backend, video, tmp_path, monkeypatch
) -> None:
    install_fake_backend("works")
    path = save_take(small_take(str(video)), tmp_path / "first.take")
    bpy.ops.vibe.open_take(filepath=str(path))
    before, files = blocks(), sorted(tmp_path.glob("*.take"))
    settings = bpy.context.scene.vibe
    settings.resolve_first, settings.resolve_last = 3, 3
    bpy.ops.vibe.resolve_range()
    monkeypatch.setattr(session, "_STEP_SECONDS", 1.0)  # one step in every tick
    pump_until(lambda: session.current()._finish is not None)
    bpy.ops.vibe.cancel_capture()
    pump_until(ended)
    assert (session.outcome().kind, session.outcome().take) == ("cancelled", None)
    assert blocks() == before
    assert sorted(tmp_path.glob("*.take")) == files


def test_a_take_that_was_renamed_meanwhile_gets_its_range(install_fake_backend, video, tmp_path) -> None:
    install_fake_backend("works")
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "first.take")))
    settings = bpy.context.scene.vibe
    settings.resolve_first, settings.resolve_last = 3, 8
    bpy.ops.vibe.resolve_range()
    bpy.ops.vibe.rename_take(new_name="second")
    pump_until(ended)
    assert (session.outcome().kind, session.outcome().collection) == ("done", "second")
