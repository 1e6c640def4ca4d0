# SPDX-License-Identifier: MIT
"""Each estimator as the sidebar shows it, by mouse: what it asks for, and a network of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"
ASKING = "extension('availability').asking()"
OUTCOME = "extension('session').outcome()"
PREFERENCES = "extension('places').preferences()"
SETTINGS = "bpy.context.scene.vibe"


@pytest.mark.slow
def test_every_estimator_is_chosen_and_two_capture(acted) -> None:
    from tests.fake_backend import NETWORKS

    desktop = acted("stream", FAKE_FRAMES="60", FAKE_FPS="60", FAKE_PEOPLE="1", FAKE_GPU="RTX 9090")
    video, folder, own = desktop.work / "walk.mp4", desktop.work / "published", desktop.work / "best.pt"
    shutil.copy(SAMPLE, video)
    folder.mkdir()
    for name in {*NETWORKS["vibe"], *NETWORKS["tcmr"]} - {"tcmr_demo_model.pth.tar"}:
        (folder / name).touch()
    own.touch()
    sidebar = desktop.choose_video(video)
    desktop.ask(f"setattr({PREFERENCES}, 'published', {str(folder)!r})")
    desktop.ask(f"setattr({PREFERENCES}, 'licence_read', True)")
    desktop.wait(f"extension('availability').available('vibe') and not {ASKING}")
    desktop.move(sidebar)
    for label in ("Keypoints", "VIBE", "TCMR", "DTS-VIBE"):
        desktop.see(label, sidebar)
    desktop.click("Speed and Quality", sidebar)
    assert desktop.find("Own Network", sidebar) == []
    desktop.see("Fast", sidebar)
    desktop.picture("networks_1_keypoints")

    desktop.click(desktop.find("VIBE", sidebar)[0])
    desktop.wait(f"{SETTINGS}.estimator == 'vibe'")
    desktop.see("Own Network", sidebar)
    assert desktop.find("Slerp Filter", sidebar) == desktop.find("Fast", sidebar) == []
    desktop.picture("networks_2_vibe")

    desktop.click("TCMR", sidebar)
    desktop.see("TCMR: files are missing", sidebar)
    desktop.see("Slerp Filter", sidebar)
    desktop.picture("networks_3_tcmr_file_missing")
    (folder / "tcmr_demo_model.pth.tar").touch()
    desktop.click("Look Again", sidebar)
    desktop.wait("extension('availability').available('tcmr')")
    desktop.picture("networks_4_tcmr")
    slerp = desktop.see("Slerp Filter", sidebar)
    desktop.click(type(slerp)(slerp.left + slerp.width + 4, slerp.top, 22, slerp.height))
    desktop.wait(f"{SETTINGS}.use_slerp")
    desktop.picture("networks_4_tcmr_slerp")
    desktop.click("Speed and Quality", sidebar)  # folded up, the take is in sight
    desktop.click("Capture", sidebar)
    desktop.wait(f"{OUTCOME} is not None", seconds=60)
    desktop.see("Estimator: TCMR, non-commercial", sidebar)
    desktop.picture("networks_5_tcmr_captured")

    desktop.click(desktop.see("DTS-VIBE", sidebar))
    desktop.wait(f"{SETTINGS}.estimator == 'dts-vibe'")
    desktop.picture("networks_6_dts_vibe")
    assert desktop.find("Capture", sidebar)[1:] == [], "besides the panel's heading there is a button that is not grey"
    field = desktop.see("Own Network", sidebar)
    desktop.fill(type(field)(field.left + field.width + 10, field.top, 90, field.height), str(own))
    desktop.wait(f"{SETTINGS}.network_path() is not None")
    desktop.picture("networks_7_dts_vibe_own")
    desktop.click(desktop.find("Capture", sidebar)[1])
    desktop.wait(f"{OUTCOME} is not None and {OUTCOME}.take.stem == 'walk 2'", seconds=60)
    desktop.see("Estimator: DTS-VIBE, non-commercial", sidebar)
    desktop.picture("networks_8_dts_vibe_captured")
