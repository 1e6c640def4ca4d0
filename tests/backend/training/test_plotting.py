# SPDX-License-Identifier: MIT
"""The plot of methods: dots in their places, whatever the numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.training.plotting import Dot, plot

OURS = (200, 60, 40)


def middle(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(2,) x and y of the middle of what has a colour, of dots without names."""
    return np.argwhere((picture == colour).all(axis=-1)).mean(axis=0)[::-1]


def test_what_is_better_is_lower_and_more_to_the_left() -> None:
    places = [
        middle(plot({"x": [Dot("", 50, 10, ours=False), Dot("", 60, 30, ours=False), Dot("", *at, ours=True)]}), OURS)
        for at in ((52, 12), (58, 12), (52, 28))
    ]
    assert places[1][0] > places[0][0] + 50
    assert places[2][1] < places[0][1] - 50
    assert places[1][1] == pytest.approx(places[0][1], abs=1)


def test_each_table_has_a_panel() -> None:
    assert plot({"a": [], "b": [Dot("ä", 50, 3, ours=True)]}).shape == (1120, 1000, 3)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e-9, 1e9])
def test_odd_numbers_break_nothing(value) -> None:
    plot({"a": [Dot("one", value, 5.0, ours=True), Dot("two", 5.0, value, ours=False)]})


def test_names_at_one_place_do_not_lie_on_each_other() -> None:
    inks = []
    for count in (0, 1, 2):
        dots = [Dot("wwww", 50, 10, ours=True)] * count
        picture = plot({"a": [*dots, Dot("", 50, 10, ours=True), Dot("", 60, 20, ours=False)]})
        inks.append(int((picture[..., 2].astype(int) + 60 < picture[..., 0]).sum()))
    assert inks[2] - inks[1] == pytest.approx(inks[1] - inks[0], rel=0.1)
    assert inks[1] > inks[0] + 40
