# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Clean-up settings by name: what to begin with for a kind of work."""

from __future__ import annotations

from dataclasses import replace

from .settings import RAW, Cleanup, Feet, Root, Smoothing

LIGHT = Cleanup(Smoothing(cutoff_hz=8.0, keep_fast=0.7), Feet(strength=0.7, correct_root=0.3))
GAME = Cleanup(Smoothing(cutoff_hz=6.0), root=Root(mode="ground"))
FILM = Cleanup()

PRESETS = {"raw": RAW, "light": LIGHT, "game": GAME, "film": FILM}
"""``raw`` changes nothing; ``light`` takes out the worst, ``film`` all of it; ``game`` moves the armature as well."""


def with_preset(settings: Cleanup, preset: Cleanup) -> Cleanup:
    """The settings with what a preset is about: what is true of one clip only stays.

    That is where the camera stood, who was how tall, where the feet stand, and which way everybody looks.
    """
    root = replace(settings.root, mode=preset.root.mode, lock_height=preset.root.lock_height)
    feet = replace(preset.feet, contacts=settings.feet.contacts)
    return replace(settings, smoothing=preset.smoothing, feet=feet, root=root)
