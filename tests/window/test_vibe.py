# SPDX-License-Identifier: MIT
"""The way to a capture with VIBE, by mouse: what is missing, the folder, the notice, the take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"
ARMATURES = "[item for item in bpy.data.objects if item.type == 'ARMATURE']"
ASKING = "extension('availability').asking()"
OUTCOME = "extension('session').outcome()"
NO_CAPTURE = "extension('session').current() is None"
ESTIMATOR = "bpy.context.scene.vibe.estimator"
PREFERENCES = "extension('places').preferences()"
VIBE = "VIBE"


@pytest.mark.slow
def test_from_grey_to_a_take_with_its_notice(acted) -> None:
    from tests.fake_backend import PUBLISHED

    desktop = acted("stream", FAKE_FRAMES="100", FAKE_FPS="40", FAKE_PEOPLE="1", FAKE_TORCH="0", FAKE_GPU="RTX 9090")
    video, folder = desktop.work / "walk.mp4", desktop.work / "published"
    shutil.copy(SAMPLE, video)
    folder.mkdir()
    for name in (*PUBLISHED[:2], "tcmr_demo_model.pth.tar"):
        (folder / name).touch()
    sidebar = desktop.choose_video(video)
    desktop.wait(f"not {ASKING}")
    desktop.see("Networks: packages are missing", sidebar)
    assert desktop.find(VIBE, sidebar) == [], "VIBE, or DTS-VIBE, is not grey"
    desktop.picture("vibe_1_grey")
    desktop.click("Networks: packages are missing", sidebar)
    desktop.see("Add Network Packages", sidebar)
    desktop.picture("vibe_2_packages_missing")

    desktop.ask("__import__('os').environ.pop('FAKE_TORCH')")  # as if they had been added
    desktop.click("Look Again", sidebar)
    desktop.see("Networks: files are missing", sidebar)
    desktop.picture("vibe_3_files_missing")
    desktop.click("What Is Missing", sidebar)
    desktop.see("github.com/mkocabas/VIBE")
    desktop.picture("vibe_4_what_is_missing")
    desktop.key("Escape")
    question = desktop.see("What Is Missing", sidebar)
    field = type(question)(question.left - 40, question.top - 24, question.width, question.height)
    desktop.fill(field, str(folder))
    desktop.wait(f"{PREFERENCES}.published == {str(folder)!r} and not {ASKING}")
    desktop.see("SMPL_NEUTRAL.pkl.", sidebar)
    desktop.picture("vibe_5_one_file_missing")

    desktop.ask("setattr(bpy.context.scene.vibe, 'estimator', 'vibe')")  # as a file from another machine says
    desktop.move(sidebar)
    desktop.picture("vibe_6_chosen_elsewhere")
    desktop.see("VIBE: files are missing", sidebar)
    assert desktop.find("Capture", sidebar)[1:] == [], "besides the panel's heading there is a button that is not grey"
    desktop.click("Keypoints", sidebar)
    assert desktop.ask(ESTIMATOR) == "keypoints"

    (folder / PUBLISHED[2]).touch()
    desktop.click("Look Again", sidebar)
    desktop.wait("extension('availability').available('vibe')")
    desktop.see("DTS-VIBE", sidebar)
    desktop.click(desktop.find(VIBE, sidebar)[0])
    assert desktop.wait(ESTIMATOR) == "vibe"
    desktop.click("Speed and Quality", sidebar)
    desktop.see("RTX 9090", sidebar)
    desktop.picture("vibe_7_ready")

    desktop.click("Capture", sidebar)
    desktop.see("For Research Only")
    desktop.picture("vibe_8_notice")
    desktop.click("Cancel")
    desktop.picture("vibe_9_cancelled")
    assert desktop.ask(f"[{NO_CAPTURE}, {PREFERENCES}.licence_read]") == [True, False]
    desktop.click("Capture", sidebar)
    desktop.click("OK, Capture")
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    assert desktop.ask(f"[{OUTCOME}.kind, len({ARMATURES}), {PREFERENCES}.licence_read]") == ["done", 1, True]
    desktop.see("Estimator: VIBE, non-commercial", sidebar)
    desktop.picture("vibe_10_captured")
    desktop.click("Capture", sidebar)
    desktop.wait(f"not ({NO_CAPTURE})")
    assert desktop.find("For Research Only") == []
