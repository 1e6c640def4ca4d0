# SPDX-License-Identifier: MIT
"""The means by which the other tests here see and act."""

from __future__ import annotations


def test_words_are_seen_where_they_are_and_nowhere_else(fresh) -> None:
    fresh.start()
    assert fresh.see("Object Mode").middle[1] < 60
    assert fresh.find("Object Mope") == []
    assert fresh.find("Preferences...") == []
    fresh.click("Edit")
    assert fresh.see("Preferences...").left < 200
    assert fresh.clicks == 1


def test_keys_and_mouse_reach_blender(fresh) -> None:
    fresh.start()
    view = fresh.region("VIEW_3D", "WINDOW")
    fresh.move(view)
    fresh.key("n")
    fresh.wait("region('VIEW_3D', 'UI')[2] > 100")
    fresh.click("View", fresh.region(), sideways=True)
    fresh.see("Focal Length", fresh.region())
    fresh.fill(fresh.see("50 mm", fresh.region()), "85")
    fresh.wait("abs(bpy.context.window_manager.windows[0].screen.areas[-1].spaces[0].lens - 85) < 1e-3")
