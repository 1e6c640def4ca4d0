# SPDX-License-Identifier: MIT
"""Least squares over the frames of a clip: normal equations in which a frame is coupled to its neighbours in time only.

They are block-banded, and solved by one banded Cholesky factorisation (LAPACK pbsv), which is linear in the number of
frames. What all frames share is a dense border of them, eliminated by its Schur complement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

Array = NDArray[np.floating]


@dataclass
class BandedNormal:
    """Block-banded normal equations of T frames with D unknowns each.

    Attributes:
        blocks: ``blocks[k]`` (T - k, D, D) couples frame t with frame t + k.
        gradient: (T, D).
        cost: what the residuals cost.
    """

    blocks: list[Array]
    gradient: Array
    cost: float

    def step(self, damping: float) -> Array:
        """The Levenberg step (T, D)."""
        return self.solve(-self.gradient[..., None], damping)[..., 0]

    def solve(self, right: Array, damping: float) -> Array:
        """What the damped equations take to the right sides (T, D, R)."""
        count, unknowns, sides = right.shape
        band = np.zeros((len(self.blocks) * unknowns, count * unknowns), self.blocks[0].dtype)
        for k, block in enumerate(self.blocks):
            for column in range(unknowns):
                first = column if k == 0 else 0  # of the diagonal blocks the lower triangle only
                rows = slice(k * unknowns + first - column, (k + 1) * unknowns - column)
                band[rows, column : len(block) * unknowns : unknowns] = block[:, column, first:].T
        band[0] *= 1.0 + damping
        columns = right.reshape(count * unknowns, sides).astype(band.dtype)
        solved = solveh_banded(band, columns, lower=True, overwrite_ab=True, check_finite=False)
        return solved.reshape(right.shape).astype(float)

    def add_second_differences(self, rows: Array, values: Array, times: Array) -> None:
        """Adds the squares of r_t = f0_t y_t + f1_t y_t+1 + f2_t y_t+2, the second difference of y over the true times.

        All that couples one pair of frames is gathered into one factor first, so that each pair is multiplied once.

        Args:
            rows: (T, R, D) how y moves with the unknowns.
            values: (T, R) y, each over its standard deviation.
            times: (T,) seconds.
        """
        count = len(times)
        if count < 3:
            return
        before, after = np.diff(times)[:-1], np.diff(times)[1:]
        factors = (2 / (before * (before + after)), -2 / (before * after), 2 / (after * (before + after)))
        residual = sum(factors[k][:, None] * values[k : count - 2 + k] for k in range(3))
        self.cost += float(np.sum(residual**2))
        pulled = np.zeros_like(values)
        coupling = [np.zeros(count - k) for k in range(3)]
        for i in range(3):
            pulled[i : count - 2 + i] += factors[i][:, None] * residual
            for j in range(i, 3):
                coupling[j - i][i : count - 2 + i] += factors[i] * factors[j]
        self.gradient += (pulled[:, None].astype(rows.dtype) @ rows)[:, 0]
        for k in range(3):
            later = rows[k:] * coupling[k][:, None, None].astype(rows.dtype)
            self.blocks[k] += rows[: count - k].transpose(0, 2, 1) @ later


def robust(squares: Array, cutoff: float) -> tuple[Array, Array]:
    """Cauchy weights of squared residuals, and what each costs."""
    weight = 1.0 / (1.0 + squares / cutoff**2)
    return weight, cutoff**2 * np.log1p(squares / cutoff**2)


def windows(count: int, length: int, overlap: int) -> list[slice]:
    """Stretches of frames that cover all of them, each sharing some with the one before."""
    found: list[slice] = []
    while not found or found[-1].stop < count:
        first = max(found[-1].stop - overlap, 0) if found else 0
        last = min(first + length, count)
        found.append(slice(first, last if count - last >= overlap else count))
    return found
