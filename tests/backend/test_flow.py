# SPDX-License-Identifier: MIT
from __future__ import annotations

import cv2
import numpy as np
import pytest

from backend.flow import CELLS, Dis, backward_flow, backward_flow_in, flow_of, in_cells
from backend.person_crops import cut_out, square_around
from tests.moving_pictures import (
    BOX_SIDE_PX,
    CELL_MIDDLES,
    SIDE_PX,
    box_at,
    drifting,
    drifting_flow,
    noise,
    pixels,
)

GRID = pixels(SIDE_PX, SIDE_PX)
MIDDLE = (SIDE_PX - 1) / 2


def turned(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


MOTIONS = {
    "a fraction of a pixel": (np.eye(2), (0.4, -0.3), 0.1),
    "right and up": (np.eye(2), (5.3, -2.6), 0.15),
    "far": (np.eye(2), (-17.0, 9.5), 0.15),
    "turned": (turned(5.0), (0.0, 0.0), 0.25),
    "nearer": (np.eye(2) * 1.08, (0.0, 0.0), 0.25),
    "all of it": (turned(-4.0) * 0.95, (6.5, 3.0), 0.25),
}


@pytest.mark.parametrize("name", MOTIONS)
def test_known_motion_is_found_with_its_direction(name: str) -> None:
    """What is seen now at x is what was seen before at x + flow(x), by construction."""
    matrix, shift, most = MOTIONS[name]

    def was(places: np.ndarray) -> np.ndarray:
        return (places - MIDDLE) @ np.transpose(matrix) + MIDDLE + shift

    now, before = noise(was(GRID)), noise(GRID)
    flow = backward_flow(now, before)
    assert flow.shape == (2, CELLS, CELLS)
    assert flow.dtype == np.float16
    true = was(CELL_MIDDLES) - CELL_MIDDLES
    inside = ((was(CELL_MIDDLES) > 12) & (was(CELL_MIDDLES) < SIDE_PX - 13)).all(axis=-1)

    def apart(found: np.ndarray) -> float:
        return float(np.linalg.norm(found.astype(float) - true, axis=-1)[inside].mean())

    found = flow.transpose(1, 2, 0)
    assert apart(found) < most
    wrong = {"forwards": -found, "v before u": found[..., ::-1]}
    if not np.array_equal(matrix, np.eye(2)):
        wrong["columns for rows"] = found.transpose(1, 0, 2)
    for what, other in wrong.items():
        assert apart(other) > 3 * most, what


def test_flow_is_where_the_moving_thing_is_now() -> None:
    before, now = noise(GRID), noise(GRID)
    thing = noise(pixels(60, 40) * 2, seed=5)
    before[30:70, 120:180] = thing
    now[33:73, 130:190] = thing
    flow = backward_flow(now, before).astype(float)
    cells = flow[:, 10:16, 36:44]  # rows 40..63, columns 144..175
    assert cells[0] == pytest.approx(-10, abs=0.3)
    assert cells[1] == pytest.approx(-3, abs=0.3)
    assert np.abs(flow[:, 30:]).max() < 0.3


def test_what_shows_nothing_has_no_flow() -> None:
    now, before = noise(GRID + 3), noise(GRID)
    edge = now.copy(), before.copy()
    for picture in edge:
        picture[:, :40] = 0  # the video ends there
    flow = backward_flow(*edge)
    assert not flow[:, :, :10].any()
    assert flow[:, 6:-6, 16:-6].astype(float) == pytest.approx(3, abs=0.3)
    late = before.copy()
    late[:, :8] = 0  # seen now, not kept before
    flow = backward_flow(now, late).astype(float)
    assert np.isfinite(flow).all()
    assert flow[:, 6:-6, 8:-6] == pytest.approx(3, abs=0.3)
    assert not backward_flow(np.zeros_like(now), before).any()
    assert not backward_flow(now, np.zeros_like(now)).any()


def test_cells_are_means_of_their_own_pixels() -> None:
    flow = np.random.default_rng(0).normal(size=(SIDE_PX, SIDE_PX, 2)).astype(np.float32)
    grey = np.full((SIDE_PX, SIDE_PX, 3), 90, np.uint8)
    dark = grey.copy()
    dark[8:12, 20:24] = 0
    found = in_cells(flow, dark, grey)
    assert found[0, 3, 7] == pytest.approx(flow[12:16, 28:32, 0].mean(), abs=1e-3)
    assert found[1, 3, 7] == pytest.approx(flow[12:16, 28:32, 1].mean(), abs=1e-3)
    assert not found[:, 2, 5].any()
    dark[10, 22, 1] = 1
    assert in_cells(flow, dark, grey)[:, 2, 5].all()


def test_a_batch_is_its_pairs_one_by_one() -> None:
    now, before = (np.stack([noise(GRID + k * step) for k in range(5)]) for step in (1.5, 0.0))
    alone = np.stack([backward_flow(*pair) for pair in zip(now, before, strict=True)])
    threads = cv2.getNumThreads()
    try:
        for cores in (1, 3):
            cv2.setNumThreads(cores)
            np.testing.assert_array_equal(Dis(threads=3).backward(now, before), alone)
            np.testing.assert_array_equal(Dis(threads=1).backward(now[::-1], before[::-1]), alone[::-1])
    finally:
        cv2.setNumThreads(threads)
    assert Dis().backward(now[:0], before[:0]).shape == (0, 2, CELLS, CELLS)
    with pytest.raises(ValueError, match="shapes"):
        Dis().backward(now, before[:4])


def test_frames_without_a_pair_have_zeros() -> None:
    now, before = noise(GRID + 2), noise(GRID)
    found = flow_of(iter([None, (now, before), None, (now, now), *[None] * 70]), Dis(threads=1))
    assert found.shape == (74, 2, CELLS, CELLS)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found[1], backward_flow(now, before))
    assert [bool(np.abs(each).max() > 0.5) for each in found[:4]] == [False, True, False, False]
    assert not found[4:].any()
    assert flow_of([], Dis()).shape == (0, 2, CELLS, CELLS)


def test_the_motion_of_the_crop_is_not_in_it() -> None:
    square = square_around(box_at(3))
    flow = backward_flow_in(square, drifting(3), drifting(2)).astype(float)
    assert flow.transpose(1, 2, 0)[8:-8, 8:-8].mean(axis=(0, 1)) == pytest.approx(drifting_flow(), abs=0.1)
    # Each frame cut out by its own square would add what the square does.
    own = backward_flow(cut_out(drifting(3), square), cut_out(drifting(2), square_around(box_at(2)))).astype(float)
    moved = np.linalg.norm(own.transpose(1, 2, 0)[8:-8, 8:-8].mean(axis=(0, 1)) - drifting_flow())
    assert moved == pytest.approx(np.hypot(3, 1) * SIDE_PX / (1.1 * BOX_SIDE_PX), abs=0.2)
    assert not backward_flow_in(square, drifting(0), None).any()
