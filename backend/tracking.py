# SPDX-License-Identifier: MIT
"""People over time: who is seen where in each frame, under the same number from the first frame to the last.

Each person is followed by the region their own landmarks ask for, as MediaPipe does for one; the detector looks for new
people now and then, and for lost ones where they should come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, Protocol

import numpy as np

from backend.crops import REGION_SCALE, Region, region_of_body, whole_image
from backend.detection import Detection
from backend.identity import SAME_BODY, SIZE_RATIO, Memory, Sighting
from backend.landmarks import BODY_COUNT, CENTRE, TOP, Landmarks
from backend.one_euro import OneEuro
from vibe_blender.contract.quaternions import Array

SEARCH_EVERY = 10
"""Frames between two looks for new people while somebody is followed."""
KEEP_LOST_S = 10.0
MAX_LOST = 8

_MIN_SCORE = 0.5
_LIKELY = 0.5
_FILTER = (0.01, 10.0)
_LOOK_FOR_LOST_S = 1.0
_NEAR = 0.6
_BESIDE = 2.0
_DOUBT = 0.6
_MIN_SIZE_PX = 16.0
_SIDE_OF_SEARCH = 2.0
_REMEMBERED = ("hips_px", "velocity_px_s", "size_px", "colour")
_TRUNK, _KNEES = (11, 12, 23, 24), (25, 26)


class Detector(Protocol):
    """Finds people in a picture."""

    def detect(self, image_rgb: np.ndarray, region: Region | None = None) -> list[Detection]:
        """The people in the picture, or in an upright square of it, the surest first."""


class LandmarkReader(Protocol):
    """Reads the landmarks of one person."""

    def read(self, image_rgb: np.ndarray, region: Region, mirrored: bool = False) -> Landmarks:
        """What is seen in a region, or in its mirror image."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One person in one frame.

    Attributes:
        person: number from 1, the same over the whole video.
        region: where the person was looked for.
        landmarks: the reading of the region; None where only a box is known.
        mirrored: the reading of its mirror image, turned back; None where none was asked for.
        box: (4,) centre x, y, width, height, pixels, where the user gave one that is to be taken as it is.
    """

    person: int
    region: Region
    landmarks: Landmarks | None
    mirrored: Landmarks | None
    box: Array | None = None

    def extent(self) -> Array:
        """(4,) centre x, y, width, height, pixels: the given box, or else the landmarks likely in the picture."""
        if self.box is not None:
            return self.box
        assert self.landmarks is not None
        points = self.landmarks.image_px[:BODY_COUNT]
        likely = points[self.landmarks.presence[:BODY_COUNT] > _LIKELY]
        points = likely if len(likely) > 2 else points
        low, high = points.min(axis=0), points.max(axis=0)
        return np.concatenate([(low + high) / 2, high - low])


@dataclass(slots=True)
class _Track:
    """Somebody followed or lost; below 0 a bystander, known only so that nobody wanted is mistaken for them."""

    person: int
    memory: Memory
    region: Region
    smooth: OneEuro


def _recorded(track: _Track) -> dict[str, Any]:
    memory, region = track.memory, track.region
    return {
        "person": track.person,
        "memory": [float(memory.time_s), *(np.asarray(getattr(memory, name)).tolist() for name in _REMEMBERED)],
        "region": [region.centre_px.tolist(), float(region.side_px), float(region.rotation_rad)],
        "smooth": track.smooth.record(),
    }


def _recalled(record: dict[str, Any]) -> _Track:
    time_s, hips_px, velocity_px_s, size_px, colour = record["memory"]
    memory = Memory(time_s, np.array(hips_px), np.array(velocity_px_s), size_px, np.array(colour))
    centre_px, side_px, rotation_rad = record["region"]
    smooth = OneEuro(*_FILTER)
    smooth.recall(record["smooth"])
    return _Track(record["person"], memory, Region(np.array(centre_px), side_px, rotation_rad), smooth)


class PeopleTracker:
    """Follows the people of a video frame by frame; its memory does not grow with the video."""

    def __init__(
        self,
        detector: Detector,
        landmark_model: LandmarkReader,
        *,
        people: Literal["all"] | int = "all",
        mirror: bool = True,
    ) -> None:
        self._detector = detector
        self._reader = landmark_model
        self._wanted = people
        self._mirror = mirror
        self._followed: list[_Track] = []
        self._lost: list[_Track] = []
        self._next_person = 1
        self._next_search = 0

    def update(self, frame_index: int, time_s: float, image_rgb: np.ndarray) -> list[Observation]:
        """The people seen in the next frame, by number.

        Args:
            frame_index: number of the frame, growing.
            time_s: its presentation time in seconds, growing.
            image_rgb: (H, W, 3) uint8.
        """
        seen = self._follow(image_rgb)
        self._part(time_s, seen)
        self._dismiss(time_s, seen)
        for found in self._look(frame_index, time_s, image_rgb, list(seen.values())):
            self._welcome(time_s, found, seen)
        self._remember(time_s, seen)
        return [
            Observation(
                person,
                sighting.region,
                sighting.landmarks,
                self._reader.read(image_rgb, sighting.region, True) if self._mirror else None,
            )
            for person, sighting in sorted(seen.items())
            if person > 0
        ]

    def record(self) -> dict[str, Any]:
        """All that the tracker knows, as JSON values: one that recalls it goes on exactly as this one would."""
        return {
            "next_person": self._next_person,
            "next_search": self._next_search,
            "followed": [_recorded(track) for track in self._followed],
            "lost": [_recorded(track) for track in self._lost],
        }

    def recall(self, record: dict[str, Any]) -> None:
        """Goes on where the tracker that gave this ``record`` was."""
        self._next_person, self._next_search = record["next_person"], record["next_search"]
        self._followed = [_recalled(item) for item in record["followed"]]
        self._lost = [_recalled(item) for item in record["lost"]]

    def _follow(self, image_rgb: np.ndarray) -> dict[int, Sighting]:
        """What is read in every followed person's region, by person; who is not there any more is lost."""
        seen = {}
        for track in self._followed:
            landmarks = self._reader.read(image_rgb, track.region)
            if landmarks.score > _MIN_SCORE and _inside(image_rgb, landmarks):
                seen[track.person] = Sighting.of(image_rgb, track.region, landmarks)
        self._lose([track for track in self._followed if track.person not in seen])
        return seen

    def _part(self, time_s: float, seen: dict[int, Sighting]) -> None:
        """One body for each person: settles who it is where two are read at one place or have changed places."""
        for a, b in combinations([track for track in self._followed if track.person in seen], 2):
            if a.person not in seen or b.person not in seen:
                continue
            one, other = seen[a.person], seen[b.person]
            if one.distance(other) < SAME_BODY:
                hidden = a if a.memory.misfit(time_s, one) > b.memory.misfit(time_s, other) else b
            else:
                # How much better a sighting shows the other one's clothes than those of the person it stands for.
                doubt_a = a.memory.stranger(one) - b.memory.stranger(one)
                doubt_b = b.memory.stranger(other) - a.memory.stranger(other)
                if min(doubt_a, doubt_b) > _DOUBT:
                    a.person, b.person, a.memory, b.memory = b.person, a.person, b.memory, a.memory
                    seen[a.person], seen[b.person] = one, other
                    continue
                if max(doubt_a, doubt_b) < _DOUBT or not _near(one, other):
                    continue
                hidden = a if doubt_a > doubt_b else b
            del seen[hidden.person]
        self._lose([track for track in self._followed if track.person not in seen])

    def _look(self, frame_index: int, time_s: float, image_rgb: np.ndarray, known: list[Sighting]) -> list[Sighting]:
        """Bodies nobody is followed at, the largest first."""
        alone = not known
        found: list[Sighting] = []
        for place in self._places(frame_index, time_s, image_rgb):
            for detection in self._detector.detect(image_rgb, place):
                if any(_explains(sighting, detection) for sighting in known + found):
                    continue
                region = detection.region()
                sighting = Sighting.of(image_rgb, region, self._reader.read(image_rgb, region))
                if not _is_person(image_rgb, sighting, strict=not alone or bool(found)):
                    continue
                if all(sighting.distance(other) >= SAME_BODY for other in known + found):
                    found.append(sighting)
        return sorted(found, key=lambda sighting: -sighting.size_px)

    def _places(self, frame_index: int, time_s: float, image_rgb: np.ndarray) -> list[Region]:
        """Squares to search in this frame; each costs one run of the detector."""
        room = self._has_room()
        if frame_index >= self._next_search:
            self._next_search = frame_index + SEARCH_EVERY
            return [whole_image(image_rgb), *(_squares(image_rgb) if room else [])]
        if not room:
            return []
        places = [] if any(track.person > 0 for track in self._followed) else [whole_image(image_rgb)]
        height, width = image_rgb.shape[:2]
        for track in self._lost:
            centre = track.memory.place(time_s)
            inside = (centre >= 0).all() and (centre < (width, height)).all()
            if inside and track.person > 0 and time_s - track.memory.time_s < _LOOK_FOR_LOST_S:
                places.append(Region(centre, _SIDE_OF_SEARCH * track.memory.size_px, 0.0))
        return places

    def _welcome(self, time_s: float, found: Sighting, seen: dict[int, Sighting]) -> None:
        """Follows a body from now on: as a person who was lost where one fits, else as a new one if there is room."""
        room = self._has_room()
        missed = [track for track in self._lost if room or track.person < 0]
        fits = min(missed, default=None, key=lambda track: track.memory.misfit(time_s, found))
        if fits is not None and fits.memory.misfit(time_s, found) < 1:
            self._lost.remove(fits)
            track = fits
            track.smooth = OneEuro(*_FILTER)
        elif room and not self._must_wait(time_s, found, seen):
            track = _Track(self._next_person, Memory.of(time_s, found), found.region, OneEuro(*_FILTER))
            self._next_person += 1
        elif not room and self._beside_somebody_wanted(time_s, found):
            lowest = min([0, *(track.person for track in self._followed + self._lost)])
            track = _Track(lowest - 1, Memory.of(time_s, found), found.region, OneEuro(*_FILTER))
        else:
            return
        self._followed.append(track)
        seen[track.person] = found

    def _has_room(self) -> bool:
        """Whether fewer people are followed than are wanted."""
        return self._wanted == "all" or sum(track.person > 0 for track in self._followed) < self._wanted

    def _beside_somebody_wanted(self, time_s: float, sighting: Sighting) -> bool:
        """Whether somebody wanted is, or was a moment ago, so near that the two may soon hide each other."""
        return any(
            np.linalg.norm(track.memory.place(time_s) - sighting.hips_px) < _BESIDE * track.memory.size_px
            for track in self._followed + self._lost
            if track.person > 0 and time_s - track.memory.time_s < _LOOK_FOR_LOST_S
        )

    def _dismiss(self, time_s: float, seen: dict[int, Sighting]) -> None:
        """Lets bystanders go who are beside nobody wanted any more."""
        for track in [track for track in self._followed if track.person < 0]:
            if not self._beside_somebody_wanted(time_s, seen[track.person]):
                self._followed.remove(track)
                del seen[track.person]

    def _must_wait(self, time_s: float, found: Sighting, seen: dict[int, Sighting]) -> bool:
        """Whether a body may yet turn out to be somebody who was lost a moment ago, so that it is no new person."""
        lost = [track for track in self._lost if track.person > 0]
        missing = [track.memory for track in lost if time_s - track.memory.time_s < _LOOK_FOR_LOST_S]
        if any(_near(found, other) for other in seen.values()):
            # Half hidden by somebody, it is not seen well enough to be told from the one who went behind them.
            return any(np.linalg.norm(memory.place(time_s) - found.hips_px) < memory.size_px for memory in missing)
        # A passer-by far behind must not take the place of who was wanted.
        return self._wanted != "all" and any(found.size_px * SIZE_RATIO < memory.size_px for memory in missing)

    def _remember(self, time_s: float, seen: dict[int, Sighting]) -> None:
        """Takes in what was seen, and where to look in the next frame."""
        for track in self._followed:
            sighting = seen[track.person]
            others = [other for person, other in seen.items() if person != track.person]
            track.memory.follow(time_s, sighting, alone=not any(_near(sighting, other) for other in others))
            # MediaPipe measures speed in sizes of the body as read, not as smoothed.
            points = sighting.landmarks.image_px[[CENTRE, TOP]]
            track.region = region_of_body(*track.smooth(time_s, points, sighting.size_px))
        self._lost = [track for track in self._lost if time_s - track.memory.time_s < KEEP_LOST_S][-MAX_LOST:]

    def _lose(self, tracks: list[_Track]) -> None:
        for track in tracks:
            self._followed.remove(track)
            self._lost.append(track)


def _near(one: Sighting, other: Sighting) -> bool:
    """Whether one body may hide part of the other."""
    return float(np.linalg.norm(one.hips_px - other.hips_px)) < _NEAR * max(one.size_px, other.size_px)


def _explains(known: Sighting, detection: Detection) -> bool:
    """Whether a detection is the known body again: hips and shoulders where that body has them."""
    points = known.landmarks.image_px
    gaps = detection.keypoints_px[[0, 2]] - (known.hips_px, points[list(_TRUNK[:2])].mean(0))
    return float(np.linalg.norm(gaps, axis=1).max()) < 0.2 * known.size_px


def _inside(image_rgb: np.ndarray, landmarks: Landmarks) -> bool:
    """Whether a quarter of the body is in the picture, and large enough to be one."""
    points = landmarks.image_px
    height, width = image_rgb.shape[:2]
    share = ((points >= 0) & (points < (width, height))).all(1).mean()
    return bool(share > 0.25 and landmarks.size_px > _MIN_SIZE_PX)


def _is_person(image_rgb: np.ndarray, sighting: Sighting, *, strict: bool) -> bool:
    """Whether what was read at a detection is a body; strictly, also one that the detector saw as the reader does."""
    landmarks = sighting.landmarks
    if landmarks.score <= _MIN_SCORE or not _inside(image_rgb, landmarks):
        return False
    if not strict:
        return True
    height = image_rgb.shape[0]
    knees = list(_KNEES)
    knees_seen = landmarks.visibility[knees].max() > 0.5 or landmarks.image_px[knees, 1].min() > height
    size = sighting.region.side_px / REGION_SCALE
    return bool(
        knees_seen
        and landmarks.visibility[list(_TRUNK)].min() > 0.5
        and 1 / SIZE_RATIO < sighting.size_px / size < SIZE_RATIO
        and np.linalg.norm(sighting.hips_px - sighting.region.centre_px) < 0.2 * size
    )


def _squares(image_rgb: np.ndarray) -> list[Region]:
    """Squares of the picture's short side, overlapping by half; none where the picture is nearly square itself."""
    height, width = image_rgb.shape[:2]
    short, long = sorted((height, width))
    if long < 1.3 * short:
        return []
    middles = np.linspace(short / 2, long - short / 2, round(np.ceil(2 * (long - short) / short)) + 1)
    return [
        Region(np.array([middle, height / 2] if width >= height else [width / 2, middle]), float(short), 0.0)
        for middle in middles
    ]
