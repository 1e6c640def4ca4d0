# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Clean-up settings by name: what to begin with for a kind of work."""

from __future__ import annotations

from dataclasses import replace

from .settings import RAW, Cleanup, Feet, Root, Smoothing

LIGHT = Cleanup(Smoothing(cutoff_hz=7.0), Feet(strength=0.7, correct_root=0.3))
GAME = Cleanup(root=Root(mode="ground"))
FILM = Cleanup(Smoothing(cutoff_hz=3.5))

PRESETS = {"raw": RAW, "light": LIGHT, "game": GAME, "film": FILM}
"""What to begin with:

``raw`` changes nothing: to compare with, and to clean by hand.
``light`` takes out jitter that is seen at once and most of the sliding, and leaves the rest of the performance alone:
for sports, fights, and whoever adds their own animation on top.
``game`` holds feet wholly and keeps quick gestures crisp; the armature walks, the pelvis moves within it, as engines
want a root.
``film`` holds feet as well and is the calmest: for what is looked at closely.
"""


def with_preset(settings: Cleanup, preset: Cleanup) -> Cleanup:
    """The settings with what a preset is about: what is true of one clip only stays.

    That is where the camera stood, who was how tall, where the feet stand, and which way everybody looks.
    """
    root = replace(settings.root, mode=preset.root.mode, lock_height=preset.root.lock_height)
    feet = replace(preset.feet, contacts=settings.feet.contacts)
    return replace(settings, smoothing=preset.smoothing, feet=feet, root=root)
