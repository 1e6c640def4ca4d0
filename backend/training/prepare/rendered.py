# SPDX-License-Identifier: MIT
"""Our own dataset: the mannequin in clothes, moving by anybody's motions, filmed by Blender, with exact labels.

Scenes are drawn by lot from a seed: the same options make the same archive on one machine, however many workers there
are and wherever it was interrupted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.body.smpl import JOINTS49
from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from backend.training.rendering.motions import MotionFile, find_motions, read_exclusions, usable_runs
from backend.training.rendering.plans import REFUSED, RENDERED, Job, Part, Plan, Shot
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES

from .preparing import Progress

TERMS = (
    "Made by this program with the CC0 mannequin: as free as the motions and the background pictures that went into it."
)
COLUMNS = (
    "joints2d", "joints3d", "rotations", "betas", "boxes", "intrinsics", "contacts", "frames", "pictures",
    "picture_boxes",
)  # fmt: skip
_CHOICES = "prepared.json"
_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_LIKE = {45: "right_hip", 46: "left_hip", 47: "neck", 49: "pelvis"}
"""As in ``training.bodies``, whose joints these have to be."""
_CROWN = 48
_LINES_KEPT = 20
_AHEAD = 2
"""Scenes that each worker may be ahead of the archive."""


@dataclass(frozen=True)
class RenderOptions:
    """What to render.

    Attributes:
        scenes: how many; one of several people makes several sequences, one in which nobody is seen none.
        frames: of each scene.
        fps: frames per second, about: motions are thinned, never filled up.
        seed: of everything that is drawn by lot.
        split: a word for the archive, such as ``train``; part of the seed.
        only: patterns of motions' names, one of which has to match; none for all.
        exclude: file of motions, or frames of them, that must not be shown (``rendering.motions.read_exclusions``).
        people: at most, in a scene.
        crowded: share of scenes with more than one person.
        occluders: share of scenes with things in front of people.
        blurred: share of scenes with motion blur.
        spoiled: share of scenes with noise, blur and compression.
        backgrounds: folder of pictures to be backdrops; None for patterns only.
        picture_px: longest side of pictures.
        samples: of light, per pixel.
        shortest: sequences of fewer frames are left out.
        workers: how many programs render at once; 0 for as many as there are cores.
    """

    scenes: int = 1000
    frames: int = 64
    fps: float = 30.0
    seed: int = 0
    split: str = "train"
    only: tuple[str, ...] = ()
    exclude: Path | None = None
    people: int = 3
    crowded: float = 0.25
    occluders: float = 0.35
    blurred: float = 0.4
    spoiled: float = 0.7
    backgrounds: Path | None = None
    picture_px: int = 256
    samples: int = 4
    shortest: int = 16
    workers: int = 0


def prepare_rendered(
    motions: Path, out: Path, options: RenderOptions, progress: Callable[[Progress], None] = lambda _: None
) -> ClipArchive:
    """The finished archive; what was interrupted goes on after the last whole sequence.

    Args:
        motions: folder of motions as AMASS has them.
        out: folder of the archive.
        options: what to render.
        progress: told after each scene.

    Raises:
        CaptureError: ``bpy_missing``, ``dataset_missing``, ``dataset_broken``, ``dataset_empty``, ``bad_exclusions``,
            ``rendering_failed``, or as of ``ArchiveWriter``.
        ValueError: options that make no sense.
    """
    _check(options)
    plans = plan_scenes(find_motions(motions, options.only), read_exclusions(options.exclude), options)
    if not plans:
        raise CaptureError(
            "dataset_empty", f"No motion in {motions} has {options.frames} frames that may be shown.",
            "Render shorter scenes, or exclude less.",
        )  # fmt: skip
    shot = _shot(options)
    writer = ArchiveWriter(out, Facts("rendered", options.split, TERMS, "mannequin"), COLUMNS)
    _note_choices(out, options, motions)
    begun = max((int(name.partition("/")[0]) for name in writer.done), default=0)
    frames = sum(sequence.count for sequence in writer.sequences)
    wanted = [plan for plan in plans if plan.number >= begun]
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(shot, plan, str(Path(folder) / f"{plan.name}.npz")) for plan in wanted]
        workers = min(options.workers or os.cpu_count() or 1, len(jobs))
        for job in _rendered(jobs, workers):
            frames += _take_over(writer, job)
            progress(Progress(job.plan.number + 1, len(plans), frames))
    if not writer.sequences:
        raise CaptureError(
            "dataset_empty", "In no scene a person is seen for long enough.", "Render more, or longer, scenes."
        )
    return writer.finish()


def plan_scenes(
    motions: Sequence[MotionFile], excluded: Mapping[str, list[tuple[int, int]]], options: RenderOptions
) -> list[Plan]:
    """Which motions each scene shows; none where no motion is long enough.

    Args:
        motions: that there are.
        excluded: frames that must not be shown, by the motions' names.
        options: how many, and how long.
    """
    usable = []
    for motion in motions:
        stride = max(1, round(motion.fps / options.fps))
        runs = usable_runs(motion, excluded, (options.frames - 1) * stride + 1)
        if runs:
            usable.append((motion, stride, runs))
    plans = []
    for number in range(options.scenes if usable else 0):
        random = np.random.default_rng([options.seed, *options.split.encode(), number])
        crowd = options.people > 1 and random.random() < options.crowded
        count = int(random.integers(2, options.people + 1)) if crowd else 1
        parts, fps = [], options.fps
        for person in range(count):
            motion, stride, runs = usable[random.integers(len(usable))]
            first, end = runs[random.integers(len(runs))]
            latest = end - (options.frames - 1) * stride - 1
            parts.append(Part(str(motion.path), int(random.integers(first, latest + 1)), stride))
            fps = motion.fps / stride if person == 0 else fps
        plans.append(Plan(number, options.frames, fps, tuple(parts)))
    return plans


def joint_places() -> tuple[int, ...]:
    """Of each of the 49 joints, the one of the mannequin's 24 or its crown (24), -1 for none."""
    return tuple(
        place if place < JOINT_COUNT
        else JOINT_COUNT if place == _CROWN
        else JOINT_NAMES.index(_LIKE[place]) if place in _LIKE else -1
        for _, place in JOINTS49
    )  # fmt: skip


def render_options(choices: Mapping[str, Any], numbers: Sequence[str]) -> RenderOptions:
    """Options of what was typed.

    Args:
        choices: by name; None for what is not chosen.
        numbers: more of them, ``NAME=NUMBER`` each.

    Raises:
        CaptureError: ``bad_option``.
    """
    options = replace(RenderOptions(), **{name: value for name, value in choices.items() if value is not None})
    kinds = {field.name: type(getattr(options, field.name)) for field in fields(options)}
    known = [name for name, kind in kinds.items() if kind in (int, float)]
    for text in numbers:
        name, _, number = text.partition("=")
        try:
            options = replace(options, **{known[known.index(name)]: kinds[name](number)})
            _check_ranges(options)
        except ValueError as error:
            raise CaptureError(
                "bad_option", f"{text!r} sets nothing.", f"Write NAME=NUMBER, of {', '.join(known)}."
            ) from error
    return options


def _check_ranges(options: RenderOptions) -> None:
    shares = (options.crowded, options.occluders, options.blurred, options.spoiled)
    whole = (options.scenes, options.frames, options.people, options.picture_px, options.samples, options.shortest)
    if min(whole) < 1 or not all(0.0 <= share <= 1.0 for share in shares) or not 1.0 <= options.fps <= 1000.0:
        raise ValueError(f"{options}")
    if options.seed < 0 or options.workers < 0:
        raise ValueError(f"{options}")


def _check(options: RenderOptions) -> None:
    _check_ranges(options)
    if importlib.util.find_spec("bpy") is None:
        raise CaptureError(
            "bpy_missing", "Rendering needs Blender as a Python package, bpy, which is not installed.",
            "Install `vibe-for-blender[blender]` with pip.",
        )  # fmt: skip


def _shot(options: RenderOptions) -> Shot:
    pictures: list[Path] = []
    if options.backgrounds is not None:
        if not options.backgrounds.is_dir():
            raise CaptureError(
                "dataset_missing", f"There is no folder {options.backgrounds}.", "Name a folder of pictures."
            )
        pictures = [path for path in options.backgrounds.rglob("*") if path.suffix.lower() in _PICTURES]
    seed = int.from_bytes(options.split.encode()[:8], "little") ^ options.seed
    return Shot(
        body=str(resources.files("vibe_blender") / "assets" / "mannequin.npz"), seed=seed, places=joint_places(),
        picture_px=options.picture_px, samples=options.samples, shortest=options.shortest,
        pictures=tuple(str(path.resolve()) for path in sorted(pictures)), occluders=options.occluders,
        blurred=options.blurred, spoiled=options.spoiled,
    )  # fmt: skip


def _note_choices(out: Path, options: RenderOptions, motions: Path) -> None:
    """Refuses to go on with an archive that was begun with other options."""
    chosen = {name: None if value is None else str(value) for name, value in asdict(options).items()}
    chosen["motions"] = motions.name
    del chosen["workers"]
    path = out / _CHOICES
    try:
        before: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else chosen
    except ValueError:  # cut off while it was written, and so before anything else
        before = chosen
    if before != chosen:
        raise CaptureError(
            "archive_other", f"{out} was begun with other options.", "Use the same ones, or choose another name."
        )
    path.write_text(json.dumps(chosen), encoding="utf-8")


def _take_over(writer: ArchiveWriter, job: Job) -> int:
    """Appends the people of a rendered scene that are not there yet; how many frames they have."""
    frames = 0
    with np.load(job.target, allow_pickle=False) as held:
        for number, name in enumerate(held["names"].tolist()):
            if name in writer.done:
                continue
            arrays: dict[str, NDArray[Any]] = {
                column: held[f"{number} {column}"] for column in COLUMNS if column != "pictures"
            }
            lengths, data = held[f"{number} lengths"], held[f"{number} bytes"].tobytes()
            ends = np.cumsum(lengths).tolist()
            jpegs = [data[end - length : end] for end, length in zip(ends, lengths.tolist(), strict=True)]
            writer.add(name, job.plan.fps, arrays, jpegs)
            frames += len(jpegs)
    Path(job.target).unlink()
    return frames


def _rendered(jobs: Sequence[Job], workers: int) -> Iterator[Job]:
    """The jobs in their order, each when its file is there.

    Raises:
        CaptureError: ``rendering_failed``.
    """
    news: SimpleQueue[tuple[_Worker, int | CaptureError]] = SimpleQueue()
    places = {job.plan.number: place for place, job in enumerate(jobs)}
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(_Worker(news)) for _ in range(workers)]
        finished: set[int] = set()
        begun = given = 0
        while given < len(jobs):
            while idle and begun < len(jobs) and begun < given + workers * (1 + _AHEAD):
                idle.pop().begin(jobs[begun])
                begun += 1
            worker, number = news.get()
            if isinstance(number, CaptureError):
                raise number
            idle.append(worker)
            finished.add(places[number])
            while given in finished:
                yield jobs[given]
                given += 1


class _Worker:
    """A program that renders, one scene after another; killed when it is left."""

    def __init__(self, news: SimpleQueue[tuple[_Worker, int | CaptureError]]) -> None:
        self._news = news
        self._said: deque[bytes] = deque(maxlen=_LINES_KEPT)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backend.training.rendering"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, env=environment, cwd=Path(__file__).resolve().parents[3],
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, name="renderer", daemon=True)

    def __enter__(self) -> _Worker:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stderr):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def begin(self, job: Job) -> None:
        """Hands a job over; the news come through the queue."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone: the listener says so
            self._process.stdin.write((job.to_line() + "\n").encode())
            self._process.stdin.flush()

    def _failure(self) -> CaptureError:
        """The error for a worker that ended."""
        lines = b"".join(self._said).decode("utf-8", "replace").strip().splitlines()
        said = lines[-1] if lines else "it said nothing"
        return CaptureError(
            "rendering_failed", f"A renderer ended early: {said.rstrip('.')}.",
            "Try again: it goes on after the last whole sequence. With fewer workers it takes less memory.",
        )  # fmt: skip

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            word, _, rest = line.decode("utf-8", "replace").partition(" ")
            if word == RENDERED:
                self._news.put((self, int(rest)))
            elif word == REFUSED:
                self._news.put((self, CaptureError(*json.loads(rest))))
            else:
                self._said.append(line)
        self._news.put((self, self._failure()))
