# SPDX-License-Identifier: MIT
"""What differs from estimator to estimator in a capture: whom it watches with what, and how that becomes motion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from backend import models
from backend.body.marks import MarkedBody, mannequin_marks, smpl_marks
from backend.body.model import load as load_body
from backend.boxes import BoxedPeople
from backend.detection import PersonDetector
from backend.estimators.encodings import Encodings
from backend.estimators.estimate import Estimate
from backend.estimators.keypoints import Evidence, KeypointEstimator
from backend.estimators.words import Said
from backend.landmarks import LandmarkModel
from backend.packages import require_package
from backend.recording import Recording
from backend.tracking import Observation, PeopleTracker
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Job
from vibe_blender.contract.terms import NAMES

if TYPE_CHECKING:
    from backend.estimators.vibe import CropReader, VibeReader, WordsEstimator
    from backend.estimators.windowed import WindowReader

Done = Callable[[int], None]

_STRETCH, _STRETCH_ON_GPU = 30, 120
_PREVIEW_ITERATIONS = 2


class People(Protocol):
    """Whatever knows who is where in a frame."""

    def update(self, frame_index: int, time_s: float, image_rgb: np.ndarray) -> list[Observation]:
        """The people seen in the next frame."""

    def record(self) -> dict[str, Any]:
        """All that it knows, as JSON values."""

    def recall(self, record: dict[str, Any]) -> None:
        """Goes on where the one that gave this ``record`` was."""


class Road(Protocol):
    """One estimator's part in a capture.

    Attributes:
        body: the body model of its betas.
        marks: that body, as landmarks see it.
        spoken: whether a network speaks of every frame while the video is read.
        stretch: frames between two writes of the take; a crash costs no more than these.
        looks_back: whether it asks how pictures move.
    """

    body: str
    marks: MarkedBody
    spoken: bool
    stretch: int
    looks_back: bool

    @property
    def device(self) -> str:
        """Where it runs now."""

    def settings(self) -> dict[str, Any]:
        """What must be the same for what was read earlier to go together with what is read now."""

    def record(self) -> dict[str, Any]:
        """What it has to know to go on with its capture, as JSON values; nothing where that is nothing."""

    def recall(self, record: dict[str, Any]) -> None:
        """Goes on where the one that gave this ``record`` was."""

    def look_back(self, picture: np.ndarray, people: Sequence[int]) -> None:
        """Shows the picture before the first one, where a capture goes on, and says who was seen in it."""

    def see(self, picture: np.ndarray, seen: Sequence[Observation]) -> None:
        """Looks at the people of the next picture (H, W, 3) uint8 RGB."""

    def settle(self, recording: Recording) -> None:
        """Puts what it has to say of everything it has seen into the recording; waits for it."""

    def news(self) -> list[str]:
        """Sentences the user should read, each told once."""

    def readings(self, recording: Recording, person: int, frames: slice) -> Any:
        """What its estimates are made of, for some of the frames in which a person was seen."""

    def rough(self, readings: Any) -> Estimate:
        """An estimate, soon."""

    def estimate(self, readings: Any, progress: Done) -> Estimate:
        """The estimate; ``progress``, told how many frames are done, may raise to stop."""

    def close(self) -> None:
        """Lets go of what it holds."""


class KeypointRoad:
    """The default: landmarks, and geometry."""

    body, device, spoken, stretch, looks_back = "mannequin", "cpu", False, _STRETCH, False

    def __init__(self, job: Job, focal_px: float, centre_px: np.ndarray) -> None:
        """Prepares for a camera of this focal length and principal point (2,)."""
        body = load_body(Path(str(resources.files("vibe_blender") / "assets" / "mannequin.npz")))
        self.marks = mannequin_marks(body)
        self._estimator = KeypointEstimator(body, focal_px, centre_px, job.height_m)

    def settings(self) -> dict[str, Any]:
        """Nothing that is not every estimator's."""
        return {}

    def record(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def recall(self, record: dict[str, Any]) -> None:
        """Nothing to do."""

    def look_back(self, picture: np.ndarray, people: Sequence[int]) -> None:
        """Nothing to do."""

    def see(self, picture: np.ndarray, seen: Sequence[Observation]) -> None:
        """Nothing: the landmarks are all it needs."""

    def settle(self, recording: Recording) -> None:
        """Nothing to say."""

    def news(self) -> list[str]:
        """None."""
        return []

    def readings(self, recording: Recording, person: int, frames: slice) -> Evidence:
        """A person's landmarks."""
        return recording.evidence(person, frames)

    def rough(self, readings: Evidence) -> Estimate:
        """A fit that stops early."""
        return self._estimator.estimate(readings, iterations=_PREVIEW_ITERATIONS)

    def estimate(self, readings: Evidence, progress: Done) -> Estimate:
        """The fit of a whole clip."""
        return self._estimator.estimate(readings, progress=progress)

    def close(self) -> None:
        """Nothing to let go of."""


class _NetworkRoad:
    """What the roads of the networks have in common, which need torch."""

    body, spoken, looks_back = "smpl", True, False

    def __init__(self, reader: CropReader, marks: MarkedBody, job: Job) -> None:
        self._crops, self.marks, self._job = reader, marks, job
        self.stretch = _STRETCH if self.device == "cpu" else _STRETCH_ON_GPU

    @property
    def device(self) -> str:
        """Where the networks are."""
        return str(self._crops.encoder.device)

    def settings(self) -> dict[str, Any]:
        """The estimator, and what changes what its networks make of pictures."""
        # Landmarks in given boxes are read only where the motion shall be refined: all frames have them, or none.
        landmarks = {"refine": True} if self._job.boxes and self._job.refine else {}
        own = {}
        if self._job.network:
            with Path(self._job.network).open("rb") as file:
                own["network"] = hashlib.file_digest(file, "sha256").hexdigest()
        return {"estimator": self._job.estimator, "compat": self._job.compat, **own, **landmarks}

    def record(self) -> dict[str, Any]:
        """Whether half the precision is enough, so that a resumed capture says the same."""
        return {"half": self._crops.encoder.half, "device": self._crops.encoder.device.type}

    def recall(self, record: dict[str, Any]) -> None:
        """Goes on with that precision; another device has its own half of it."""
        encoder = self._crops.encoder
        if not record["half"] or record.get("device") == encoder.device.type:
            encoder.half = record["half"]

    def look_back(self, picture: np.ndarray, people: Sequence[int]) -> None:
        """Nothing to do."""

    def see(self, picture: np.ndarray, seen: Sequence[Observation]) -> None:
        """Shows them to the networks."""
        given = [one if one.box is None else replace(one, landmarks=None) for one in seen]  # boxes are taken as given
        self._crops.see(picture, given)

    def news(self) -> list[str]:
        """Where the networks had to move to."""
        told, self._crops.encoder.warnings = self._crops.encoder.warnings, []
        return told

    def close(self) -> None:
        """Ends the networks' thread."""
        self._crops.close()


class VibeRoad(_NetworkRoad):
    """VIBE: an image network and a recurrent one, which speaks of every frame as soon as it has seen it."""

    def __init__(self, reader: VibeReader, estimator: WordsEstimator, marks: MarkedBody, job: Job) -> None:
        """Prepares with networks that are loaded."""
        super().__init__(reader, marks, job)
        self._reader, self._estimator = reader, estimator

    def settings(self) -> dict[str, Any]:
        """Also what changes its words, which are not said again."""
        return {**super().settings(), "chunk": self._job.chunk}

    def settle(self, recording: Recording) -> None:
        """What the networks say."""
        for spoken in self._reader.settle(recording.remembered):
            recording.say(spoken)

    def readings(self, recording: Recording, person: int, frames: slice) -> Said:
        """What they said."""
        return recording.said(person, frames)

    def rough(self, readings: Said) -> Estimate:
        """What they said, as motion."""
        return self._estimator.estimate(readings)

    def estimate(self, readings: Said, progress: Done) -> Estimate:
        """What they said, as motion."""
        estimate = self._estimator.estimate(readings)
        progress(len(readings.frames))
        return estimate


class WindowRoad(_NetworkRoad):
    """A network that looks ahead: features are kept, and words come of them when a preview or the estimate is due.

    So the newest frames of a preview are said without those behind them, and said anew in the end.
    """

    def __init__(self, reader: WindowReader, estimator: WordsEstimator, marks: MarkedBody, job: Job) -> None:
        """Prepares with networks that are loaded."""
        super().__init__(reader, marks, job)
        self._reader, self._estimator = reader, estimator
        self._speaker = reader.speaker(job.slerp)
        self.looks_back = reader.network.reads_flow

    def look_back(self, picture: np.ndarray, people: Sequence[int]) -> None:
        """Shows it to the networks."""
        self._reader.look_back(picture, people)

    def settle(self, recording: Recording) -> None:
        """What the image network makes of everybody."""
        for encoded in self._reader.settle():
            recording.keep(encoded)

    def readings(self, recording: Recording, person: int, frames: slice) -> Encodings:
        """What it made of a person."""
        return recording.encodings(person, frames)

    def rough(self, readings: Encodings) -> Estimate:
        """What the network says of it so far, as motion."""
        return self._estimator.estimate(self._speaker.speak(readings))

    def estimate(self, readings: Encodings, progress: Done) -> Estimate:
        """What the network says of it, as motion."""
        return self._estimator.estimate(self._speaker.speak(readings, progress))


def device_of(job: Job) -> tuple[str, str]:
    """Where the job's estimator will run, and a warning, empty where there is nothing to warn of.

    Raises:
        CaptureError: ``torch_missing``.
    """
    if job.estimator == "keypoints":
        return "cpu", ""
    require_package("torch", NAMES[job.estimator])
    from backend.estimators.vibe import choose_device

    choice = choose_device(job.device)
    return str(choice.device), choice.warning


def open_people(job: Job) -> People:
    """Who is where, found or given.

    Raises:
        CaptureError: of a file or a folder that is not there, or not what it should be.
    """
    folder = Path(job.models) if job.models else None
    if folder is not None and not folder.is_dir():
        raise CaptureError(
            "no_such_folder", f"There is no folder {folder}.", "Name that of the model files, or leave out --models."
        )
    mirror = job.estimator == "keypoints" and not job.fast
    wanted: Literal["all"] | int = "all" if job.people == "all" else 1 if job.people == "largest" else int(job.people)
    if job.boxes and job.estimator != "keypoints" and not job.refine:
        return BoxedPeople(Path(job.boxes), None, people=wanted)
    reader = LandmarkModel(models.find(models.LANDMARK_NETWORK.name, folder), threads=2)
    if job.boxes:
        exact = job.estimator != "keypoints"
        return BoxedPeople(Path(job.boxes), reader, people=wanted, mirror=mirror, exact=exact)
    detector = PersonDetector(models.find(models.PERSON_DETECTOR.name, folder), threads=2)
    return PeopleTracker(detector, reader, people=wanted, mirror=mirror)


def open_road(job: Job, device: str, focal_px: float, centre_px: np.ndarray) -> Road:
    """The road of the job's estimator, its files read.

    Args:
        job: what and how.
        device: from ``device_of``.
        focal_px: focal length.
        centre_px: (2,) principal point.

    Raises:
        CaptureError: of a file that is missing or not what it should be.
    """
    if job.estimator == "keypoints":
        return KeypointRoad(job, focal_px, centre_px)
    import torch

    from backend.estimators.vibe import VibeReader, WordsEstimator, open_networks
    from backend.estimators.windowed import WindowReader, open_dts_vibe, open_tcmr

    folders, place = (*([Path(job.models)] if job.models else []), models.default_folder()), torch.device(device)
    own = Path(job.network) if job.network else None
    if job.estimator == "vibe":
        networks = open_networks(*folders, own=own)
        reader = VibeReader(networks, place, chunk=job.chunk, compat=job.compat)
        estimator = WordsEstimator(networks.body, focal_px, centre_px, job.height_m)
        return VibeRoad(reader, estimator, smpl_marks(networks.body), job)
    if job.estimator == "tcmr":
        windowed = open_tcmr(*folders, own=own, repeat_ends=job.compat)
    else:
        windowed = open_dts_vibe(*folders, own=Path(job.network))
    estimator = WordsEstimator(windowed.body, focal_px, centre_px, job.height_m)
    return WindowRoad(WindowReader(windowed, place, exact=job.compat), estimator, smpl_marks(windowed.body), job)
