# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Jitter taken out of rotations and of the path, without lag, stretch by stretch between the gaps of a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..contract.quaternions import Array, continuous
from ..contract.skeleton import JOINT_COUNT, JOINT_NAMES
from ..contract.take import Person
from . import filters
from .settings import Smoothing
from .tracks import Tracks, interpolated

_REGION_PARTS = {
    "root": ("pelvis",),
    "spine": ("spine1", "spine2", "spine3"),
    "head": ("neck", "head"),
    "arms": ("collar", "shoulder", "elbow"),
    "hands": ("wrist", "hand"),
    "legs": ("hip", "knee"),
    "feet": ("ankle", "foot"),
}
REGIONS = {
    region: tuple(n for n, name in enumerate(JOINT_NAMES) if name.split("_")[-1] in parts)
    for region, parts in _REGION_PARTS.items()
}
"""The joints whose rotations belong to each region; the root also has the path."""
_PATH = JOINT_COUNT
"""Where the path stands among the channels: after the joints."""
_EVEN = 0.05
"""Times that are nowhere further from even ones, in steps, are even."""
_HOLE_STEPS, _HOLE_S = 8.0, 0.5
"""Frames further apart than both are two stretches, whatever their numbers."""
_SETTLED, _LEAST_MARGIN = 3.0, 24
"""Periods of the cutoff, and frames besides, after which a filter has forgotten."""
_SLOWEST = 0.5
"""Of a period: a shorter part of the cutoff's does not fit into a stretch, which is filtered less."""
_CALM = 0.25
"""Periods of the cutoff at an end of a stretch through which a line is laid to go on from."""


def smooth(person: Person, times: Array, smoothing: Smoothing) -> Person:
    """The person with less jitter: what is slower than the cutoff stays, and nothing comes earlier or later.

    Strength 0 leaves a region as it is, bit for bit. Steady turning, a straight path at a steady speed, and rest are
    left by every filter.

    Args:
        person: rotations may have any signs.
        times: (T,) seconds of the person's frames.
        smoothing: ``method``, ``cutoff_hz``, ``keep_fast`` and ``strengths`` count here.
    """
    if smoothing.method == "none":
        return person
    rotations, root = np.array(person.rotations, dtype=float), np.array(person.root, dtype=float)
    for run in _runs(np.asarray(person.frames), np.asarray(times)):
        for cutoff, channels in _groups(smoothing):
            joints = channels[channels < _PATH]
            before = Tracks(continuous(rotations[run][:, joints]), root[run, None][:, : int(_PATH in channels)])
            after = _smoothed(before, times[run], person.confidence[run], replace(smoothing, cutoff_hz=cutoff))
            rotations[run, joints] = after.turns
            if _PATH in channels:
                root[run] = after.places[:, 0]
    return replace(person, rotations=rotations, root=root)


def _runs(frames: Array, times: Array) -> Iterator[slice]:
    """The stretches without a missing frame and without a hole in time, of at least three frames."""
    steps = np.diff(times)
    hole = max(_HOLE_STEPS * float(np.median(steps)), _HOLE_S) if len(steps) else 0.0
    edges = np.flatnonzero((np.diff(frames) > 1) | (steps > hole)) + 1
    for first, last in zip([0, *edges], [*edges, len(frames)], strict=True):
        if last - first >= 3:
            yield slice(first, last)


def _groups(smoothing: Smoothing) -> list[tuple[float, NDArray[np.integer]]]:
    """The channels (joints, and the path as the last) by their cutoff in Hz."""
    by_cutoff: dict[float, list[int]] = {}
    for region, strength in vars(smoothing.strengths).items():
        if strength > 0:
            channels = [*REGIONS[region], *([_PATH] if region == "root" else [])]
            by_cutoff.setdefault(smoothing.cutoff_hz / strength, []).extend(channels)
    return [(cutoff, np.array(sorted(channels))) for cutoff, channels in by_cutoff.items()]


def _smoothed(tracks: Tracks, times: Array, confidence: Array, smoothing: Smoothing) -> Tracks:
    """One stretch: put on even times, prolonged, filtered, cut, and put back on its own times."""
    count = round((times[-1] - times[0]) / float(np.median(np.diff(times)))) + 1
    even = np.linspace(times[0], times[-1], count)
    step = float(even[1] - even[0])
    if smoothing.cutoff_hz * step >= 0.5:
        return tracks  # so few frames a second hold nothing that is faster
    is_even = count == len(times) and np.abs(even - times).max() <= _EVEN * step
    on_grid = tracks if is_even else interpolated(tracks, times, even)
    trust = confidence if is_even else np.interp(even, times, confidence)
    smoothing = replace(smoothing, cutoff_hz=max(smoothing.cutoff_hz, _SLOWEST / (times[-1] - times[0])))
    margin = int(np.ceil(_SETTLED / (smoothing.cutoff_hz * step))) + _LEAST_MARGIN
    total = _handy(count + 2 * margin)
    after = total - count - margin
    calm = round(_CALM / (smoothing.cutoff_hz * step))
    whole = on_grid.prolonged(margin, after, calm)
    trust = np.pad(trust, (margin, after), mode="edge")
    done = _FILTERS[smoothing.method](_Stretch(whole, trust, step), smoothing)[margin : margin + count]
    return done if is_even else interpolated(done, even, times)


def _handy(count: int) -> int:
    """The next number with no prime factor above 5: spectra of so many samples are fast."""
    while True:
        rest = count
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return count
        count += 1


@dataclass(frozen=True)
class _Stretch:
    """What a filter works on: N even samples, enough of them at both ends to settle in.

    Attributes:
        tracks: N frames.
        trust: (N,) confidence, 0..1.
        step_s: from one sample to the next.
    """

    tracks: Tracks
    trust: Array
    step_s: float

    @property
    def hz(self) -> Array:
        """(F,) the frequencies of the spectrum."""
        return filters.frequencies(len(self.tracks), self.step_s)

    def lost(self, cutoff_hz: float) -> Array:
        """1 - the Gaussian's response (F,), exact where that is nearly 1."""
        return -np.expm1(-filters.gaussian_exponent(self.hz, cutoff_hz, self.step_s))

    def reference(self, cutoff_hz: float) -> Tracks:
        """The low-passed tracks (a Gaussian) to measure all else from.

        Of rotations it is the chordal mean, the nearest rotation to the mean of the quaternions, which of rotations
        about one axis at a steady rate is the rotation itself.
        """
        response = filters.gaussian(self.hz, cutoff_hz, self.step_s)
        turns = filters.filtered(self.tracks.turns, response)
        length = np.linalg.norm(turns, axis=-1, keepdims=True)
        # Where a body spins so fast that nothing is left of the mean, it is its own reference.
        turns = np.where(length > 1e-3, turns / np.maximum(length, 1e-3), self.tracks.turns)
        return Tracks(turns, filters.filtered(self.tracks.places, response))


def _relative(lost: Array, reference_lost: Array) -> Array:
    """The response (F,) on what is left after a reference that makes one of the tracks themselves.

    With the reference's response L and the wanted F, what is left is (1 - L) of the tracks, so that
    L + G (1 - L) = F asks for G = 1 - (1 - F) / (1 - L).

    Args:
        lost: (F,) 1 - F.
        reference_lost: (F,) 1 - L.
    """
    gain = 1.0 - lost / np.maximum(reference_lost, 1e-300)
    gain[0] = gain[1]
    return gain


def _linear(stretch: _Stretch, smoothing: Smoothing) -> Tracks:
    """By a fixed response, in the tangent space of the Gaussian of the same cutoff."""
    hz, cutoff, step = stretch.hz, smoothing.cutoff_hz, stretch.step_s
    reference = stretch.reference(cutoff)
    if smoothing.method == "gaussian":
        return reference
    response = {"butterworth": filters.butterworth, "savitzky_golay": filters.savitzky_golay}[smoothing.method]
    gain = _relative(1.0 - response(hz, cutoff, step), stretch.lost(cutoff))
    return reference.moved(filters.filtered(stretch.tracks.since(reference), gain))


_EURO_RATE_HZ = 2.0
_EURO_PER_RAD, _EURO_PER_M = 0.4, 1.2
"""How much of itself the cutoff grows by, for each rad/s or m/s, where all fast motion is kept."""
_OCTAVES_BELOW = 4.0


def _one_euro(stretch: _Stretch, smoothing: Smoothing) -> Tracks:
    """The One-Euro filter (Casiez et al. 2012) run both ways: its cutoff grows with the speed.

    It works on what a reference two octaves lower leaves, which at the cutoff is all but everything.
    """
    tracks, hz = stretch.tracks, stretch.hz
    steps = tracks.steps() / stretch.step_s
    rates = (np.concatenate([steps[:1], steps]) + np.concatenate([steps, steps[-1:]])) / 2
    speeds = np.linalg.norm(filters.filtered(rates, filters.gaussian(hz, _EURO_RATE_HZ, stretch.step_s)), axis=-1)
    growth = np.repeat([_EURO_PER_RAD, _EURO_PER_M], [tracks.turns.shape[1], tracks.places.shape[1]])
    cutoffs = smoothing.cutoff_hz * (1.0 + smoothing.keep_fast * growth * speeds)
    reference = stretch.reference(smoothing.cutoff_hz / _OCTAVES_BELOW)
    return reference.moved(filters.following(tracks.since(reference), cutoffs, stretch.step_s))


_LEAST_TRUST = 0.4
"""Confidence below which the cutoff begins to sink, down to half of itself."""
_NOISE_FROM = 0.7
"""Of the highest frequency there is: what is seen above it is taken for noise."""
_NOISE_S, _MOTION_S = 0.5, 0.15
"""Standard deviations of the windows in time in which noise and motion are measured."""
_REDNESS = 1.2
"""Landmarks' noise has the more energy the slower it is: as measured, it falls with this power of the frequency."""
_WIDTH_S_HZ = float(np.sqrt(np.log(2.0)) / (2 * np.pi))
"""Standard deviation of a Gaussian in time, times its cutoff."""


def _adaptive(stretch: _Stretch, smoothing: Smoothing) -> Tracks:
    """Smooth below the cutoff; above it, what stands out from the noise: octave by octave, moment by moment.

    The octaves are differences of Butterworth filters. Each is kept by the share of it that is no noise (Wiener's gain
    1 - N / E, used locally as by Lee 1980): E is its energy over some frames, N that of noise as strong as what is seen
    near the highest frequency, where bodies hardly move, and stronger where confidence is low. A higher octave is never
    kept more than a lower one, so the result is a mean of what such filters give, and overshoots no more than they do.
    """
    hz, lowest = stretch.hz, smoothing.cutoff_hz / 2
    cutoffs = [smoothing.cutoff_hz]
    while cutoffs[-1] * stretch.step_s < 0.25:
        cutoffs.append(2 * cutoffs[-1])
    reference, lost = stretch.reference(lowest), stretch.lost(lowest)
    passed = [_relative(filters.butterworth_lost(hz, cutoff, stretch.step_s), lost) for cutoff in cutoffs]
    gains = np.diff([np.zeros_like(hz), *passed, np.ones_like(hz)], axis=0)
    spectrum = filters.spectrum(stretch.tracks.since(reference))
    noise = _noise(stretch, spectrum)
    share = _calmed(np.clip(stretch.trust[:, None] / _LEAST_TRUST, 0.0, 1.0), stretch, _MOTION_S)
    moved = np.zeros(())
    for number, gain in enumerate(gains):
        octave = filters.part(spectrum, gain, len(stretch.tracks))
        if number > 0:
            energy = _calmed(np.sum(octave**2, axis=2), stretch, _MOTION_S)
            response = (gain * lost) ** 2
            middle = np.sum(hz * response) / np.sum(response)
            expected = noise * np.mean(response) * (_NOISE_FROM * hz[-1] / middle) ** _REDNESS
            share = np.minimum(share, _stands_out(energy, expected, smoothing.keep_fast))
        moved = moved + share[..., None] * octave
    return reference.moved(moved)


def _stands_out(energy: Array, noise: Array, keep_fast: float) -> Array:
    """The share of motion in an energy, 0..1; the less is to be kept, the higher it must tower above the noise."""
    if keep_fast <= 0.0:
        return np.zeros_like(energy)
    return np.clip(1.0 - noise / keep_fast**2 / np.maximum(energy, 1e-18), 0.0, 1.0)


def _noise(stretch: _Stretch, spectrum: Array) -> Array:
    """The variance (N, C) per sample of the noise of each channel around each moment, were it white.

    Args:
        stretch: what is filtered.
        spectrum: (C, 3, F) of what is left of it after a reference without such high frequencies.
    """
    hz = stretch.hz
    high = 1.0 / (1.0 + (_NOISE_FROM * hz[-1] / np.maximum(hz, 1e-9)) ** 16)
    seen = np.sum(filters.part(spectrum, high, len(stretch.tracks)) ** 2, axis=2)
    trust = np.clip(stretch.trust, 0.05, 1.0)[:, None]
    return _calmed(seen, stretch, _NOISE_S) / np.mean(high**2) * (np.median(trust) / trust) ** 2


def _calmed(values: Array, stretch: _Stretch, width_s: float) -> Array:
    """The Gaussian mean over time of values (N, C) that are not negative, and of which none becomes so."""
    return np.maximum(
        filters.filtered(values, filters.gaussian(stretch.hz, _WIDTH_S_HZ / width_s, stretch.step_s)), 0.0
    )


_FILTERS = {
    "adaptive": _adaptive,
    "gaussian": _linear,
    "butterworth": _linear,
    "savitzky_golay": _linear,
    "one_euro": _one_euro,
}
