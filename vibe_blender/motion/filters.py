# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Low-pass filters without lag for evenly spaced samples: all leave 1/sqrt(2) of a sine at their cutoff (-3 dB).

The linear ones are their frequency responses, real and even, which is what running a filter both ways amounts to.
"""

from __future__ import annotations

import numpy as np

from ..contract.quaternions import Array

_HALF_POWER = float(np.sqrt(0.5))
_NEGLIGIBLE = 1e-12


def frequencies(count: int, step_s: float) -> Array:
    """The frequencies in Hz (F,) of the spectrum of so many samples."""
    return np.fft.rfftfreq(count, step_s)


def filtered(values: Array, response: Array) -> Array:
    """Values (N, ...) with each frequency times its response (F,); they should be prolonged at both ends."""
    return part(spectrum(values), response, len(values))


def spectrum(values: Array) -> Array:
    """The spectrum (..., F) of values (N, ...): time goes last, where it lies together, which is twice as fast."""
    return np.fft.rfft(np.ascontiguousarray(np.moveaxis(values, 0, -1)))


def part(spectrum: Array, response: Array, count: int) -> Array:
    """The N = ``count`` values (N, ...) of a spectrum (..., F) with each frequency times its response (F,)."""
    return np.moveaxis(np.fft.irfft(spectrum * response, count), -1, 0)


def gaussian(hz: Array, cutoff_hz: float, step_s: float) -> Array:
    """The response (F,) of a Gaussian window: its discrete analogue (Lindeberg 1990), which is nowhere negative.

    A mean with such weights never leaves the range of what it is a mean of.
    """
    return np.exp(-gaussian_exponent(hz, cutoff_hz, step_s))


def gaussian_exponent(hz: Array, cutoff_hz: float, step_s: float) -> Array:
    """What the Gaussian's response (F,) is the exponential of, negated: small where all but nothing is lost."""
    turns = cutoff_hz * step_s
    width = np.sin(np.pi * min(turns, 0.5)) * max(2 * turns, 1.0)
    return 0.5 * np.log(2.0) * (np.sin(np.pi * hz * step_s) / width) ** 2


def butterworth(hz: Array, cutoff_hz: float, step_s: float) -> Array:
    """The response (F,) of a second-order Butterworth filter run forth and back (bilinear transform)."""
    return 1.0 - butterworth_lost(hz, cutoff_hz, step_s)


def butterworth_lost(hz: Array, cutoff_hz: float, step_s: float) -> Array:
    """1 - the Butterworth filter's response (F,), exact where that is nearly 1."""
    if cutoff_hz * step_s >= 0.5:
        return np.zeros_like(hz)
    ratio = np.tan(np.pi * np.minimum(hz * step_s, 0.5 - 1e-9)) / np.tan(np.pi * cutoff_hz * step_s)
    rest = (np.sqrt(2.0) - 1.0) * ratio**4
    return rest / (1.0 + rest)


def savitzky_golay(hz: Array, cutoff_hz: float, step_s: float) -> Array:
    """The response (F,) of a cubic fitted to a window of frames (Savitzky and Golay 1964).

    A window has whole frames, so the two next to the cutoff are mixed; that, too, leaves every cubic as it is.
    """
    half = 1
    narrow, wide = 1.0, _cubic(np.array([cutoff_hz]), 2, step_s)[0]
    while wide > _HALF_POWER and half < 0.5 / step_s / cutoff_hz * 4:
        half += 1
        narrow, wide = wide, _cubic(np.array([cutoff_hz]), half + 1, step_s)[0]
    if cutoff_hz * step_s >= 0.5 or wide > _HALF_POWER:
        return np.ones_like(hz)
    share = (narrow - _HALF_POWER) / (narrow - wide)
    return (1 - share) * _cubic(hz, half, step_s) + share * _cubic(hz, half + 1, step_s)


def _cubic(hz: Array, half: int, step_s: float) -> Array:
    """The response of a cubic through ``2 half + 1`` frames, taken in the middle."""
    away = np.arange(-half, half + 1.0)
    if half == 1:
        return np.ones_like(hz)
    weights = 3 * (3 * half**2 + 3 * half - 1 - 5 * away**2) / ((2 * half + 3) * (2 * half + 1) * (2 * half - 1))
    return np.cos(2 * np.pi * step_s * hz[:, None] * away) @ weights


def following(values: Array, cutoff_hz: Array, step_s: float) -> Array:
    """Values (N, C, 3) that follow with a cutoff (N, C) that may change: an exponential mean, both ways, averaged."""
    keep = _kept(cutoff_hz, step_s)
    forth = _exponential_mean(values, keep)
    back = _exponential_mean(values[::-1], keep[::-1])[::-1]
    return (forth + back) / 2


def _kept(cutoff_hz: Array, step_s: float) -> Array:
    """What an exponential mean keeps of itself at each sample, so that both ways, averaged, are at -3 dB at the cutoff.

    Both ways have the real part of ``(1 - r) / (1 - r exp(-iw))``; set to sqrt(1/2), that is a quadratic in r.
    """
    turns = np.asarray(cutoff_hz, float) * step_s
    cosine = np.cos(2 * np.pi * np.minimum(turns, 0.5))
    root2 = np.sqrt(2.0)
    a, b, c = root2 * cosine - 1, 2 * cosine - root2 * (1 + cosine), root2 - 1
    # The smaller root, in the form that does not divide by a, which may be 0.
    kept = 2 * c / (-b + np.sqrt(np.maximum(b * b - 4 * a * c, 0.0)))
    return kept / np.maximum(2 * turns, 1.0)


def _exponential_mean(values: Array, keep: Array) -> Array:
    """``y[t] = keep[t] y[t-1] + (1 - keep[t]) x[t]``, all at once: pairs, then pairs of pairs (Hillis, Steele 1986)."""
    mean, weight = (1 - keep)[..., None] * values, np.array(keep)
    mean[0] = values[0]
    weight[0] = 0.0
    reach = 1
    while reach < len(values) and weight[reach:].max(initial=0.0) > _NEGLIGIBLE:
        mean[reach:] = mean[reach:] + weight[reach:, :, None] * mean[:-reach]
        weight[reach:] = weight[reach:] * weight[:-reach]
        reach *= 2
    return mean
