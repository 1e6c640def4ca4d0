# SPDX-License-Identifier: MIT
"""What an animator may do while a capture runs: everything, and nothing of it costs frames or leaves traces."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"
ARMATURES = "[item for item in bpy.data.objects if item.type == 'ARMATURE']"
OUTCOME = "extension('session').outcome()"
NO_CAPTURE = "extension('session').current() is None"
EXTENSION = "bl_ext.user_default.vibe_blender"
DEAD_SECONDS = 2.0
FPS = 20
LONG = 200
"""Seconds of a capture whose end is not waited for."""

pytestmark = pytest.mark.slow


@pytest.fixture
def capturing(acted):
    """Starts a capture of as many seconds, and waits for its stand-in to move."""

    def start(seconds: int):
        desktop = acted("stream", FAKE_FRAMES=str(seconds * FPS), FAKE_FPS=str(FPS), FAKE_PEOPLE="1")
        video = desktop.work / "walk.mp4"
        shutil.copy(SAMPLE, video)
        desktop.click("Capture", desktop.choose_video(video))
        desktop.wait(f"len({ARMATURES}) == 1")
        return desktop

    return start


def test_cancel_keeps_what_was_found_and_offers_to_resume(capturing) -> None:
    desktop = capturing(LONG)
    sidebar = desktop.region()
    desktop.click("Cancel", sidebar)
    desktop.wait(NO_CAPTURE, seconds=5)
    assert desktop.ask(f"{OUTCOME}.kind") == "cancelled"
    kept = Path(desktop.ask(f"str({OUTCOME}.take)"))
    assert kept.parent == desktop.work
    assert list(desktop.work.glob("walk.take*"))
    assert desktop.wait(f"not {ARMATURES} and not bpy.data.armatures and not bpy.data.actions")
    desktop.see("Resume", sidebar)
    desktop.picture("cancelled")
    desktop.click("Open Take", sidebar)
    desktop.wait(f"len({ARMATURES}) == 1")
    desktop.picture("cancelled_and_opened")


def test_work_and_undo_meanwhile(capturing) -> None:
    desktop = capturing(30)
    view = desktop.region("VIEW_3D", "WINDOW")
    desktop.move(view)
    desktop.key("g", "x", "3", "Return")
    desktop.wait("abs(bpy.data.objects['Cube'].location.x - 3) < 1e-4")
    desktop.key("ctrl+z")
    desktop.wait("abs(bpy.data.objects['Cube'].location.x) < 1e-4")
    desktop.picture("undo_meanwhile")
    desktop.key("ctrl+shift+z")
    desktop.wait("abs(bpy.data.objects['Cube'].location.x - 3) < 1e-4")
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    assert desktop.ask(f"{OUTCOME}.kind") == "done"
    assert desktop.ask(f"[item.name for item in {ARMATURES}]") == ["walk person 1"]
    assert desktop.ask("sorted(item.name for item in bpy.data.collections)") == ["Collection", "walk"]
    desktop.picture("undo_meanwhile_done")


def test_undo_of_everything_meanwhile(capturing) -> None:
    desktop = capturing(30)
    desktop.move(desktop.region("VIEW_3D", "WINDOW"))
    desktop.key(*["ctrl+z"] * 4)
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    assert desktop.ask(f"{OUTCOME}.kind") == "done"
    assert desktop.ask(f"len({ARMATURES})") == 1


def test_undo_while_the_animation_is_built(capturing) -> None:
    desktop = capturing(8)
    desktop.move(desktop.region("VIEW_3D", "WINDOW"))
    desktop.wait("extension('session').current().stage == 'build'", seconds=30)
    desktop.key("g", "x", "3", "Return")
    desktop.key("ctrl+z")
    desktop.key("ctrl+shift+z")
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    assert desktop.ask(f"{OUTCOME}.kind") == "done"
    assert desktop.ask(f"[item.name for item in {ARMATURES}]") == ["walk person 1"]
    assert desktop.ask("sorted(item.name for item in bpy.data.collections)") == ["Collection", "walk"]


def test_another_file_meanwhile(capturing) -> None:
    desktop = capturing(30)
    desktop.move(desktop.region("VIEW_3D", "WINDOW"))
    desktop.key("ctrl+n")
    desktop.click("General")
    desktop.click("Don't Save")
    desktop.wait(f"not {ARMATURES}")
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    assert desktop.ask(f"[{OUTCOME}.kind, {OUTCOME}.collection]") == ["done", ""]
    assert desktop.ask(f"len({ARMATURES})") == 0
    desktop.move(desktop.region("VIEW_3D", "WINDOW"))
    if desktop.region().width < 100:
        desktop.key("n")
    desktop.wait("region('VIEW_3D', 'UI')[2] > 100")
    desktop.click("VIBE", desktop.region(), sideways=True)
    desktop.picture("another_file")
    desktop.click("Open Take", desktop.region())
    desktop.wait(f"len({ARMATURES}) == 1")


def test_switched_off_meanwhile(capturing) -> None:
    desktop = capturing(LONG)
    backend = backend_of(desktop)
    desktop.click("Edit")
    desktop.click("Preferences...")
    desktop.place_window("Preferences", 100, 120)
    desktop.click("Add-ons")
    name = desktop.see("VIBE Motion Capture")
    desktop.click(box_left_of(name))
    desktop.wait(f"{EXTENSION!r} not in bpy.context.preferences.addons")
    wait_for_death(backend)
    assert desktop.ask(f"len({ARMATURES})") == 0
    desktop.click(box_left_of(name))
    desktop.wait(f"{EXTENSION!r} in bpy.context.preferences.addons")
    desktop.put_aside("Preferences")
    desktop.picture("switched_off_and_on")
    assert list(desktop.work.glob("walk.take*"))


def test_blender_killed_meanwhile(capturing) -> None:
    desktop = capturing(LONG)
    backend = backend_of(desktop)
    desktop.process.kill()
    desktop.process.wait()
    wait_for_death(backend)
    assert list(desktop.work.glob("walk.take*"))


def test_two_windows_and_another_scene(capturing) -> None:
    desktop = capturing(30)
    desktop.click("Window")
    desktop.click("New Window")
    desktop.wait("len(bpy.context.window_manager.windows) == 2")
    desktop.ask("bpy.data.scenes.new('Other').name")
    desktop.ask("setattr(bpy.context.window_manager.windows[0], 'scene', bpy.data.scenes['Other'])")
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    assert desktop.ask(f"{OUTCOME}.kind") == "done"
    assert desktop.ask("[item.type for item in bpy.data.scenes['Other'].objects]") == []
    assert desktop.ask("sum(item.type == 'ARMATURE' for item in bpy.data.scenes['Scene'].objects)") == 1
    desktop.picture("two_windows")


def box_left_of(name):
    """The check box before an add-on's name."""
    from tests.window.desktop import Box

    return Box(name.left - 18, name.top, 10, name.height)


def backend_of(desktop) -> int:
    """The process id of the running capture."""
    return desktop.ask("extension('session').current()._process._process.pid")


def wait_for_death(process: int) -> None:
    """Fails where the process still runs after two seconds; a zombie does not run."""
    end = time.monotonic() + DEAD_SECONDS
    status = Path(f"/proc/{process}/stat")
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < end, f"process {process} outlives its capture"
        time.sleep(0.05)
