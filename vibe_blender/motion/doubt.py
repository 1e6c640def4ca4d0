# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Where a capture is not sure: stretches of low confidence, and confidence as a row of coloured bars."""

from __future__ import annotations

import numpy as np

from ..contract.quaternions import Array

UNSEEN = -1.0
"""Level of a bar where nobody was seen."""
_JOIN_FRAMES = 5
"""Doubtful stretches with fewer frames between them are one: nobody looks at them one by one."""
_LEVELS = 10


def doubtful_ranges(confidence: Array, frames: Array, threshold: float) -> list[tuple[float, float]]:
    """First and last frame of every stretch whose confidence is below the threshold.

    Args:
        confidence: (T,) 0..1.
        frames: (T,) ascending frames of the scene.
        threshold: 0..1.
    """
    found: list[tuple[float, float]] = []
    for frame in np.asarray(frames)[np.asarray(confidence) < threshold].tolist():
        if found and frame - found[-1][1] <= _JOIN_FRAMES:
            found[-1] = (found[-1][0], frame)
        else:
            found.append((frame, frame))
    return found


def confidence_bars(confidence: Array, frames: Array, held: Array, first: float, last: float) -> tuple[Array, Array]:
    """Confidence as bars that lie side by side: where they begin and end (B, 2), and their levels (B,).

    Args:
        confidence: (T,) 0..1; neighbours of about the same share a bar.
        frames: (T,) ascending frames of the scene.
        held: (T,) true where the next frame is missing: a bar of ``UNSEEN`` follows.
        first, last: frames of the whole take; ``UNSEEN`` before and after the person.
    """
    frames = np.asarray(frames, float)
    steps = np.diff(frames)[~np.asarray(held)[:-1]]
    step = float(np.median(steps)) if len(steps) else 1.0
    ends = np.append(frames[1:], frames[-1] + step)
    ends = np.where(held, np.minimum(frames + step, ends), ends)
    levels = np.round(np.clip(confidence, 0.0, 1.0) * _LEVELS) / _LEVELS
    # Every moment at which something may change, and what is shown from there on.
    edges = np.concatenate([[min(first, frames[0])], frames, ends, [max(last + step, ends[-1])]])
    shown = np.concatenate([[UNSEEN], levels, np.full(len(ends), UNSEEN), [UNSEEN]])
    # Of two at one moment the later counts: a frame begins where the one before it ends.
    kind = np.concatenate([[0], np.full(len(frames), 2), np.full(len(ends), 1), [0]])
    order = np.lexsort((kind, edges))
    edges, shown = edges[order], shown[order]
    lasting = np.append(np.diff(edges) > 0, False)
    starts, shown, end = edges[lasting], shown[lasting], edges[-1]
    changes = np.flatnonzero(np.diff(shown, prepend=np.nan) != 0)
    starts, shown = starts[changes], shown[changes]
    return np.stack([starts, np.append(starts[1:], end)], axis=1), shown
