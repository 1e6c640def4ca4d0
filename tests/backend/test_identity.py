# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.crops import Region
from backend.identity import SAME_BODY, Memory, Sighting
from backend.landmarks import BODY_COUNT, Landmarks

REGION = Region(np.array([100.0, 100.0]), 200.0, 0.0)
BLUE, RED = (20, 40, 200), (200, 30, 30)


def reading(x: float = 100.0, size: float = 160.0) -> Landmarks:
    """Somebody standing with their hips at (x, 100)."""
    points = np.tile([x, 60.0], (39, 1))
    shape = {11: (0.1, -0.3), 12: (-0.1, -0.3), 23: (0.06, 0), 24: (-0.06, 0), 25: (0.07, 0.22), 26: (-0.07, 0.22)}
    for number, place in {**shape, 33: (0, 0), 34: (0, -0.5)}.items():
        points[number] = np.array([x, 100.0]) + np.array(place) * size
    return Landmarks(points, np.zeros(39), np.zeros((BODY_COUNT, 3)), np.ones(39), np.ones(39), 0.9)


def dressed(colour: tuple[int, int, int], trousers: tuple[int, int, int] = (30, 30, 30)) -> np.ndarray:
    picture = np.full((200, 200, 3), 90, np.uint8)
    picture[:100], picture[100:] = colour, trousers
    return picture


def test_sighting_measures_the_body() -> None:
    seen = Sighting.of(dressed(BLUE), REGION, reading())
    assert seen.hips_px == pytest.approx([100, 100])
    assert seen.size_px == pytest.approx(160)
    assert seen.distance(seen) == 0
    beside = Sighting.of(dressed(BLUE), REGION, reading(x=132))
    assert seen.distance(beside) == pytest.approx(0.2)
    assert seen.distance(beside) > SAME_BODY


def test_clothes_are_looked_up_inside_the_picture_only() -> None:
    seen = Sighting.of(dressed(BLUE), REGION, reading(x=-500))
    assert np.isfinite(seen.colours).all()


def test_clothes_tell_people_apart_though_an_arm_covers_half_of_them() -> None:
    memory = Memory.of(0.0, Sighting.of(dressed(BLUE), REGION, reading()))
    assert memory.stranger(Sighting.of(dressed(BLUE), REGION, reading())) < 0.1
    assert memory.stranger(Sighting.of(dressed(RED), REGION, reading())) > 1
    covered = dressed(BLUE)
    covered[:, :100] = (220, 170, 150)
    assert memory.stranger(Sighting.of(covered, REGION, reading())) < 0.5


def test_light_changes_count_less_than_other_clothes() -> None:
    memory = Memory.of(0.0, Sighting.of(dressed((60, 90, 160)), REGION, reading()))
    shade = memory.stranger(Sighting.of(dressed((40, 60, 107), (20, 20, 20)), REGION, reading()))
    other = memory.stranger(Sighting.of(dressed((160, 90, 60)), REGION, reading()))
    assert shade < 0.7 < other


def test_misfit_grows_with_distance_size_and_clothes_and_shrinks_with_absence() -> None:
    memory = Memory.of(0.0, Sighting.of(dressed(BLUE), REGION, reading()))
    same = memory.misfit(0.03, Sighting.of(dressed(BLUE), REGION, reading(x=103)))
    assert same < 0.1
    assert memory.misfit(0.03, Sighting.of(dressed(BLUE), REGION, reading(x=195))) > 1
    assert memory.misfit(2.0, Sighting.of(dressed(BLUE), REGION, reading(x=195))) < 1
    assert memory.misfit(0.03, Sighting.of(dressed(BLUE), REGION, reading(size=300))) > 1
    assert memory.misfit(0.03, Sighting.of(dressed(RED), REGION, reading(x=103))) > 1


def test_place_goes_on_with_the_motion_but_not_for_ever() -> None:
    memory = Memory.of(0.0, Sighting.of(dressed(BLUE), REGION, reading(x=40)))
    for frame in range(1, 31):
        memory.follow(frame / 30, Sighting.of(dressed(BLUE), REGION, reading(x=40 + 2 * frame)), alone=True)
    assert memory.place(1.5) == pytest.approx([130, 100], abs=2)
    assert memory.place(100.0) == pytest.approx(memory.place(50.0))


def test_beside_somebody_else_a_sighting_counts_for_less() -> None:
    start = Memory.of(0.0, Sighting.of(dressed(BLUE), REGION, reading()))
    jump = Sighting.of(dressed(RED), REGION, reading(x=130))
    alone, beside = replace(start), replace(start)
    alone.follow(0.03, jump, alone=True)
    beside.follow(0.03, jump, alone=False)
    assert alone.hips_px[0] == pytest.approx(130)
    assert 100 < beside.hips_px[0] < 115
    assert beside.colour == pytest.approx(start.colour)
    assert not np.allclose(alone.colour, start.colour)
    assert alone.time_s == beside.time_s == 0.03
