# SPDX-License-Identifier: MIT
"""How good a network is on clip archives, by the papers' protocol; after each epoch, and for ``vibe test``."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend import metrics
from backend.body.smpl import H36M_TO_J14
from backend.networks.regressor import Regressed
from backend.networks.resnet import ResNet50
from backend.own_networks import Generator

from .archive import ClipArchive
from .bodies import EVALUATED, BodyPoints, SkeletonBody, SmplBody
from .clips import ClipBatch, ClipDataset, collate, needs
from .networks import bodies_of, features_of, reads_flow
from .windows import Window, Windows

Body = SmplBody | SkeletonBody
Array = NDArray[np.float64]

JOINTS = 14
HIPS = (2, 3)
"""The right and the left one among the 14."""
_ALL = range(JOINTS)
_BATCH = 32
_APART = 1 << 40
"""More than any frame number: sequences never follow each other."""


@dataclass(frozen=True)
class Figures:
    """What was measured, of 14 joints: ankles, knees, hips, wrists, elbows, shoulders, neck, head top.

    NaN is a measure of nothing. ``docs/training.md`` defines each measure.

    Attributes:
        frames: that were measured.
        mpjpe_mm: mean distance of joints from the middle of the hips.
        pa_mpjpe_mm: after the best similarity transform of each frame.
        pve_mm: of the skin's vertices, from SMPL's origin; NaN where the body has no skin or the labels none.
        acceleration_mm_per_frame2: of what the network said.
        acceleration_error_mm_per_frame2: from the true one.
        jitter_10m_per_s3: third derivative of what the network said, from the middle of the hips.
    """

    frames: int
    mpjpe_mm: float
    pa_mpjpe_mm: float
    pve_mm: float
    acceleration_mm_per_frame2: float
    acceleration_error_mm_per_frame2: float
    jitter_10m_per_s3: float


@dataclass(frozen=True)
class Sample:
    """The first window of an archive, to be drawn.

    Attributes:
        archive: its name.
        said, true: (T, 14, 3) metres, camera axes.
    """

    archive: str
    said: Array
    true: Array


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
        archives: figures by the archive's name.
        mean: of all archives, each counting as much as every other; ``frames`` is their sum.
        samples: one of each archive.
    """

    archives: dict[str, Figures]
    mean: Figures
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class _Said:
    """All windows of an archive, one after another: N frames.

    Attributes:
        said, true: (N, 14, 3) metres, camera axes.
        known: (N, 14) which joints the truth has.
        frames: (N,) numbers that ascend; those of other sequences are far away.
        fps: (N,).
        pve_mm: mean over the frames with a skin, NaN where there are none.
    """

    said: Array
    true: Array
    known: metrics.Flags
    frames: NDArray[np.int64]
    fps: Array
    pve_mm: float


def measure(
    network: Generator, body: Body, archives: Sequence[ClipArchive], length: int, device: torch.device, *,
    encoder: ResNet50 | None = None, across_sequences: bool = False,
) -> Measured | None:  # fmt: skip
    """Figures of a network on archives; None where there are none.

    Frames of windows of ``length`` without overlap; what is left of a sequence after its last whole window is not
    read, as the papers have it. ``networks.bodies_of`` says which frames a network sees for each.

    Args:
        network: in evaluation mode, on the device.
        body: that gives joints of what it says, on the device.
        archives: with ``joints3d``, and ``features`` or, with an encoder, pictures.
        length: frames of a window (T).
        device: where the network is.
        encoder: that reads pictures, on the device; None to use features.
        across_sequences: accelerations as VIBE's program measures them, across the borders of sequences and over gaps,
            as if all frames were of one video.

    Raises:
        CaptureError: ``windows_none`` for an archive without labels or with short sequences only.
    """
    found, samples = {}, []
    for archive in archives:
        said = _said(network, body, archive, length, device, encoder)
        name = archive.folder.name.removesuffix(".clips")
        found[name if name not in found else str(archive.folder)] = _figures(said, across_sequences)
        samples.append(Sample(name, said.said[:length], said.true[:length]))
    return Measured(found, mean_of(list(found.values())), tuple(samples)) if found else None


def windows_to_measure(archive: ClipArchive, length: int, *, pictures: bool, flow: bool = False) -> Windows:
    """The windows of an archive that are measured.

    Raises:
        CaptureError: ``windows_none``.
    """
    return Windows([archive], length, needs=("joints3d", *needs(pictures, flow)))


def mean_of(figures: Sequence[Figures]) -> Figures:
    """The mean of figures that are there, and the sum of their frames."""
    values: dict[str, Any] = {}
    for item in fields(Figures):
        numbers = [value for one in figures if not math.isnan(value := getattr(one, item.name))]
        values[item.name] = sum(numbers) / len(numbers) if numbers else math.nan
    return Figures(**{**values, "frames": sum(one.frames for one in figures)})


def _figures(said: _Said, across_sequences: bool) -> Figures:
    frames = np.arange(len(said.frames)) if across_sequences else said.frames
    # In units in which a frame takes a second, whatever the sequence's own rate: no difference spans two sequences.
    per_second = metrics.centred(said.said, _ALL, HIPS) * said.fps[:, None, None] ** 3
    return Figures(
        frames=len(said.frames),
        mpjpe_mm=metrics.mpjpe(said.said, said.true, _ALL, HIPS, said.known),
        pa_mpjpe_mm=metrics.pa_mpjpe(said.said, said.true, _ALL, said.known),
        pve_mm=said.pve_mm,
        acceleration_mm_per_frame2=metrics.acceleration(said.said, frames, _ALL, HIPS),
        acceleration_error_mm_per_frame2=metrics.acceleration_error(
            said.said, said.true, frames, _ALL, HIPS, said.known
        ),
        jitter_10m_per_s3=metrics.jitter(per_second, said.frames, 1.0),
    )


def _said(
    network: Generator, body: Body, archive: ClipArchive, length: int, device: torch.device, encoder: ResNet50 | None
) -> _Said:
    """What a network says of all windows of an archive, and what is true."""
    pictures, flow = encoder is not None, reads_flow(network)
    windows = windows_to_measure(archive, length, pictures=pictures, flow=flow)
    parts: list[tuple[Array, Array, metrics.Flags]] = []
    total, counted = 0.0, 0
    for sequence in _sequences(ClipDataset(windows, pictures=pictures, flow=flow), archive, encoder, device):
        clips = sequence.clips
        with torch.inference_mode():
            said = bodies_of(
                network, sequence.features, None if clips.flow is None else clips.flow.flatten(0, 1), length
            )
            said = Regressed(*(part.unflatten(0, (-1, length)) for part in (said.rotations, said.betas, said.camera)))
            # A skin has thousands of points: those of a sequence of minutes would need gigabytes at once.
            for first in range(0, len(clips), _BATCH):
                some = slice(first, first + _BATCH)
                joints, apart, skins = _compared(
                    said.rotations[some], said.betas[some], _rows(clips, some), archive, body
                )
                parts.append(joints)
                total, counted = total + apart, counted + skins
    said_joints, true_joints, known = (np.concatenate(items) for items in zip(*parts, strict=True))
    numbers, fps = _frames(archive, [windows[number] for number in range(len(windows))])
    return _Said(said_joints, true_joints, known, numbers, fps, total / counted if counted else math.nan)


def _compared(
    rotations: Tensor, betas: Tensor, clips: ClipBatch, archive: ClipArchive, body: Body
) -> tuple[tuple[Array, Array, metrics.Flags], float, int]:
    """What ``_joints`` says of N windows, the sum of their skins' errors in mm, and of how many frames that is.

    Args:
        rotations: (N, T, 24, 3, 3) that were said.
        betas: (N, T, 10) that were said.
        clips: the labels.
        archive: that they are of.
        body: that gives joints and skin.
    """
    points, labelled = body(rotations, betas), None
    if archive.facts.body == "smpl" and points.vertices is not None:
        labelled = body(clips.rotations, clips.betas)
    joints = _joints(points, labelled, clips, body)
    has, count = clips.has_smpl, int(clips.has_smpl.sum())
    if labelled is None or not count:
        return joints, 0.0, 0
    assert points.vertices is not None
    assert labelled.vertices is not None
    return joints, count * metrics.vertex_error(_array(points.vertices[has]), _array(labelled.vertices[has])), count


@dataclass(frozen=True)
class _Sequence:
    """All whole windows of a sequence.

    Attributes:
        clips: their labels, N windows; without pictures.
        features: (N T, 2048) of all their frames.
    """

    clips: ClipBatch
    features: Tensor


def _sequences(
    clips: ClipDataset, archive: ClipArchive, encoder: ResNet50 | None, device: torch.device
) -> Iterator[_Sequence]:
    """The windows of one sequence after another, on the device: pictures are let go of once they are features."""
    ends = [sequence.first + sequence.count for sequence in archive.sequences]
    numbers = range(len(clips))
    for _, own in groupby(numbers, key=lambda number: bisect_right(ends, clips.windows[number].first)):
        parts, features = [], []
        for some in _batched(own, _BATCH):
            batch = collate([clips[number] for number in some]).to(device)
            features.append(features_of(batch, encoder).flatten(0, 1))
            parts.append(replace(batch, pictures=None))
        tensors = [part.tensors() for part in parts]
        whole = {name: torch.cat([part[name] for part in tensors]) for name in tensors[0]}
        yield _Sequence(replace(parts[0], **whole), torch.cat(features))


def _rows(clips: ClipBatch, rows: slice) -> ClipBatch:
    """Some of the clips."""
    return replace(clips, **{name: tensor[rows] for name, tensor in clips.tensors().items()})


def _batched(numbers: Iterable[int], size: int) -> Iterator[list[int]]:
    """Numbers in lists of at most so many (``itertools.batched`` is Python 3.12's)."""
    rest = iter(numbers)
    while some := list(islice(rest, size)):
        yield some


def _joints(
    points: BodyPoints, labelled: BodyPoints | None, clips: ClipBatch, body: Body
) -> tuple[Array, Array, metrics.Flags]:
    """(N T, 14, 3) that were said and are true, metres, and (N T, 14) which are known.

    With SMPL's skin and the regressor of Human3.6M's joints, the joints are that regressor's, as in the papers: of the
    labelled body too, where there is one. Else they are the body's own, against those that are labelled.
    """
    said, true = points.joints[..., EVALUATED, :], clips.joints3d[..., EVALUATED, :3]
    known = (clips.joints3d[..., EVALUATED, 3] > 0) & clips.has_3d[..., None]
    known = known & (body.valid[EVALUATED] > 0)
    if isinstance(body, SmplBody) and body.smpl.h36m is not None:
        assert points.vertices is not None
        said = body.smpl.joints_h36m(points.vertices)[..., H36M_TO_J14, :]
        if labelled is not None:
            assert labelled.vertices is not None
            has = clips.has_smpl[..., None]
            regressed = body.smpl.joints_h36m(labelled.vertices)[..., H36M_TO_J14, :]
            true, known = torch.where(has[..., None], regressed, true), known | has
    return (
        _array(said).reshape(-1, JOINTS, 3),
        _array(true).reshape(-1, JOINTS, 3),
        known.cpu().numpy().reshape(-1, JOINTS),
    )


def _frames(archive: ClipArchive, windows: Sequence[Window]) -> tuple[NDArray[np.int64], Array]:
    """(N,) frame numbers of windows, those of each sequence far from the others', and (N,) frames per second."""
    firsts = np.array([sequence.first for sequence in archive.sequences])
    numbers, fps = [], []
    for window in windows:
        which = int(np.searchsorted(firsts, window.first, side="right")) - 1
        rows = np.arange(window.rows.start, window.rows.stop)
        own = archive.column("frames")[window.rows] if "frames" in window.labelled else rows
        numbers.append(own.astype(np.int64) + which * _APART)
        fps.append(np.full(len(rows), archive.sequences[which].fps))
    return np.concatenate(numbers), np.concatenate(fps)


def _array(values: Tensor) -> Array:
    return values.detach().cpu().numpy().astype(np.float64)
