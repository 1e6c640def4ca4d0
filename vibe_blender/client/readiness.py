# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend says of its estimators: which can be used here, which files they lack, what they can compute on."""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ..contract.errors import CaptureError
from .commands import Runner
from .process import PROGRAM_FOLDER, models_variable

ANSWER_SECONDS = 180.0
"""The first import of PyTorch from a slow disk, with a virus scanner looking on, takes a minute."""
_THERE = ("present", "verified")
# Not every word with a dot in it is an address: `vibe_data.zip` is none.
_ADDRESS = re.compile(r"\b(?:https?://)?((?:[\w-]+\.)+(?:com|org|net|edu|de|io)\b(?:/[\w./-]*\w)?)")


@dataclass(frozen=True)
class Question:
    """Whom to ask about what; two that are equal have the same answer unless somebody changed files meanwhile.

    Attributes:
        python: the backend's interpreter.
        models: the backend's own model files, None for its default.
        published: folder of the files that the user got from their authors, None where none is chosen.
    """

    python: Path
    models: Path | None
    published: Path | None


@dataclass(frozen=True)
class Estimator:
    """An estimator, and whether it can be used; ``reason`` and ``remedy`` are empty where it can."""

    name: str
    available: bool
    reason: str = ""
    remedy: str = ""

    @property
    def lacks_torch(self) -> bool:
        """Whether PyTorch is what stands in its way."""
        return self.reason.startswith("torch:")

    @property
    def lacks_files(self) -> bool:
        """Whether files that the user brings do."""
        return self.reason.startswith("published files:")


@dataclass(frozen=True)
class Device:
    """What an estimator can compute on: its name in a job, and a label."""

    name: str
    label: str


@dataclass(frozen=True)
class NeededFile:
    """A file that an estimator cannot do without.

    Attributes:
        name: as its authors call it.
        there: whether it was found.
        purpose, source, licence: what it does, where it is to be had, its kind of licence, in words.
    """

    name: str
    there: bool
    purpose: str
    source: str
    licence: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """The web addresses in ``source``."""
        return tuple(f"https://{address}" for address in _ADDRESS.findall(self.source))


@dataclass(frozen=True)
class Readiness:
    """The backend's answer: its estimators by name, the devices, and of each estimator the files it needs."""

    estimators: dict[str, Estimator]
    devices: tuple[Device, ...]
    files: dict[str, tuple[NeededFile, ...]] = field(default_factory=dict)

    def needed(self, *estimators: str) -> tuple[NeededFile, ...]:
        """The files that they need, each once."""
        return tuple(dict.fromkeys(file for name in estimators for file in self.files.get(name, ())))

    def missing(self, *estimators: str) -> tuple[NeededFile, ...]:
        """Those of them that are not there."""
        return tuple(file for file in self.needed(*estimators) if not file.there)


def ask(question: Question, cancelled: threading.Event, seconds: float = ANSWER_SECONDS) -> Readiness:
    """The backend's answer; takes seconds, because the backend imports PyTorch to see whether that works.

    Args:
        question: whom, and about what.
        cancelled: ends it at once.
        seconds: how long the backend may take.

    Raises:
        Stopped: it was cancelled.
        CaptureError: ``python_missing``, ``backend_silent`` or ``backend_faulty``.
    """
    with tempfile.TemporaryFile() as log:
        asked = _Asked(question, Runner(question.python, log, cancelled), log, cancelled, time.monotonic() + seconds)
        try:
            diagnosis = asked.answer("doctor", "--json")
            listed = asked.answer("models", "list", "--json")
            return Readiness(
                {str(each["name"]): _estimator(each) for each in diagnosis["estimators"]},
                tuple(Device(str(each["name"]), str(each["label"])) for each in diagnosis["devices"]),
                {name: _needed(listed, name) for name in dict.fromkeys(str(each["estimator"]) for each in listed)},
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CaptureError(
                "backend_faulty", f"The backend gives no answer: {asked.last_words()}", "Check and repair it."
            ) from error


@dataclass(frozen=True)
class _Asked:
    """A backend that is being asked."""

    question: Question
    runner: Runner
    log: IO[bytes]
    cancelled: threading.Event
    deadline: float

    def answer(self, *words: str) -> Any:
        """What a command of the backend says in JSON; ``ValueError`` where that is none."""
        published = self.question.published
        folder = ("--models", published) if published is not None else ()
        ended = self.runner.run(
            (self.question.python, "-E", "-s", "-X", "utf8", "-m", "backend", *words, *folder),
            idle=self._mind_the_time,
            folder=PROGRAM_FOLDER,
            settings=models_variable(self.question.models),
            errors_apart=True,
        )
        return json.loads("\n".join(ended.lines))

    def last_words(self) -> str:
        """The last line that the backend wrote."""
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else ""

    def _mind_the_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise CaptureError("backend_silent", "The backend does not answer.", "Look again, or check and repair it.")


def _estimator(said: dict[str, Any]) -> Estimator:
    return Estimator(str(said["name"]), bool(said["available"]), str(said["reason"]), str(said["remedy"]))


def _needed(listed: list[dict[str, Any]], estimator: str) -> tuple[NeededFile, ...]:
    return tuple(
        NeededFile(
            name=str(each["name"]),
            there=each["state"] in _THERE,
            purpose=str(each["purpose"]),
            source=str(each["source"]),
            licence=str(each["licence"]),
        )
        for each in listed
        if each["estimator"] == estimator and each["needed"]
    )
