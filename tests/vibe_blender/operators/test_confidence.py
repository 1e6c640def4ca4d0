# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take
from vibe_blender.contract.take_file import save_take

pytestmark = pytest.mark.usefixtures("panel")


def test_marks_come_once_and_go_again_and_the_users_own_stay(video, tmp_path) -> None:
    scene = bpy.context.scene
    scene.timeline_markers.new("mine", frame=3)
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(str(video)), tmp_path / "one.take")))
    scene.vibe.doubt = 0.7  # of a confidence that climbs from 0.5 to 1
    for _ in range(2):
        bpy.ops.vibe.mark_doubtful()
        assert sorted(marker.frame for marker in scene.timeline_markers) == [1, 3]
    bpy.ops.vibe.clear_marks()
    assert [marker.name for marker in scene.timeline_markers] == ["mine"]
