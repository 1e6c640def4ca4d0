# SPDX-License-Identifier: MIT
"""An Estimate in, a refined one out: one shape of all the clip, then the change, window by window, where it helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.banded import windows
from backend.body.keypoints import LANDMARK_NAMES
from backend.body.kinematics import posed
from backend.body.marks import MarkedBody
from backend.estimators.estimate import Estimate
from vibe_blender.contract import quaternions

from .cost import Change, Spread, Stretch, landmark_costs
from .solve import solve

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]

_LIMBS = [LANDMARK_NAMES.index(f"{side}_{part}") for side in ("left", "right")
          for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]  # fmt: skip
_WINDOW, _OVERLAP = 150, 30
_SAMPLES, _SAMPLE = 4, 75
"""The shape is found from so many stretches of so many frames, spread over the clip."""
_ITERATIONS = 8
_SHAPE_SHARE = 0.5
_EASE_SECONDS = 0.25
"""From a frame that is left as it was the change grows to all of it."""
_STIFF_RAD = 1e-4
_LEAST_SIDE_PX = 8.0
SPREAD = Spread()
_TRUSTED = 0.04
"""Where a limb misses its landmark by so much of the crop's side, it counts half."""


@dataclass(frozen=True)
class Refined:
    """What became of an estimate.

    Attributes:
        estimate: refined, or as it was.
        kept: (T,) which frames got better, and therefore changed.
    """

    estimate: Estimate
    kept: Flags


def refine(
    estimate: Estimate,
    body: MarkedBody,
    focal_px: float,
    centre_px: Array,
    progress: Callable[[int], None] = lambda done: None,
    spread: Spread = SPREAD,
) -> Refined:
    """The estimate, nearer to its landmarks.

    A frame stays as the estimate has it unless its landmarks say that it got better, and the change is eased in and
    out beside it. The stature stays: a picture does not tell a tall person from a near one.

    Args:
        estimate: of one person.
        body: whose betas the estimate has.
        focal_px: focal length.
        centre_px: (2,) principal point.
        progress: told several times a second how many frames are done; may raise to stop.
        spread: of the cost's terms.
    """
    count = len(estimate.frames)
    unchanged = Refined(estimate, np.zeros(count, dtype=bool))
    if not estimate.keypoints.shape[1] or not np.any(estimate.keypoints[..., 2] > 0):
        progress(count)
        return unchanged
    whole = _stretch(estimate, body, focal_px, centre_px)
    betas = _shape(whole, body, estimate.betas, spread, lambda share: progress(int(share * _SHAPE_SHARE * count)))
    fitted = _Fitted(whole, body, betas, spread)
    change, kept = fitted.kept(lambda share: progress(int((_SHAPE_SHARE + share * (1 - _SHAPE_SHARE)) * count)))
    progress(count)
    before = landmark_costs(whole, Change.none(count), body, estimate.betas, spread)
    if not kept.any() or np.sum(fitted.costs(change)) >= np.sum(before):
        return unchanged
    return Refined(_applied(estimate, whole, change, body, betas), kept)


def _stretch(estimate: Estimate, body: MarkedBody, focal_px: float, centre_px: Array) -> Stretch:
    """The whole estimate as the fit sees it."""
    rotations = quaternions.to_matrices(estimate.rotations)
    places = posed(estimate.root, rotations, estimate.rest_joints).points(body.landmarks(estimate.betas))
    return Stretch(
        times=estimate.times,
        root=estimate.root,
        rotations=rotations,
        image=(estimate.keypoints[..., :2] - centre_px) / focal_px,
        side=np.maximum(estimate.boxes[:, 2:].max(axis=1), _LEAST_SIDE_PX) / focal_px,
        weight=np.square(np.clip(estimate.keypoints[..., 2], 0.0, 1.0)),
        depth=places[..., 2] - estimate.root[:, 2:],
    )


def _shape(whole: Stretch, body: MarkedBody, betas: Array, spread: Spread, heed: Callable[[float], None]) -> Array:
    """The betas (10,) that all frames agree on best, of the same stature."""
    count = len(whole.times)
    starts = np.unique(np.linspace(0, max(count - _SAMPLE, 0), min(_SAMPLES, -(-count // _SAMPLE))).astype(int))
    ends = [*starts[1:], count]
    samples = [whole.window(slice(a, min(a + _SAMPLE, b))) for a, b in zip(starts, ends, strict=True)]
    grown = np.linalg.svd(body.height_directions[None])[2]  # the first row is along the growth, the others across it
    return solve(samples, body, betas, grown[1:].T, spread, _ITERATIONS, heed)[1]


@dataclass(frozen=True)
class _Fitted:
    """A clip on the body of its shape.

    Attributes:
        whole: the clip.
        body: whose it is.
        betas: (10,).
        spread: of the cost's terms.
    """

    whole: Stretch
    body: MarkedBody
    betas: Array
    spread: Spread

    def kept(self, heed: Callable[[float], None]) -> tuple[Change, Flags]:
        """The change where it helps, and in which frames (T,) it does.

        What it has to be better than are the estimate's own turns on the same body, carried to where the landmarks have
        it. A frame beside one that stays gets a part of its change only; where that does not help, it stays too.
        """
        stiff = replace(self.spread, turn_rad=_STIFF_RAD)
        carried = self._change(stiff, lambda share: heed(share / 3))
        carried = Change(carried.path, Change.none(len(carried.path)).turns)
        change = self._change(self.spread, lambda share: heed((1 + 2 * share) / 3))
        before = self.costs(carried)
        kept = np.ones(len(before), dtype=bool)
        while True:
            heed(1.0)
            share = _ease(self.whole.times, kept)
            path = carried.path + share[:, None] * (change.path - carried.path)
            eased = Change(path, change.weighted(share).turns)
            worse = kept & (self.costs(eased) >= before)
            if not worse.any():
                return eased, kept
            kept &= ~worse

    def costs(self, change: Change) -> Array:
        """(T,) what the landmarks cost with a change."""
        return landmark_costs(self.whole, change, self.body, self.betas, self.spread).sum(axis=1)

    def _change(self, spread: Spread, heed: Callable[[float], None]) -> Change:
        """The change of all frames in bounded memory: windows that overlap, blended where they do."""
        count, fixed = len(self.whole.times), np.zeros((len(self.betas), 0))
        path, vectors, done = np.zeros((count, 3)), Change.none(count).vectors(), 0
        for window in windows(count, _WINDOW, _OVERLAP):
            first, last = done / count, window.stop / count

            def told(share: float, first: float = first, last: float = last) -> None:
                heed(first + share * (last - first))

            stretch = self.whole.window(window)
            (part,), _ = solve([stretch], self.body, self.betas, fixed, spread, _ITERATIONS, told)
            blend = np.ones(window.stop - window.start)
            shared = done - window.start
            blend[:shared] = (np.arange(shared) + 1.0) / (shared + 1.0)
            path[window] += blend[:, None] * (part.path - path[window])
            vectors[window] += blend[:, None, None] * (part.vectors() - vectors[window])
            done = window.stop
        return Change.none(count).moved(np.concatenate([path, vectors.reshape(count, -1)], axis=1))


def _ease(times: Array, kept: Flags) -> Array:
    """How much of the change each frame gets, (T,): 0 where it stays, 1 far from there, smoothly."""
    stay = times[~kept]
    if not len(stay):
        return np.ones(len(times))
    after = np.clip(np.searchsorted(stay, times), 1, len(stay) - 1) if len(stay) > 1 else np.zeros(len(times), int)
    away = np.minimum(np.abs(times - stay[after]), np.abs(times - stay[after - 1]))
    share = np.clip(away / _EASE_SECONDS, 0.0, 1.0)
    return share * share * (3 - 2 * share)


def _applied(estimate: Estimate, whole: Stretch, change: Change, body: MarkedBody, betas: Array) -> Estimate:
    root, rotations = change.of(whole)
    rest_joints = body.rest_joints(betas)
    # What is not changed stays to the last bit.
    turned = quaternions.from_matrices(rotations)
    still = np.all(rotations == whole.rotations, axis=(-1, -2))
    turned[still] = estimate.rotations[still]
    refined = replace(
        estimate, root=root, rotations=quaternions.continuous(turned), rest_joints=rest_joints, betas=betas
    )
    sure = _surety(refined, body, whole) / np.maximum(_surety(estimate, body, whole), 1e-6)
    return replace(refined, confidence=np.clip(estimate.confidence * sure, 0.0, 1.0))


def _surety(estimate: Estimate, body: MarkedBody, whole: Stretch) -> Array:
    """How well the limbs lie on their landmarks, (T,) 0..1: confidence grows and falls with it."""
    places = posed(estimate.root, quaternions.to_matrices(estimate.rotations), estimate.rest_joints).points(
        body.landmarks(estimate.betas)
    )[:, _LIMBS]
    projected = places[..., :2] / np.maximum(places[..., 2:], 1e-6)
    missed = np.linalg.norm(projected - whole.image[:, _LIMBS], axis=-1) / whole.side[:, None]
    return np.mean(np.sqrt(whole.weight[:, _LIMBS]) / (1.0 + (missed / _TRUSTED) ** 2), axis=1)
