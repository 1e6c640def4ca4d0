# SPDX-License-Identifier: MIT
"""Files of runs: whole or not there, read without running anything, and averages of weights."""

from __future__ import annotations

import pytest
from torch import nn

from backend.training.state import Average


def test_an_average_follows_slowly_and_stands_in_for_a_while() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    average = Average(network, 0.75)
    expected = 0.0
    for value in (1.0, 1.0, 5.0):
        nn.init.constant_(network.weight, value)
        average.follow(network)
        expected = 0.75 * expected + 0.25 * value
    with average.instead_of(network):
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 5.0


def test_without_decay_the_average_is_the_network() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Average(network, 0.0)
    nn.init.constant_(network.weight, 3.0)
    average.follow(network)
    assert float(average.values["weight"]) == 3.0
    with average.instead_of(network):
        assert network.weight.item() == 3.0
