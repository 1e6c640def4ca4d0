# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender.scene.animation import assigned_curves
from vibe_blender.scene.retargeting import curve_values
from vibe_blender.scene.retargeting.curve_values import Curves, evaluated, rotation_channel, turns

FRAMES = np.concatenate([np.arange(-5.0, 120.0), np.linspace(1.0, 100.0, 301)])


@pytest.fixture
def curve(scene):
    """Twelve random keys."""
    thing = bpy.data.objects.new("thing", None)
    scene.collection.objects.link(thing)
    random = np.random.default_rng(3)
    for frame in np.sort(random.uniform(1, 100, 12)):
        thing.location.x = random.normal() * 3
        thing.keyframe_insert("location", index=0, frame=frame)
    (found,) = assigned_curves(thing)
    return found


def assert_as_blender_says(curve, within: float = 1e-5) -> None:
    wanted = np.array([curve.evaluate(frame) for frame in FRAMES])
    assert np.abs(evaluated(curve, FRAMES) - wanted).max() < within


def in_bulk(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes how many values are found at once from now on."""
    counts: list[int] = []
    found = curve_values.values_between

    def counted(*corners):
        counts.append(len(corners[-1]))
        return found(*corners)

    monkeypatch.setattr(curve_values, "values_between", counted)
    return counts


@pytest.mark.parametrize("kind", ["FREE", "VECTOR", "ALIGNED", "AUTO", "AUTO_CLAMPED"])
def test_bezier_curves_say_at_once_what_blender_does_frame_by_frame(curve, monkeypatch, kind) -> None:
    counts = in_bulk(monkeypatch)
    for point in curve.keyframe_points:
        point.handle_left_type = point.handle_right_type = kind
    curve.update()
    assert_as_blender_says(curve)
    assert counts[0] > 250


@pytest.mark.parametrize("reach", [0.0, 0.2, 0.8, 3.0])
def test_handles_drawn_by_hand_even_beyond_other_keys(curve, monkeypatch, reach) -> None:
    counts, random = in_bulk(monkeypatch), np.random.default_rng(8)
    for point in curve.keyframe_points:
        point.handle_left_type = point.handle_right_type = "FREE"
        away = random.uniform(0.1, 1.0, 2) * reach * 10
        point.handle_left = point.co[0] - away[0], point.co[1] + random.normal() * 2
        point.handle_right = point.co[0] + away[1], point.co[1] + random.normal() * 2
    # Where handles are as long as can be, or have no length, the curve is upright somewhere: rounded frames are seen.
    assert_as_blender_says(curve, 1e-5 if 0.0 < reach < 3.0 else 2e-4)
    assert counts[0] > 250


def test_handles_that_point_backwards_easing_and_lines_among_them(curve) -> None:
    points = curve.keyframe_points
    for point in points:
        point.handle_left_type = point.handle_right_type = "FREE"
    points[2].handle_right = points[2].co[0] - 4.0, points[2].co[1] + 3.0
    points[3].interpolation, points[4].interpolation, points[6].interpolation = "BOUNCE", "LINEAR", "CONSTANT"
    points[7].interpolation, points[7].easing, points[8].interpolation = "BACK", "EASE_OUT", "ELASTIC"
    assert_as_blender_says(curve)
    curve.extrapolation = "LINEAR"
    assert_as_blender_says(curve)


def test_modifiers_are_heeded(curve) -> None:
    curve.modifiers.new("CYCLES")
    assert_as_blender_says(curve)
    noise = curve.modifiers.new("NOISE")
    noise.scale = 3.0
    assert_as_blender_says(curve)


def test_samples_are_heeded(curve) -> None:
    curve.convert_to_samples(1, 100)
    assert_as_blender_says(curve)


def test_what_has_no_curve_stays_what_it_is(curve) -> None:
    thing = bpy.data.objects["thing"]
    curves = Curves(thing)
    assert "location" in curves
    assert "scale" not in curves
    found = curves.values("location", np.array([9.0, 8.0, 7.0]), np.array([5.0, 6.0]))
    assert found[:, 1:].tolist() == [[8.0, 7.0]] * 2
    assert found[0, 0] == pytest.approx(curve.evaluate(5.0), abs=1e-5)
    assert curves.span(lambda path: path == "scale") is None
    assert curves.span(lambda path: path == "location") == pytest.approx(tuple(curve.range()))
    curve.mute = True
    assert "location" not in Curves(thing)


@pytest.mark.parametrize("mode", ["QUATERNION", "AXIS_ANGLE", "XYZ", "ZXY"])
def test_channels_become_the_turns_that_blender_shows(scene, mode) -> None:
    thing = bpy.data.objects.new("thing", None)
    scene.collection.objects.link(thing)
    thing.rotation_mode = mode
    channel = rotation_channel(mode)
    values = np.random.default_rng(1).normal(size=(6, len(getattr(thing, channel))))
    for row, turn in zip(values, turns(values, mode), strict=True):
        setattr(thing, channel, row)
        assert abs(np.dot(thing.matrix_basis.to_quaternion(), turn)) > 1 - 1e-6
    nothing = turns(np.zeros((1, values.shape[1])), mode)
    assert nothing.tolist() == [[1.0, 0.0, 0.0, 0.0]]
