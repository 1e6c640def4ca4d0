# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from backend.estimators.keypoints.evidence import SWAP, merge, repair_flips
from tests.acting import act


def test_swapping_twice_changes_nothing() -> None:
    assert np.array_equal(SWAP[SWAP], np.arange(33))
    assert SWAP[0] == 0
    assert SWAP[11] == 12


@pytest.mark.parametrize("which", ["straight", "mirrored", "both"])
def test_flipped_stretches_are_turned_back(which: str) -> None:
    actor = act(60)
    clean = [actor.readings(1.0, seed=1), actor.readings(1.0, seed=2)]
    wrong = np.zeros(60, dtype=bool)
    wrong[20:35] = wrong[50:53] = True
    flipped = [
        reading.swapped(wrong) if which in (name, "both") else reading
        for name, reading in zip(("straight", "mirrored"), clean, strict=True)
    ]
    straight, mirrored, swapped = repair_flips(*flipped)
    assert np.array_equal(straight.image_px, clean[0].image_px)
    assert mirrored is not None
    assert np.array_equal(mirrored.world, clean[1].world)
    assert np.array_equal(swapped, wrong)


def test_a_clean_clip_is_left_alone_also_with_one_reading() -> None:
    reading = act(60).readings(2.0)
    straight, mirrored, swapped = repair_flips(reading, None)
    assert mirrored is None
    assert not swapped.any()
    assert np.array_equal(straight.image_px, reading.image_px)


def test_merging_averages_and_reports_disagreement_in_crop_sides() -> None:
    actor = act(4)
    one, other = actor.readings(), actor.readings()
    other.image_px[2, 15] += [30.0, 40.0]
    merged, gap = merge(one, other)
    assert np.allclose(merged.image_px[2, 15], one.image_px[2, 15] + [15.0, 20.0])
    assert gap[2, 15] == pytest.approx(50.0 / 400.0)
    assert np.count_nonzero(gap) == 1
