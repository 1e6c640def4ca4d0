# SPDX-License-Identifier: MIT
from dataclasses import replace

import numpy as np
import pytest

from tests.fake_backend import UPRIGHT, walking_person
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.motion.measures import Measures, measure, together
from vibe_blender.motion.presets import PRESETS, with_preset
from vibe_blender.motion.settings import RAW, Cleanup, Contact, Feet, View

COUNT = 20
TIMES = np.arange(COUNT) / 25


@pytest.fixture
def standing():
    """Somebody who stands still with the soles on the floor."""
    person = walking_person(np.arange(COUNT))
    rotations = np.tile([1.0, 0, 0, 0], (COUNT, 24, 1))
    rotations[:, 0] = UPRIGHT
    height = 1.2 + REST_JOINTS[0, 1]
    return replace(person, rotations=rotations, root=np.tile([0.0, 0.0, height], (COUNT, 1)))


def test_who_slides_and_sinks_is_measured_where_a_foot_stands(standing) -> None:
    contacts = (Contact("left", "heel", 0, 9),)
    still = measure(standing, TIMES, contacts)
    assert (still.slide_mm, still.jitter) == pytest.approx((0.0, 0.0), abs=1e-6)
    moving = replace(standing, root=standing.root + np.arange(COUNT)[:, None] * [0.003, 0.004, 0.0] - [0, 0, 0.01])
    found = measure(moving, TIMES, contacts)
    assert found.slide_mm == pytest.approx(5.0)
    assert found.below_mm - still.below_mm + still.float_mm == pytest.approx(10.0, abs=1e-6)
    assert np.isnan(measure(moving, TIMES, ()).slide_mm)


def test_jitter_is_the_third_derivative_and_stops_at_gaps(standing) -> None:
    jerk = 30.0
    root = standing.root + (jerk * TIMES**3 / 6)[:, None] * [1.0, 0.0, 0.0]
    assert measure(replace(standing, root=root), TIMES, ()).jitter == pytest.approx(jerk / 10)
    rows = np.delete(np.arange(COUNT), 10)
    cut = {
        name: getattr(standing, name)[rows]
        for name in ("frames", "rotations", "contacts", "confidence", "boxes", "keypoints")
    }
    root[11:] += 5.0  # a leap across the gap
    assert measure(replace(standing, root=root[rows], **cut), TIMES[rows], ()).jitter == pytest.approx(jerk / 10)


def test_the_mean_is_over_those_who_have_a_number() -> None:
    nan = float("nan")
    both = together([Measures(2.0, 1.0, 0.0, 3.0), Measures(nan, 3.0, 2.0, 5.0)])
    assert both == Measures(2.0, 2.0, 1.0, 4.0)


def test_a_preset_leaves_the_clip_alone() -> None:
    mine = Cleanup(feet=Feet(contacts={1: (Contact("left", "heel", 1, 2),)}), view=View(pitch_rad=0.2))
    raw = with_preset(mine, RAW)
    assert raw.view == mine.view
    assert raw.feet == replace(RAW.feet, contacts=mine.feet.contacts)
    assert with_preset(raw, PRESETS["film"]) == replace(mine, smoothing=PRESETS["film"].smoothing)
    assert all(with_preset(Cleanup(), preset) == preset for preset in PRESETS.values())
