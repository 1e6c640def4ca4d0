# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What can be set after a capture: an animation is always a function of its take and of these."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from ..contract.errors import CaptureError
from ..contract.quaternions import Array

Method = Literal["none", "adaptive", "gaussian", "savitzky_golay", "butterworth", "one_euro"]
Locking = Literal["off", "auto", "on"]
RootMode = Literal["full", "in_place", "line", "ground"]
METHODS, LOCKINGS, ROOT_MODES = (get_args(kind) for kind in (Method, Locking, RootMode))
FEET = ("left", "right")
PARTS = ("heel", "toe")
LAST_FRAME, FARTHEST_M = 2**31 - 1, 1e6
"""The highest number a frame can have, and how far from the world's origin a place can be along each axis."""


@dataclass(frozen=True)
class Strengths:
    """How much each region of the body is smoothed: 1 as the settings beside say, 0 not at all, 2 twice as slow."""

    root: float = 1.0
    spine: float = 1.0
    head: float = 1.0
    arms: float = 1.0
    hands: float = 1.0
    legs: float = 1.0
    feet: float = 1.0


@dataclass(frozen=True)
class Smoothing:
    """How jitter is taken out.

    Attributes:
        method: the filter.
        cutoff_hz: motion faster than so many cycles a second is taken out; there, half of the power is left (-3 dB).
        keep_fast: 0..1, how readily the filters that can tell it (adaptive, One-Euro) keep what is faster.
        strengths: by region.
        repair: whether single wild frames are mended first.
        fill_s: gaps in which the person was not seen are filled up to this length, seconds.
    """

    method: Method = "adaptive"
    cutoff_hz: float = 4.5
    keep_fast: float = 0.5
    strengths: Strengths = Strengths()
    repair: bool = True
    fill_s: float = 0.5


@dataclass(frozen=True)
class Contact:
    """A stretch of time in which a part of a foot stands.

    Attributes:
        foot: ``left`` or ``right``.
        part: ``heel`` or ``toe`` (the ball of the foot).
        first, last: video frame numbers, both included.

    Raises:
        CaptureError: ``bad_setting``, which names what is wrong.
    """

    foot: str
    part: str
    first: int
    last: int

    def __post_init__(self) -> None:
        _choice("foot", self.foot, FEET)
        _choice("part of a foot", self.part, PARTS)
        _frame("a contact", self.first)
        _frame("a contact", self.last)
        if self.first > self.last:
            raise CaptureError(
                "bad_setting",
                f"A contact from frame {self.first} to frame {self.last} ends before it begins.",
                "Give its first frame first.",
            )


@dataclass(frozen=True)
class Feet:
    """What feet that stand are held to.

    Attributes:
        lock: ``off`` for jumps, floor work, treadmills; ``auto`` is off for a person whose feet hardly ever stand;
            ``on`` holds every contact that is found.
        strength: 0..1, of everything that is done to feet, and to the path because of them.
        enter_m_s, leave_m_s: below this speed a part begins to stand, above this it leaves; it leaves earlier where it
            becomes much faster than it was while it stood.
        height_m: above the floor, below which it can stand.
        shortest_s: shorter contacts are none.
        ease_s: within so long before and after its contacts a foot is led there and back, all through a shorter swing.
        clamp: whether no foot may go below the floor.
        bend_toes: whether toes bend up that would be below the floor, as they do where the heel has left it.
        correct_root: 0..1, how much of what standing feet slide, float and cannot reach is given to the body's path.
        contacts: by person's id, where the user has edited them; otherwise they are found.
    """

    lock: Locking = "auto"
    strength: float = 1.0
    enter_m_s: float = 0.35
    leave_m_s: float = 0.7
    height_m: float = 0.06
    shortest_s: float = 0.1
    ease_s: float = 0.4
    clamp: bool = True
    bend_toes: bool = True
    correct_root: float = 1.0
    contacts: dict[int, tuple[Contact, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Anchor:
    """A frame in which it is known where the root is: drift between two of them is taken out evenly.

    Attributes:
        frame: video frame number.
        place: (3,) metres, the pelvis in the world before it is turned and scaled, so that an anchor holds when the
            heading and the scale are changed later.

    Raises:
        CaptureError: ``bad_setting``, which names what is wrong.
    """

    frame: int
    place: tuple[float, float, float]

    def __post_init__(self) -> None:
        _frame("an anchor", self.frame)
        for value in self.place:
            _between("place of an anchor", value, -FARTHEST_M, FARTHEST_M, "m")


@dataclass(frozen=True)
class Root:
    """What becomes of the path.

    Attributes:
        mode: ``full``; ``in_place`` without the way along the floor; ``line`` on the straight line nearest to it;
            ``ground`` as ``full``, but with the way along the floor on the armature and the rest on the pelvis.
        lock_height: whether the pelvis keeps its mean height.
        heading_rad: turns everybody, and the camera, about the vertical through the world's origin, counter-clockwise
            seen from above.
        scale: of everybody, of all ways and of where the camera is, seen from the world's origin.
        anchors: by person's id, at most one per frame.
    """

    mode: RootMode = "full"
    lock_height: bool = False
    heading_rad: float = 0.0
    scale: float = 1.0
    anchors: dict[int, tuple[Anchor, ...]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class CameraPath:
    """A camera that moved, known from elsewhere: animated, or solved by a motion tracker.

    Attributes:
        to_world: (N, 4, 4) rigid transforms, camera frame (x right, y down, z forward) to world, one a video frame of
            the take.
        focal_px: (N,) focal lengths.
        centre_px: (N, 2) principal points, image frame; None for the take's.
        scale: metres of one unit of the path's places; None where nobody knows, as of what a tracker solved: then it
            is the scale at which standing feet stand still.
    """

    to_world: Array
    focal_px: Array
    centre_px: Array | None = None
    scale: float | None = 1.0


@dataclass(frozen=True)
class View:
    """Where the camera that filmed stood, where that is known better than the capture could.

    Whatever is set, everybody stays where they are in the picture: people move with the camera. The world turns about
    the place on the floor where the first person begins.

    Attributes:
        focal_scale: the focal length over the one of the take; a moving camera has its own.
        pitch_rad: turned down by, in addition to what was found.
        roll_rad: turned clockwise by, as its operator sees it.
        height_m: raised by.
        path: a moving camera instead.
        refit_floor: whether the floor is found again below the feet that stand.
    """

    focal_scale: float = 1.0
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    height_m: float = 0.0
    path: CameraPath | None = None
    refit_floor: bool = False


@dataclass(frozen=True)
class Cleanup:
    """All of it; ``RAW`` changes nothing.

    Raises:
        CaptureError: ``bad_setting``, which names what is wrong.
    """

    smoothing: Smoothing = Smoothing()
    feet: Feet = Feet()
    root: Root = Root()
    view: View = View()

    def __post_init__(self) -> None:
        smoothing, feet, root, view = self.smoothing, self.feet, self.root, self.view
        _choice("smoothing method", smoothing.method, METHODS)
        _choice("foot lock", feet.lock, LOCKINGS)
        _choice("root mode", root.mode, ROOT_MODES)
        _between("cutoff", smoothing.cutoff_hz, 0.1, 1000.0, "Hz")
        _between("gap length", smoothing.fill_s, 0.0, 1000.0, "s")
        for name, value in vars(smoothing.strengths).items():
            _between(f"strength of {name}", value, 0.0, 10.0)
        for name, value in (
            ("kept fast motion", smoothing.keep_fast), ("foot lock strength", feet.strength),
            ("root correction", feet.correct_root),
        ):  # fmt: skip
            _between(name, value, 0.0, 1.0)
        _between("speed below which a foot stands", feet.enter_m_s, 0.0, feet.leave_m_s, "m/s")
        _between("speed above which a foot leaves", feet.leave_m_s, 0.0, 100.0, "m/s")
        _between("height below which a foot stands", feet.height_m, 0.0, 10.0, "m")
        _between("shortest contact", feet.shortest_s, 0.0, 100.0, "s")
        _between("ease of contacts", feet.ease_s, 0.0, 100.0, "s")
        _between("scale", root.scale, 1e-3, 1e3)
        _between("focal length over the take's", view.focal_scale, 1e-2, 1e2)
        for name, value in (("heading", root.heading_rad), ("pitch", view.pitch_rad), ("roll", view.roll_rad)):
            _between(name, value, -100.0, 100.0, "rad")
        _between("camera height", view.height_m, -1e4, 1e4, "m")


def _choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise CaptureError("bad_setting", f"There is no {name} {value!r}.", f"There are: {', '.join(known)}.")


def _frame(of: str, value: int) -> None:
    if not 0 <= value <= LAST_FRAME:
        raise CaptureError(
            "bad_setting", f"A frame {str(value)[:20]} of {of} makes no sense.", f"Give one from 0 to {LAST_FRAME}."
        )


def _between(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise CaptureError(
            "bad_setting",
            f"A {name} of {value:g}{unit and ' ' + unit} makes no sense.",
            f"Give one from {low:g} to {high:g}.",
        )


RAW = Cleanup(
    Smoothing(method="none", repair=False, fill_s=0.0),
    Feet(lock="off", clamp=False, bend_toes=False, correct_root=0.0),
)
