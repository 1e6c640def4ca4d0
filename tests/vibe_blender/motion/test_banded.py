# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from vibe_blender.motion.banded import Bands, second_differences, squared
from vibe_blender.motion.over_time import Timeline


@pytest.mark.parametrize("frames", [1, 2, 3, 15, 16, 17, 18, 33, 100])
def test_banded_systems_are_solved_like_any_other(frames: int) -> None:
    rng = np.random.default_rng(frames)
    size, problems = 3, 2
    whole = np.zeros((problems, frames, size, frames, size))
    for first in range(frames):
        reach = slice(first, min(first + 3, frames))
        rows = rng.normal(size=(problems, 4, reach.stop - first, size))
        whole[:, reach, :, reach] += np.einsum("pnac,pnbd->apcbd", rows, rows).swapaxes(0, 1)
    bands = Bands.empty(problems, frames, size)
    for apart, band in enumerate((bands.here, bands.one, bands.two)):
        for frame in range(frames - apart):
            band[:, frame] = whole[:, frame, :, frame + apart]
    right = rng.normal(size=(problems, frames, size, 2))
    expected = np.linalg.solve(
        whole.reshape(problems, frames * size, -1), right.reshape(problems, frames * size, 2)
    ).reshape(right.shape)
    assert np.allclose(bands.solved(right), expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


def test_second_differences_of_a_parabola_at_uneven_times_and_none_at_the_ends_of_runs() -> None:
    frames = np.array([0, 1, 2, 3, 10, 11, 12, 20])
    times = np.array([0.0, 0.03, 0.07, 0.1, 0.5, 0.53, 0.55, 1.0])
    timeline = Timeline.of(times, frames)
    factors = second_differences(timeline)
    values = 3.0 * times**2 + times
    seen = factors[:, 1] * values
    seen[1:] += factors[1:, 0] * values[:-1]
    seen[:-1] += factors[:-1, 2] * values[1:]
    assert np.allclose(seen, [0.0, 6.0, 6.0, 0.0, 0.0, 6.0, 0.0, 0.0])
    own, one, two = squared(factors)
    total = np.sum(own * values**2) + 2 * np.sum(one[:-1] * values[:-1] * values[1:])
    assert total + 2 * np.sum(two[:-2] * values[:-2] * values[2:]) == pytest.approx(3 * 36.0)
