# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender import confidence_strip
from vibe_blender.confidence_strip import bar_colours, bar_triangles, row_height
from vibe_blender.motion.doubt import UNSEEN


def test_sure_is_green_doubtful_red_unseen_grey() -> None:
    sure, half, doubtful, unseen = bar_colours(np.array([1.0, 0.6, 0.1, UNSEEN]))
    assert np.argmax(sure[:3]) == 1
    assert np.argmax(doubtful[:3]) == 0
    assert half[0] > sure[0]
    assert half[1] > doubtful[1]
    assert unseen[0] == unseen[1] == unseen[2]
    assert np.all(np.array([sure, half, doubtful, unseen])[:, 3] > 0.5)


def test_triangles_cover_each_bar_once() -> None:
    spans = np.array([[1.0, 4.0], [4.0, 4.5], [4.5, 100.0]])
    places, colours = bar_triangles(spans, np.array([0.2, 1.0, UNSEEN]))
    triangles = places.reshape(3, 2, 3, 2)
    sides = triangles[:, :, 1:] - triangles[:, :, :1]
    areas = sides[..., 0, 0] * sides[..., 1, 1] - sides[..., 0, 1] * sides[..., 1, 0]
    assert areas.sum(axis=1) / 2 == pytest.approx((spans[:, 1] - spans[:, 0]).tolist())
    assert np.all(areas > 0)
    assert places[:, 1].min() == 0
    assert places[:, 1].max() == 1
    assert np.array_equal(colours[::6], bar_colours(np.array([0.2, 1.0, UNSEEN])))


def test_it_goes_on_and_off_as_often_as_one_likes(scene) -> None:
    assert not confidence_strip.enabled()
    for _ in range(2):
        confidence_strip.disable()
        confidence_strip.enable()
        confidence_strip.enable()
        assert confidence_strip.enabled()
        confidence_strip.disable()
        assert not confidence_strip.enabled()


def test_bars_shrink_where_there_is_little_room() -> None:
    assert row_height(400, 3, 1.0) == row_height(400, 1, 1.0) == 6
    assert row_height(400, 3, 2.0) == 12
    assert row_height(9, 3, 1.0) == 3
    assert row_height(-4, 3, 1.0) == 1
    assert row_height(20, 0, 1.0) == 6
