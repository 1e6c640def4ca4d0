# SPDX-License-Identifier: MIT
"""A dataset as it was downloaded becomes a clip archive: the part that is the same for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.flow import Flow, FlowMethod, flow_of
from backend.person_crops import Features, cut_out, square_around
from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from vibe_blender.contract.errors import CaptureError

from .choices import keep_choices, sums_of
from .pictures import cut_surroundings
from .raw_files import Origin
from .tracks import Track, thinned

BATCH = 64


class Encoder(Protocol):
    """An image encoder."""

    @property
    def name(self) -> Features:
        """Which one."""

    def encode(self, crops: NDArray[np.uint8]) -> NDArray[np.float16]:
        """(B, 2048) features of crops (B, 224, 224, 3) RGB."""


@dataclass(frozen=True)
class Options:
    """What to prepare.

    Attributes:
        split: of the dataset, empty for its first.
        limit: so many recordings only; None for all.
        shortest: sequences of fewer frames are left out.
        fps: thin sequences to about so many frames per second; None keeps all.
        images: keep each person's surroundings.
        body: folder with SMPL's files, for joints that only its skin tells; None without.
        networks: files that the encoder and the flow were read from: what others make is not added to the same archive.
    """

    split: str = ""
    limit: int | None = None
    shortest: int = 16
    fps: float | None = None
    images: bool = False
    body: Path | None = None
    networks: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Recording:
    """One file or folder of a dataset.

    Attributes:
        name: unique in the dataset and not the beginning of a longer path of another.
        read: its people, a track each; the names of tracks are the recording's, or begin with it and a slash.
    """

    name: str
    read: Callable[[], Iterable[Track]]


class Lister(Protocol):
    """Finds the recordings of a split."""

    def __call__(self, raw: Path, split: str, options: Options) -> Sequence[Recording]:
        """In an order that is the same each time.

        Raises:
            CaptureError: ``dataset_missing`` or ``dataset_broken``.
        """


@dataclass(frozen=True)
class Dataset:
    """A dataset that can be prepared.

    Attributes:
        name: on the command line and in archives.
        origin: where it comes from.
        splits: by name, the first one if none is asked for.
        columns: that its archives have, besides features and pictures.
        recordings: lists what there is of a split.
        pictures: whether there are any.
    """

    name: str
    origin: Origin
    splits: tuple[str, ...]
    columns: tuple[str, ...]
    recordings: Lister
    pictures: bool = True


@dataclass(frozen=True)
class Progress:
    """How far the preparation is: recordings, of how many, and frames so far."""

    done: int
    total: int
    frames: int


def prepare(
    dataset: Dataset,
    raw: Path,
    out: Path,
    options: Options,
    encoder: Encoder | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    flow: FlowMethod | None = None,
) -> ClipArchive:
    """The finished archive; what was interrupted goes on after the last whole sequence.

    Args:
        dataset: to be prepared.
        raw: folder of the dataset as downloaded.
        out: folder of the archive.
        options: what to prepare.
        encoder: makes features; None for none.
        progress: told after each recording.
        flow: finds flow; None for none.

    Raises:
        CaptureError: ``dataset_missing``, ``dataset_broken``, ``dataset_empty``, ``split_unknown``, ``no_pictures``,
            ``package_missing``, or as of ``ArchiveWriter``.
    """
    split = options.split or dataset.splits[0]
    if split not in dataset.splits:
        raise CaptureError(
            "split_unknown", f"{dataset.name} has no split {split!r}.", f"There are: {', '.join(dataset.splits)}."
        )
    if not dataset.pictures and (options.images or encoder is not None or flow is not None):
        raise CaptureError(
            "no_pictures", f"{dataset.origin.title} has no pictures.", "Leave --features, --flow and --images away."
        )
    recordings = list(dataset.recordings(raw, split, options))[: options.limit]
    writer = _writer(dataset, split, out, options, encoder, flow)
    begun = _begun(recordings, writer.done)
    frames = sum(sequence.count for sequence in writer.sequences)
    for number, recording in enumerate(recordings):
        if number >= begun:
            for track in _wanted(recording, options):
                if track.name not in writer.done:
                    frames += _add(writer, track, options, encoder, flow)
        progress(Progress(number + 1, len(recordings), frames))
    if not writer.sequences:
        raise CaptureError(
            "dataset_empty",
            f"{raw} has no sequence of at least {options.shortest} usable frames of {split}.",
            "Ask for shorter ones with --shortest, or for more recordings.",
        )
    return writer.finish()


def _writer(
    dataset: Dataset, split: str, out: Path, options: Options, encoder: Encoder | None, flow: FlowMethod | None
) -> ArchiveWriter:
    """The archive, begun or gone on with; refused where it was begun with other choices."""
    columns = dataset.columns
    columns += ("features",) if encoder is not None else ()
    columns += ("flow",) if flow is not None else ()
    columns += ("pictures", "picture_boxes") if options.images else ()
    facts = Facts(dataset.name, split, dataset.origin.terms)
    writer = ArchiveWriter(out, facts if encoder is None else replace(facts, features=encoder.name), columns)
    chosen = {
        name: None if value is None else str(value) for name, value in asdict(replace(options, limit=None)).items()
    }
    chosen["networks"] = sums_of(options.networks)
    keep_choices(writer, chosen if flow is None else {**chosen, "flow": flow.name})
    return writer


def _begun(recordings: Sequence[Recording], done: frozenset[str]) -> int:
    """The number of the last recording of which there is a sequence; all before it are done."""
    for number in range(len(recordings) - 1, 0, -1):
        name = recordings[number].name
        own = re.compile(rf"{re.escape(name)}(/.*| from \d+)?")
        if any(own.fullmatch(other) for other in done):
            return number
    return 0


def _wanted(recording: Recording, options: Options) -> Iterator[Track]:
    for track in recording.read():
        thin = thinned(track, options.fps)
        if len(thin) >= max(1, options.shortest):
            yield thin


def _add(
    writer: ArchiveWriter, track: Track, options: Options, encoder: Encoder | None, flow: FlowMethod | None
) -> int:
    """Appends a track with what is asked for of its pictures; how many frames it has."""
    arrays, jpegs = dict(track.arrays), None
    if track.pictures is not None and (options.images or encoder is not None or flow is not None):
        made = _from_pictures(track, options, encoder, flow)
        if encoder is not None:
            arrays["features"] = np.concatenate(made.features)
        if flow is not None:
            arrays["flow"] = np.concatenate(made.flow)
        if options.images:
            arrays["picture_boxes"], jpegs = np.stack(made.places), made.jpegs
    writer.add(track.name, track.fps, arrays, jpegs)
    return len(track)


@dataclass(frozen=True)
class _Made:
    """What pictures became.

    Attributes:
        features: in batches.
        flow: in batches.
        jpegs: people's surroundings.
        places: (4,) what each of these shows.
    """

    features: list[NDArray[np.float16]]
    flow: list[Flow]
    jpegs: list[bytes]
    places: list[NDArray[np.float32]]


def _from_pictures(track: Track, options: Options, encoder: Encoder | None, flow: FlowMethod | None) -> _Made:
    """What is asked for of a track's pictures, which are read once."""
    assert track.pictures is not None
    made = _Made([], [], [], [])
    crops: list[NDArray[np.uint8]] = []
    before: list[NDArray[np.uint8] | None] = []
    last: NDArray[np.uint8] | None = None

    def encode() -> None:
        if encoder is not None:
            made.features.append(encoder.encode(np.stack(crops)))
        if flow is not None:
            pairs = [None if old is None else (now, old) for now, old in zip(crops, before, strict=True)]
            made.flow.append(flow_of(pairs, flow))
        crops.clear()
        before.clear()

    for picture, box in zip(track.pictures.read(), track.arrays["boxes"], strict=True):
        if options.images:
            jpeg, place = cut_surroundings(picture, box)
            made.jpegs.append(jpeg)
            made.places.append(place)
        if encoder is not None or flow is not None:
            square = square_around(box)
            crops.append(cut_out(picture, square))
        if flow is not None:
            before.append(None if last is None else cut_out(last, square))
            last = picture
        if len(crops) == BATCH:
            encode()
    if crops:
        encode()
    return made
