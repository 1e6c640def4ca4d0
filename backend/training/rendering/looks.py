# SPDX-License-Identifier: MIT
"""How things look: clothes, floors, furniture, light and faults of pictures, drawn by lot."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""Linear red, green, blue."""

PLAIN, STRIPES, CHECKS, DOTS, NOISE, BRICKS = PATTERNS = ("plain", "stripes", "checks", "dots", "noise", "bricks")
ROOM, OPEN, BACKDROP = "room", "open", "backdrop"
_SKINS = ((0.78, 0.53, 0.41), (0.62, 0.38, 0.27), (0.45, 0.25, 0.16), (0.25, 0.13, 0.08), (0.10, 0.05, 0.03))
_HAIRS = ((0.01, 0.008, 0.007), (0.05, 0.025, 0.012), (0.16, 0.08, 0.035), (0.45, 0.28, 0.11), (0.30, 0.28, 0.26))


@dataclass(frozen=True)
class Finish:
    """What a surface looks like.

    Attributes:
        pattern: one of ``PATTERNS``.
        colours: two that the pattern is of.
        scale: of the pattern, per metre.
        turn: radians, of the pattern.
        uneven: how much brighter and darker it is in places, 0..1.
        grain: seed of the pattern's own noise.
    """

    pattern: str
    colours: tuple[Colour, Colour]
    scale: float
    turn: float
    uneven: float
    grain: int


@dataclass(frozen=True)
class Look:
    """A person's body and clothes.

    Attributes:
        betas: ten, of the mannequin.
        sleeve_m: how far from the middle the sleeves reach in T-pose.
        legs_m: how low the trousers reach, from the body's origin.
        hem_m: how low the shirt reaches.
        loose_m: how far shirt, trousers, shoes and hair stand off.
        folds: random numbers of the clothes' unevenness.
        finishes: by the name of the mannequin's material.
    """

    betas: tuple[float, ...]
    sleeve_m: float
    legs_m: float
    hem_m: float
    loose_m: dict[str, float]
    folds: tuple[float, ...]
    finishes: dict[str, Finish]


@dataclass(frozen=True)
class Light:
    """Sun, sky and a lamp.

    Attributes:
        sun: strength; 0 for none.
        sun_turn: radians, elevation from above and heading.
        sun_angle: radians, how large it is.
        sky: strength.
        sky_colours: at the horizon and above.
        lamp: watts; 0 for none.
        lamp_place: metres, from the person.
        colour: of sun and lamp.
        exposure: stops.
    """

    sun: float
    sun_turn: tuple[float, float]
    sun_angle: float
    sky: float
    sky_colours: tuple[Colour, Colour]
    lamp: float
    lamp_place: tuple[float, float, float]
    colour: Colour
    exposure: float


@dataclass(frozen=True)
class Surroundings:
    """What is behind people.

    Attributes:
        kind: ``room``: floor and two walls; ``open``: floor and sky; ``backdrop``: floor and a picture or pattern.
        floor: the floor's.
        walls: the walls', or the backdrop's.
        picture: file of the backdrop; empty for a pattern.
        distance: metres, of walls and backdrop from the person.
    """

    kind: str
    floor: Finish
    walls: Finish
    picture: str
    distance: float


@dataclass(frozen=True)
class Faults:
    """What cameras and videos do to pictures.

    Attributes:
        blur_px: of the lens.
        noise: of the sensor, 0..1.
        gain: of red, green and blue.
        gamma: of all.
        shrink: to how much of its size the picture was once reduced.
        quality: of JPEG, 1..100, 0 for none.
    """

    blur_px: float
    noise: float
    gain: Colour
    gamma: float
    shrink: float
    quality: int


CLEAN = Faults(0.0, 0.0, (1.0, 1.0, 1.0), 1.0, 1.0, 0)


_WHITE = 1.1
"""What cameras make of white."""


def draw_look(random: np.random.Generator) -> Look:
    """A person's body and clothes."""
    betas = np.clip(random.normal(0, 1.0, 10), -2.5, 2.5)
    tone = float(random.uniform(0, len(_SKINS) - 1))
    low = min(int(tone), len(_SKINS) - 2)
    skin = _mixed(_SKINS[low], _SKINS[low + 1], tone - low, random)
    hair = _mixed(_HAIRS[random.integers(len(_HAIRS))], _random_colour(random), random.uniform(0, 0.12), random)
    bald = random.random() < 0.08
    shirt, trousers = _cloth(random), _cloth(random, calm=0.65)
    if random.random() < 0.12:
        trousers = shirt
    leather = skin if random.random() < 0.08 else _random_colour(random)
    shoes = Finish(PLAIN, (leather, leather), 20.0, 0.0, 0.1, _grain(random))
    plain_skin = Finish(NOISE, (skin, _darker(skin, 0.9)), 15.0, 0.0, 0.04, _grain(random))
    lips = _mixed(skin, (0.4, 0.06, 0.06), random.uniform(0.2, 0.6), random)
    return Look(
        betas=tuple(float(beta) for beta in betas),
        sleeve_m=float(random.choice([0.20, 0.30, 0.34, 0.42, 0.56, 0.69], p=[0.08, 0.12, 0.3, 0.1, 0.1, 0.3])),
        legs_m=float(random.choice([-0.50, -0.62, -0.70, -0.95, -1.2], p=[0.08, 0.12, 0.1, 0.1, 0.6])),
        hem_m=float(random.choice([-0.2, -0.28, -0.36, -0.45, -0.62], p=[0.25, 0.3, 0.25, 0.12, 0.08])),
        loose_m={
            "shirt": random.uniform(0.003, 0.024), "trousers": random.uniform(0.003, 0.020),
            "shoes": random.uniform(0.003, 0.009), "hair": 0.0 if bald else float(random.uniform(0.004, 0.030)),
        },
        folds=tuple(float(value) for value in random.uniform(0, 2 * np.pi, 12)),
        finishes={
            "skin": plain_skin, "shirt": shirt, "trousers": trousers, "shoes": shoes,
            "hair": plain_skin if bald else Finish(NOISE, (hair, _darker(hair, 0.6)), 60.0, 0.0, 0.3, _grain(random)),
            "eyes": Finish(PLAIN, ((0.02, 0.015, 0.01),) * 2, 20.0, 0.0, 0.0, 0),
            "lips": Finish(PLAIN, (lips, lips), 20.0, 0.0, 0.0, 0),
        },
    )  # fmt: skip


def _cloth(random: np.random.Generator, calm: float = 0.4) -> Finish:
    first, second = _random_colour(random), _random_colour(random)
    kind = PLAIN if random.random() < calm else str(random.choice([STRIPES, CHECKS, DOTS, NOISE]))
    if random.random() < 0.5:
        second = _darker(first, random.uniform(0.3, 0.8))
    return Finish(
        kind, (first, second), float(np.exp(random.uniform(np.log(6), np.log(45)))),
        float(random.choice([0.0, np.pi / 2, np.pi / 4])), random.uniform(0.05, 0.35), _grain(random),
    )  # fmt: skip


def draw_finish(random: np.random.Generator, size: float = 1.0) -> Finish:
    """The surface of a floor, a wall or a piece of furniture.

    Args:
        random: for all choices.
        size: of what is seen of it, metres.
    """
    colour = _random_colour(random, vivid=0.45)
    other = _darker(colour, random.uniform(0.4, 1.2)) if random.random() < 0.75 else _random_colour(random, vivid=0.6)
    kind = str(random.choice(PATTERNS, p=[0.22, 0.13, 0.15, 0.05, 0.3, 0.15]))
    scale = float(np.exp(random.uniform(np.log(0.6), np.log(12)))) / size
    return Finish(kind, (colour, other), scale, random.uniform(0, np.pi), random.uniform(0, 0.4), _grain(random))


def draw_light(random: np.random.Generator, kind: str) -> Light:
    """The light of surroundings of a kind."""
    warm = np.clip(random.normal(0, 0.5), -1, 1)
    colour = (1.0, 1.0 - 0.12 * abs(warm), 1.0 - 0.3 * warm) if warm > 0 else (1.0 + 0.25 * warm, 1.0 + 0.1 * warm, 1.0)
    sunny = random.random() < (0.7 if kind == OPEN else 0.35)
    place = random.uniform([-3, -3, 1.5], [3, 3, 3.5])
    horizon = _mixed((0.75, 0.8, 0.9), _random_colour(random), random.uniform(0, 0.35), random)
    above = _mixed((0.25, 0.42, 0.8), _random_colour(random), random.uniform(0, 0.5), random)
    sun = float(random.uniform(1.0, 5.0)) if sunny else 0.0
    lamp = 0.0 if sunny else float(random.uniform(40, 300))  # two of them would double the noise of few samples
    strength = float(np.exp(random.uniform(np.log(0.5), np.log(1.4))))
    # What a white wall would shine with, about: cameras set themselves to that.
    received = (
        0.6 * strength * float(np.mean([horizon, above])) + 0.6 * sun / np.pi + lamp / np.pi**2 / float(place @ place)
    )
    return Light(
        sun=sun,
        sun_turn=(float(random.uniform(0.1, 1.25)), float(random.uniform(0, 2 * np.pi))),
        sun_angle=float(random.uniform(0.005, 0.2)),
        sky=strength,
        sky_colours=(horizon, above),
        lamp=lamp,
        lamp_place=(float(place[0]), float(place[1]), float(place[2])),
        colour=tuple(float(value) for value in colour),  # type: ignore[arg-type]
        exposure=float(random.normal(0, 0.35) - np.log2(received / _WHITE)),
    )


def draw_surroundings(random: np.random.Generator, pictures: tuple[str, ...]) -> Surroundings:
    """What is behind people; more often one of the pictures, where there are any."""
    weights = [0.25, 0.15, 0.6] if pictures else [0.45, 0.3, 0.25]
    kind = str(random.choice([ROOM, OPEN, BACKDROP], p=weights))
    picture = pictures[random.integers(len(pictures))] if pictures and kind == BACKDROP else ""
    return Surroundings(kind, draw_finish(random), draw_finish(random), picture, float(random.uniform(1.5, 6.0)))


def draw_faults(random: np.random.Generator) -> Faults:
    """What a camera and its video's compression do."""
    gain = np.exp(random.normal(0, 0.06, 3))
    return Faults(
        blur_px=float(max(0.0, random.normal(0.3, 0.5))),
        noise=float(np.exp(random.uniform(np.log(0.003), np.log(0.05)))),
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        gamma=float(np.exp(random.normal(0, 0.15))),
        shrink=float(random.choice([1.0, random.uniform(0.4, 1.0)])),
        quality=int(random.integers(22, 90)),
    )


def _grain(random: np.random.Generator) -> int:
    return int(random.integers(1 << 31))


def _random_colour(random: np.random.Generator, vivid: float = 1.0) -> Colour:
    value = random.uniform(0.1, 0.97)
    red, green, blue = colorsys.hsv_to_rgb(random.random(), vivid * random.uniform(0, 1) ** 1.3, value)
    return (red**2.2, green**2.2, blue**2.2)


def _darker(colour: Colour, amount: float) -> Colour:
    return (colour[0] * amount, colour[1] * amount, colour[2] * amount)


def _mixed(first: Colour, second: Colour, share: float, random: np.random.Generator) -> Colour:
    mixed = (1 - share) * np.array(first) + share * np.array(second)
    mixed = np.clip(mixed * np.exp(random.normal(0, 0.08, 3)), 0, 1)
    return (float(mixed[0]), float(mixed[1]), float(mixed[2]))
