# SPDX-License-Identifier: MIT
"""The filter that TCMR's authors put behind their network in some tests, as MEVA does (Luo et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

SHARE = 0.3
"""As published."""


@dataclass(frozen=True)
class SlerpFilter:
    """Each joint goes a share of the way from where it was left to where it is now.

    It costs delay: what moves on evenly is shown ``lag`` frames late, 2.3 at the published share (78 ms at 30 frames a
    second), and what comes and goes within few frames is made smaller. Nothing of later frames is used to make up for
    it, and a gap is no longer than a frame. So it serves comparison; the clean-up's smoothing looks both ways.

    Attributes:
        share: of the way to the newest rotation, above 0; 1 leaves everything as it is.
    """

    share: float = SHARE

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"a share of {self.share} is not above 0 and at most 1")

    @property
    def lag(self) -> float:
        """Frames by which an even turn is late: the mean age of what the filter shows."""
        return (1 - self.share) / self.share

    def smooth(self, rotations: Array) -> Array:
        """The smoothed rotations.

        Args:
            rotations: (T, ..., 4) unit quaternions, w x y z, in any signs; each of the inner ones by itself.

        Returns:
            As many, with signs such that neighbours in time never jump to the antipode. The first is as given.
        """
        smooth = np.array(rotations, dtype=float)
        for frame in range(1, len(smooth)):
            smooth[frame] = _between(smooth[frame - 1], smooth[frame], self.share)
        return smooth


def _between(start: Array, end: Array, share: float) -> Array:
    """Unit quaternions (..., 4) a share of the shorter way from ``start`` to ``end`` (Shoemake 1985)."""
    end = np.where((start * end).sum(axis=-1, keepdims=True) < 0, -end, end)
    # At most a quarter turn of quaternions apart now. Of tiny angles the arc cosine would know nothing.
    angle = 2 * np.arctan2(*(np.linalg.norm(each, axis=-1, keepdims=True) for each in (end - start, end + start)))

    def weight(part: float) -> Array:
        return part * np.sinc(part * angle / np.pi) / np.sinc(angle / np.pi)

    between = weight(1 - share) * start + weight(share) * end
    return between / np.linalg.norm(between, axis=-1, keepdims=True)
