# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Single wild frames mended, and short stretches in which a person was not seen filled, before anything is filtered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, continuous
from ..contract.skeleton import JOINT_COUNT, JOINT_NAMES, PARENTS
from ..contract.take import Person, Video
from .settings import Smoothing
from .tracks import Tracks, eased

_WILD_S = 0.1
"""No part of a body goes far away and comes back in so short a time."""
_WILD_RAD_S, _WILD_M_S = 9.0, 3.0
"""Slower than that, a jump is left to the smoothing."""
_WINDOW_S = 0.3
"""Half of the time around a jump whose speeds it is compared with."""
_HAMPEL = 3.0
_MAD_TO_DEVIATION = 1.4826
_THERE_AND_BACK = 3.0
"""How much faster the jumps there and back are than the motion between them and the way left after them."""
_RATE_S = 0.1
"""How long before (after) a gap is looked at for the speed at its borders."""
_LIMB_STARTS = ("left_hip", "right_hip", "spine1", "neck", "left_collar", "right_collar")
FILLED_CONFIDENCE = 0.25
"""The confidence of a filled frame, over that of the frames around."""


def _limbs() -> tuple[tuple[int, ...], ...]:
    """For each joint the joints of its limb, or of the trunk; for the pelvis, all."""
    starts = [0] * JOINT_COUNT
    for joint, parent in enumerate(PARENTS):
        starts[joint] = joint if parent < 0 or JOINT_NAMES[joint] in _LIMB_STARTS else starts[parent]
    same = (tuple(other for other in range(JOINT_COUNT) if starts[other] == start) for start in starts[1:])
    return tuple(range(JOINT_COUNT)), *same


_LIMBS = _limbs()


def repair(person: Person, times: Array, smoothing: Smoothing) -> Person:
    """The person without wild frames: jumps away and back within a tenth of a second are replaced by a straight way.

    Rotations and the path by themselves. A Hampel test on the speed (Hampel 1974): there and back must
    both be faster than the median around by three deviations, estimated from the median absolute deviation, and fast
    in themselves; and they must leave the part about where it was. Fast motion that goes somewhere, swings, or turns
    back from a fast motion does none of that. With a joint its whole limb is mended, because joints of a limb make up
    for each other (a shoulder turned about the arm, and the elbow back); with the pelvis, all joints.

    Args:
        person: rotations may have any signs.
        times: (T,) seconds of the person's frames.
        smoothing: nothing is done unless ``repair``.
    """
    frames, times = np.asarray(person.frames), np.asarray(times, dtype=float)
    if not smoothing.repair or len(frames) < 5:
        return person
    tracks = Tracks(continuous(np.array(person.rotations, dtype=float)), np.array(person.root, dtype=float)[:, None])
    jumps = _jumps(tracks, frames, times)
    if not jumps:
        return person
    for first, last, channel in jumps:
        inside, ends = slice(first + 1, last), [first, last]
        share = ((times[inside] - times[first]) / (times[last] - times[first]))[:, None, None]
        if channel < JOINT_COUNT:
            joints = list(_LIMBS[channel])
            across = Tracks(continuous(tracks.turns[ends][:, joints]), tracks.places[ends, :0])
            tracks.turns[inside, joints] = across[:1].moved(share * across[1:].since(across[:1])).turns
        else:
            start, end = tracks.places[ends]
            tracks.places[inside] = start + share * (end - start)
    return replace(person, rotations=continuous(tracks.turns), root=tracks.places[:, 0])


def _jumps(tracks: Tracks, frames: Array, times: Array) -> list[tuple[int, int, int]]:
    """The last good frame before, the first after, and the channel (the path is the last) of every jump and back."""
    seconds = np.diff(times)
    speeds = np.linalg.norm(tracks.steps(), axis=-1) / seconds[:, None]
    speeds[np.diff(frames) > 1] = 0.0
    least = np.append(np.full(speeds.shape[1] - 1, _WILD_RAD_S), _WILD_M_S)
    fast = speeds > least
    longest = max(round(_WILD_S / float(np.median(seconds))) - 1, 1)
    taken = np.zeros((len(frames), speeds.shape[1]), dtype=bool)
    found: list[tuple[int, int, int]] = []
    for count in range(1, min(longest, len(frames) - 2) + 1):
        first, channel = np.nonzero(fast[: len(fast) - count] & fast[count:])
        speed = np.minimum(speeds[first, channel], speeds[first + count, channel])
        for step in range(1, count):
            calm = speed > _THERE_AND_BACK * speeds[first + step, channel]
            first, channel, speed = first[calm], channel[calm], speed[calm]
        wild = _comes_back(tracks, times, first, count, channel, speed)
        first, channel, speed = first[wild], channel[wild], speed[wild]
        wild = speed > _hampel_bound(speeds, times, first, count, channel)
        first, channel, speed = first[wild], channel[wild], speed[wild]
        for n in np.argsort(-speed, kind="stable").tolist():
            start, end, at = int(first[n]), int(first[n]) + count + 1, int(channel[n])
            if not taken[start : end + 1, at].any():
                taken[start + 1 : end, at] = True
                found.append((start, end, at))
    return found


def _comes_back(tracks: Tracks, times: Array, first: Array, count: int, channel: Array, speed: Array) -> Array:
    """Whether (M,) the way from the frame before a jump to the one after it is short against the jump's speed."""
    last, turning = first + count + 1, tracks.turns.shape[1]
    turns = np.minimum(channel, turning - 1)
    ends = continuous(np.stack([tracks.turns[first, turns], tracks.turns[last, turns]]))  # a half turn has any sign
    before = Tracks(ends[0][:, None], tracks.places[first])
    left = np.linalg.norm(Tracks(ends[1][:, None], tracks.places[last]).since(before), axis=-1)
    way = np.where(channel < turning, left[:, 0], left[:, 1])
    return speed > _THERE_AND_BACK * way / (times[last] - times[first])


def _hampel_bound(speeds: Array, times: Array, first: Array, count: int, channel: Array) -> Array:
    """What (M,) a speed must exceed to be an outlier among those around a jump, the jump's own left out."""
    reach = int(np.ceil(_WINDOW_S / float(np.median(np.diff(times)))))
    away = np.concatenate([np.arange(-reach, 0), count + 1 + np.arange(reach)])
    at = first[:, None] + away
    there = (at >= 0) & (at < len(speeds))
    around = np.where(there, speeds[np.clip(at, 0, len(speeds) - 1), channel[:, None]], np.nan)
    middle = np.nanmedian(around, axis=1)
    return middle + _HAMPEL * _MAD_TO_DEVIATION * np.nanmedian(np.abs(around - middle[:, None]), axis=1)


def fill(person: Person, video: Video, smoothing: Smoothing) -> Person:
    """The person with the frames of short gaps: turned and moved on smoothly, with the speeds at both borders.

    Longer gaps stay open. Filled frames have a quarter of the confidence around, boxes and landmarks in between, and
    landmarks nobody saw: visibility 0. What a network said is dropped where a frame was filled, of which it said
    nothing.

    Args:
        person: rotations may have any signs.
        video: the take's, for the times of the frames in which the person was not seen.
        smoothing: gaps up to ``fill_s`` seconds are filled, from their first frame to the next that is seen.
    """
    frames = np.asarray(person.frames)
    times = np.asarray(video.times)
    clock = times[frames - video.first_frame]
    lasts = np.diff(frames) - 1
    nobody = clock[1:] - times[frames[:-1] + np.minimum(lasts, 1) - video.first_frame] if len(frames) > 1 else lasts
    gaps = np.flatnonzero((lasts > 0) & (nobody <= smoothing.fill_s))
    if not len(gaps):
        return person
    counts = lasts[gaps]
    before = np.repeat(gaps, counts)
    new = frames[before] + 1 + np.arange(len(before)) - np.repeat(np.cumsum(counts) - counts, counts)
    seconds = clock[before + 1] - clock[before]
    share = (times[new - video.first_frame] - clock[before]) / seconds
    whole = np.concatenate([frames, new])
    order = np.argsort(whole, kind="stable")

    def joined(known: Array, added: Array) -> Array:
        return np.concatenate([known, added])[order]

    def between(known: Array) -> Array:
        return known[before] + share.reshape(-1, *[1] * (known.ndim - 1)) * (known[before + 1] - known[before])

    tracks = Tracks(continuous(np.array(person.rotations, dtype=float)), np.asarray(person.root, dtype=float)[:, None])
    rates = tuple(np.repeat(rate, counts, axis=0) for rate in _border_rates(tracks, frames, clock, gaps))
    moved = eased(tracks[before], tracks[before + 1], (rates[0], rates[1]), share, seconds[:, None, None])
    unseen = between(person.keypoints)
    unseen[..., 2:] = 0.0
    return replace(
        person,
        frames=whole[order].astype(frames.dtype),
        rotations=continuous(joined(tracks.turns, moved.turns)),
        root=joined(person.root, moved.places[:, 0]),
        contacts=joined(person.contacts, between(person.contacts)),
        confidence=joined(person.confidence, FILLED_CONFIDENCE * between(person.confidence)),
        boxes=joined(person.boxes, between(person.boxes)),
        keypoints=joined(person.keypoints, unseen),
        words=None,
    )


def _border_rates(tracks: Tracks, frames: Array, times: Array, gaps: NDArray[np.integer]) -> tuple[Array, Array]:
    """How fast each gap is entered and left, (G, J + P, 3) per second; 0 where a border has no frame beside it."""
    runs = np.cumsum(np.diff(frames, prepend=frames[0]) > 1)
    enter, leave = gaps, gaps + 1
    since = np.minimum(np.searchsorted(times, times[enter] - _RATE_S), np.maximum(enter - 1, 0))
    since = np.maximum(since, np.searchsorted(runs, runs[enter]))
    until = np.maximum(np.searchsorted(times, times[leave] + _RATE_S, "right") - 1, leave + 1)
    until = np.minimum(until, np.searchsorted(runs, runs[leave], "right") - 1)

    def rate(low: NDArray[np.integer], high: NDArray[np.integer]) -> Array:
        seconds = np.where(high > low, times[high] - times[low], 1.0)[:, None, None]
        return tracks[high].since(tracks[low]) / seconds

    return rate(since, enter), rate(leave, until)
