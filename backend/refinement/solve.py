# SPDX-License-Identifier: MIT
"""Gauss-Newton with Levenberg damping over stretches of a clip that share one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from backend.body.marks import MarkedBody

from .cost import Change, Equations, Spread, Stretch, equations

Array = NDArray[np.floating]

_ENOUGH = 2e-3
"""A step that saves a smaller part of the cost is the last one."""


def solve(
    stretches: Sequence[Stretch],
    body: MarkedBody,
    betas: Array,
    basis: Array,
    spread: Spread,
    iterations: int,
    heed: Callable[[float], None],
) -> tuple[list[Change], Array]:
    """The changes of stretches of an estimate, and the betas (10,), that cost least.

    Args:
        stretches: between which nothing is coupled but the shape.
        body: whose they are.
        betas: (10,) of the estimate.
        basis: (10, K) the directions, of length 1, in which they may change; K = 0 where they may not.
        spread: of the terms.
        iterations: at most.
        heed: called several times a second with the share of the iterations that is done; may raise to stop.
    """
    changes, shift, damping = [Change.none(len(stretch.times)) for stretch in stretches], np.zeros(basis.shape[1]), 1e-3
    stiffness = sum(len(stretch.times) for stretch in stretches) / spread.shape**2
    done, total = 0, iterations * len(stretches) + len(stretches)

    def cost_of(changes: Sequence[Change], shift: Array) -> tuple[list[Equations], float]:
        nonlocal done
        parts = []
        for stretch, change in zip(stretches, changes, strict=True):
            parts.append(equations(stretch, change, body, betas + basis @ shift, basis, spread))
            done += 1
            heed(done / total)
        return parts, sum(part.frames.cost for part in parts) + stiffness * float(shift @ shift)

    parts, cost = cost_of(changes, shift)
    for _ in range(iterations):
        steps, turn = _step(parts, shift, stiffness, damping)
        trial, trial_shift = [change.moved(step) for change, step in zip(changes, steps, strict=True)], shift + turn
        following, trial_cost = cost_of(trial, trial_shift)
        if trial_cost < cost:
            enough = cost - trial_cost < _ENOUGH * cost
            changes, shift, parts, cost = trial, trial_shift, following, trial_cost
            damping = max(damping * 0.3, 1e-6)
            if enough:
                break
        else:
            damping = max(damping, 1e-4) * 10.0
    return changes, betas + basis @ shift


def _step(parts: Sequence[Equations], shift: Array, stiffness: float, damping: float) -> tuple[list[Array], Array]:
    """The Levenberg steps (T, D) of all stretches and of the shape (K,), which is eliminated: Schur's complement."""
    count = len(shift)
    corner, right = stiffness * np.eye(count), -stiffness * shift
    solved = []
    for part in parts:
        sides = np.concatenate([-part.frames.gradient[..., None], part.border], axis=2)
        answer = part.frames.solve(sides, damping)
        alone, by_shape = answer[..., 0], answer[..., 1:]
        solved.append((alone, by_shape))
        corner = corner + part.corner - np.einsum("tdi,tdj->ij", part.border, by_shape)
        right = right - part.corner_gradient - np.einsum("tdi,td->i", part.border, alone)
    turn = np.linalg.solve(corner + damping * np.diag(np.diag(corner)), right) if count else right
    return [alone - by_shape @ turn for alone, by_shape in solved], turn
