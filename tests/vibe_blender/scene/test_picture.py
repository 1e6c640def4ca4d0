# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import FPS, small_take
from tests.vibe_blender.conftest import GREY_STEP
from vibe_blender.contract.errors import CaptureError
from vibe_blender.scene.assembly import assemble
from vibe_blender.scene.camera import set_frame_rate
from vibe_blender.scene.picture import overlay_picture


def pixels(path) -> np.ndarray:
    """(height, width, 3) display values, rows from the top."""
    image = bpy.data.images.load(str(path))
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)[::-1, :, :3]


def datablocks() -> set[str]:
    data = bpy.data
    kinds = (data.scenes, data.objects, data.lights, data.worlds, data.images, data.movieclips, data.collections)
    return {block.name for kind in kinds for block in kind}


def test_the_body_stands_where_it_was_filmed_over_the_right_frame(movie, scene, boxes, tmp_path) -> None:
    take = small_take(movie)
    set_frame_rate(scene, 24.0)
    assembly = assemble(take, scene, "walk", start=7, model=boxes)
    before_names = datablocks()
    before = (scene.frame_current, scene.camera, scene.render.resolution_x, scene.render.engine)
    path = tmp_path / "over é.png"
    overlay_picture(path, assembly, take.video, (2, 9), scene, start=7)
    assert (scene.frame_current, scene.camera, scene.render.resolution_x, scene.render.engine) == before
    assert datablocks() - before_names == {"Render Result"}
    picture = pixels(path)
    assert picture.shape == (180, 640, 3)
    for tile, frame in enumerate((2, 9)):
        shown = picture[:, 320 * tile : 320 * (tile + 1)]
        assert shown[5, 5] == pytest.approx([frame * GREY_STEP] * 3, abs=0.03)
        body = np.abs(shown - frame * GREY_STEP).max(axis=2) > 0.06
        joints = take.camera.project(take.people[0].joints()[frame])
        inside = [body[int(y), int(x)] for x, y in joints if 0 <= x < 320 and 0 <= y < 180]
        assert np.mean(inside) > 0.9
        rows, columns = np.nonzero(body)
        low, high = joints.min(axis=0) - 8, joints.max(axis=0) + 8
        assert low[0] < columns.min()
        assert columns.max() < high[0]
        assert low[1] < rows.min()
        assert rows.max() < high[1]


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_without_the_video_the_body_stands_on_grey(scene, boxes, tmp_path, content) -> None:
    take = small_take(tmp_path / "gone.mp4")
    if content is not None:
        (tmp_path / "gone.mp4").write_bytes(content)
    set_frame_rate(scene, FPS)
    assembly = assemble(take, scene, "walk", start=1, model=boxes)
    overlay_picture(tmp_path / "over.png", assembly, take.video, (0,), scene, start=1)
    assert pixels(tmp_path / "over.png")[2, 2] == pytest.approx([0.5] * 3, abs=0.01)


def test_a_frame_the_take_has_not_is_told(scene, boxes, tmp_path) -> None:
    take = small_take(tmp_path / "gone.mp4")
    assembly = assemble(take, scene, "walk", start=1, model=boxes)
    with pytest.raises(CaptureError) as caught:
        overlay_picture(tmp_path / "over.png", assembly, take.video, (12,), scene, start=1)
    assert caught.value.code == "no_such_frame"
    assert "0 to 11" in caught.value.hint
