# SPDX-License-Identifier: MIT
"""A new user's way from the zip to the animated armature, with mouse and keys in a real window."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"
MAX_CLICKS = 6
INSTALLING = "extension('installing').running() is not None"
CAPTURING = "extension('session').current() is not None"
ARMATURES = "[item for item in bpy.data.objects if item.type == 'ARMATURE']"


@pytest.mark.slow
def test_from_the_zip_to_the_animation(fresh, archive) -> None:
    fresh.start()
    zipped, video = fresh.work / archive.name, fresh.work / "my walk é.mp4"
    shutil.copy(archive, zipped)
    to_and_fro(SAMPLE, video)
    fresh.click("Edit")
    fresh.click("Preferences...")
    fresh.place_window("Preferences", 250, 120)
    fresh.click("Get Extensions")
    clicks = fresh.clicks

    fresh.drop(zipped, fresh.see("Online Extensions"))
    fresh.see("Enable Add-on")
    fresh.picture("first_1_zip_dropped")
    fresh.click("OK")
    fresh.wait("'bl_ext.user_default.vibe_blender' in bpy.context.preferences.addons")
    fresh.put_aside("Preferences")

    view = fresh.region("VIEW_3D", "WINDOW")
    fresh.move(view)
    fresh.key("Delete")  # the cube, which would stand where the person walks
    sidebar = fresh.choose_video(video)
    fresh.see("Allow Online Access", sidebar)
    fresh.picture("first_2_offline")
    fresh.click("Allow Online Access", sidebar)
    fresh.see("Install Backend", sidebar)
    fresh.picture("first_3_no_backend")
    fresh.click("Install Backend", sidebar)
    fresh.wait(
        "extension('installing').running() is not None and extension('installing').running().step.fraction > 0.1"
    )
    fresh.see("Installing the backend", sidebar)
    fresh.picture("first_4_installing")
    fresh.wait(f"not ({INSTALLING})", seconds=600)
    assert fresh.ask("str(extension('installing').failure())") == "None"
    fresh.wait("extension('installing').ready()")
    fresh.picture("first_5_ready")

    fresh.click("Capture", sidebar)
    fresh.wait(CAPTURING)
    fresh.see("Cancel", sidebar)
    fresh.picture("first_6_start")
    fresh.wait(f"{ARMATURES} and extension('session').current().done > 40", seconds=120)
    fresh.picture("first_7_middle")
    fresh.see("Reading the video: my walk é", sidebar)
    fresh.wait("extension('session').outcome() is not None", seconds=180)
    assert fresh.ask("extension('session').outcome().kind") == "done"
    fresh.see("Fit Timeline", sidebar)
    fresh.picture("first_8_end")
    assert fresh.clicks - clicks <= MAX_CLICKS

    assert fresh.ask(f"[len(item.data.bones) for item in {ARMATURES}]") == [24]
    first, last = fresh.ask(f"list({ARMATURES}[0].animation_data.action.frame_range)")
    assert last - first > 300  # 416 frames at 30 a second are 333 at the scene's 24
    fresh.click("Fit Timeline", sidebar)
    assert fresh.wait("bpy.context.scene.frame_end != 250 and bpy.context.scene.frame_end") == pytest.approx(
        last, abs=2
    )
    fresh.click("Camera View", sidebar)
    fresh.picture("first_9_camera_view")
    fresh.move(view)
    fresh.key(*["ctrl+z"] * 3)
    fresh.wait(f"not {ARMATURES}")
    fresh.key(*["ctrl+shift+z"] * 3)
    fresh.wait(f"len({ARMATURES}) == 1")
    fresh.picture("first_10_after_undo_and_redo")
    assert fresh.find("0 people", sidebar) == []


def to_and_fro(source: Path, target: Path) -> None:
    """Writes a video four times as long, forwards and backwards in turn, so that the middle can be looked at."""
    import av

    with av.open(str(source)) as video:
        pictures = [picture.to_ndarray(format="rgb24") for picture in video.decode(video=0)]
    with av.open(str(target), "w") as output:
        stream = output.add_stream("libx264", rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        for picture in (*pictures, *reversed(pictures)) * 2:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
