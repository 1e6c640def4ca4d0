# SPDX-License-Identifier: MIT
"""Clips: windows of archives as tensors, in the units of networks and losses, with masks for what is unlabelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.utils.data import Dataset

from backend.networks.motion_discriminator import POSE
from backend.networks.resnet import COLOUR_MEAN, COLOUR_SPREAD
from backend.person_crops import SIDE_PX, enlarged

from .archive import ClipArchive
from .augment import (
    NONE,
    UNCHANGED,
    Augmentation,
    Change,
    draw,
    mirrored_joints,
    mirrored_rotations,
    painted,
    random_of,
    shaken,
)
from .picture_crops import crop_of
from .windows import Window, Windows

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Draw:
    """What to load.

    Attributes:
        number: of the window.
        times: how often all windows were gone through before: the same window is augmented otherwise.
    """

    number: int
    times: int = 0


@dataclass(frozen=True)
class ClipTensors:
    """What clips are made of; ``...`` is T for one clip, N, T for a batch of clips.

    Attributes:
        features: (..., 2048) of the image network, zeros where it had no picture; None where clips are of pictures.
        pictures: (..., 3, 224, 224) uint8 RGB crops, for ``normalised``; None where clips are of features. Black where
            the archive has no picture.
        joints2d: (..., 49, 3) x and y in the crop, -1..1 from edge to edge (x right, y down), and confidence 0..1; in
            the order of ``body.smpl.JOINTS49``. The crop is that of ``person_crops``, also where features were made.
        joints3d: (..., 49, 4) metres, camera axes (x right, y down, z forward), and validity 0..1.
        rotations: (..., 24, 3, 3) joint to parent, the root's to the camera; identities where there are none.
        betas: (..., 10) of the body that the archive names.
        has_2d, has_3d: (...) bool, whether any joint is labelled, and there is something to see.
        has_smpl: (...) bool, whether rotations and betas both are.
        boxes: (..., 4) centre x, y, width, height of the square that the crop shows, pixels of the video, before any
            mirroring; zeros where it is not known.
        origin: (3,) or (N, 3) int64: archive, first frame, stride: where in the archives a clip is from.
        flow: (..., 2, 56, 56) pixels of the crop, u right, v down, from each frame to the one before it, as
            ``backend.flow`` has it; zeros where it is not known; None where nobody asked.
    """

    features: Tensor | None
    pictures: Tensor | None
    joints2d: Tensor
    joints3d: Tensor
    rotations: Tensor
    betas: Tensor
    has_2d: Tensor
    has_3d: Tensor
    has_smpl: Tensor
    boxes: Tensor
    origin: Tensor
    flow: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """All that are there, by name."""
        return {
            item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None
        }  # fmt: skip


@dataclass(frozen=True)
class Clip(ClipTensors):
    """One window of T frames; ``ClipTensors`` says what it holds, and in which units."""


@dataclass(frozen=True)
class ClipBatch(ClipTensors):
    """N clips of T frames; ``ClipTensors`` says what they hold, and in which units."""

    def __len__(self) -> int:
        """How many clips there are."""
        return len(self.joints2d)

    def to(self, device: torch.device) -> ClipBatch:
        """The same on a device; memory that is pinned goes there while the program goes on."""
        return _batch({name: tensor.to(device, non_blocking=True) for name, tensor in self.tensors().items()})

    def pin_memory(self) -> ClipBatch:
        """The same in pinned memory, as data loaders ask for it."""
        return _batch({name: tensor.pin_memory() for name, tensor in self.tensors().items()})


def _batch(tensors: dict[str, Tensor]) -> ClipBatch:
    return ClipBatch(**{item.name: tensors.get(item.name) for item in fields(ClipBatch)})  # type: ignore[arg-type]


def collate(clips: Sequence[Clip]) -> ClipBatch:
    """Clips of the same kind and length as one batch."""
    parts = [clip.tensors() for clip in clips]
    return _batch({name: torch.stack([part[name] for part in parts]) for name in parts[0]})


def normalised(pictures: Tensor) -> Tensor:
    """(..., 3, 224, 224) float32 of uint8 RGB, as the published image network was trained: ImageNet's mean and spread.

    Clips hold bytes until they are on their device: floats would be four times as much to carry from process to
    process.
    """
    mean, spread = (
        torch.tensor(values, device=pictures.device)[:, None, None] for values in (COLOUR_MEAN, COLOUR_SPREAD)
    )
    return (pictures.to(torch.float32) / 255 - mean) / spread


class ClipDataset(Dataset[Clip]):
    """Windows as clips; a data loader's workers each open the archives for themselves."""

    def __init__(
        self,
        windows: Windows,
        *,
        pictures: bool = False,
        augmentation: Augmentation = NONE,
        seed: int = 0,
        flow: bool = False,
    ) -> None:
        """Takes windows for clips.

        Args:
            windows: of sequences that all have ``needs(pictures, flow)``.
            pictures: crops instead of features.
            augmentation: how they change from time to time; needs pictures, because features are what they are.
            seed: of the changes.
            flow: with flow; not of augmented pictures, to which it would not fit, and only of windows with every frame.

        Raises:
            ValueError: sequences lack what is needed, or features or flow are to be augmented.
        """
        _require(windows, needs(pictures, flow))
        if augmentation != NONE and not pictures:
            raise ValueError("features cannot be mirrored, shaken or occluded: augmentation needs pictures")
        if augmentation != NONE and flow:
            raise ValueError("flow was found in crops as they are: it cannot be augmented")
        self.windows, self.pictures, self.augmentation, self.seed = windows, pictures, augmentation, seed
        self.flow = flow

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.windows)

    def __getitem__(self, what: int | Draw) -> Clip:
        """A window as a clip; a plain number is a window that is seen for the first time."""
        drawn = what if isinstance(what, Draw) else Draw(what)
        window = self.windows[drawn.number]
        archive = self.windows.archives[window.archive]
        change = UNCHANGED
        if self.augmentation != NONE:
            change = draw(self.augmentation, random_of(self.seed, drawn.times, drawn.number))
        squares, boxed = _squares(archive, window, change)
        shown = enlarged(squares) * boxed[:, None]
        labels = _Labels(archive, window, shown, boxed, change)
        features, crops = None, None
        if self.pictures:
            pictures, there = _crops(archive, window, squares, boxed, mirrored=change.mirrored)
            pictures = painted(pictures, change)
            pictures[~there] = 0
            crops = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)))
        else:
            # Torch makes single precision of half of it several times as fast as numpy does.
            features = torch.from_numpy(np.array(archive.column("features")[window.rows])).to(torch.float32)
            there = features.any(dim=1).numpy()
        rotations, betas, has_smpl = labels.smpl()
        joints2d, joints3d = labels.joints2d(), labels.joints3d()
        return Clip(
            features=features, pictures=crops, joints2d=_tensor(joints2d), joints3d=_tensor(joints3d),
            rotations=_tensor(rotations), betas=_tensor(betas),
            has_2d=torch.from_numpy(there & (joints2d[..., 2] > 0).any(axis=1)),
            has_3d=torch.from_numpy(there & (joints3d[..., 3] > 0).any(axis=1)),
            has_smpl=torch.from_numpy(there & has_smpl), boxes=_tensor(shown),
            origin=torch.tensor([window.archive, window.first, window.stride]),
            flow=_flow(archive, window) if self.flow else None,
        )  # fmt: skip


def needs(pictures: bool, flow: bool = False) -> tuple[str, ...]:
    """Columns without which a sequence has no clips."""
    columns = ("pictures", "picture_boxes", "boxes") if pictures else ("features",)
    return (*columns, "flow") if flow else columns


class MotionDataset(Dataset[Tensor]):
    """Real motion for the discriminator: windows as poses (T, 69), axis-angle without the root's."""

    def __init__(self, windows: Windows) -> None:
        """Takes windows of sequences that all have ``rotations``; else there is a ``ValueError``."""
        _require(windows, ("rotations",))
        self.windows = windows

    def __len__(self) -> int:
        """How many windows there are."""
        return len(self.windows)

    def __getitem__(self, what: int | Draw) -> Tensor:
        """(T, 69) float32 radians, axis-angle, joint to parent, of the 23 joints below the root."""
        window = self.windows[what.number if isinstance(what, Draw) else what]
        rotations = self.windows.archives[window.archive].column("rotations")[window.rows]
        return _tensor(rotations[:, 1:].reshape(window.length, POSE))


class _Labels:
    """What a window is labelled with, as arrays; zeros and identities where it is not."""

    def __init__(
        self, archive: ClipArchive, window: Window, shown: Array, boxed: NDArray[np.bool_], change: Change
    ) -> None:
        self._archive, self._window, self._shown, self._boxed = archive, window, shown, boxed
        self._mirrored = change.mirrored

    def _column(self, name: str, *shape: int) -> Array:
        """(T, *shape) float64 of a column, zeros where it is not labelled."""
        if name not in self._window.labelled:
            return np.zeros((self._window.length, *shape))
        return self._archive.column(name)[self._window.rows].astype(np.float64)

    def joints2d(self) -> Array:
        """(T, 49, 3) in the crop, confidence; nothing is known without a box."""
        joints = self._column("joints2d", 49, 3)
        half = np.where(self._boxed, self._shown[:, 2] / 2, 1.0)
        joints[..., :2] = (joints[..., :2] - self._shown[:, None, :2]) / half[:, None, None]
        joints *= ((joints[..., 2] > 0) & self._boxed[:, None])[..., None]
        return mirrored_joints(joints) if self._mirrored else joints

    def joints3d(self) -> Array:
        """(T, 49, 4) metres, camera axes, validity."""
        joints = self._column("joints3d", 49, 4)
        return mirrored_joints(joints) if self._mirrored else joints

    def smpl(self) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Rotations (T, 24, 3, 3), betas (T, 10), and whether both are known (T,)."""
        vectors, betas = self._column("rotations", 24, 3), self._column("betas", 10)
        vectors = mirrored_rotations(vectors) if self._mirrored else vectors
        matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape, 3)
        known = {"rotations", "betas"} <= set(self._window.labelled)
        return matrices, betas, np.full(self._window.length, known)


def _squares(archive: ClipArchive, window: Window, change: Change) -> tuple[Array, NDArray[np.bool_]]:
    """(T, 4) squares around the boxes of a window, shaken as drawn, and (T,) in which frames there is a box."""
    boxes = np.zeros((window.length, 4))
    if "boxes" in window.labelled:
        boxes = archive.column("boxes")[window.rows].astype(np.float64)
    sides = boxes[:, 2:].max(axis=1)
    boxed = sides > 0
    squares = np.concatenate([boxes[:, :2], np.where(boxed, sides, 1.0)[:, None].repeat(2, axis=1)], axis=1)
    return shaken(squares, change), boxed


def _crops(
    archive: ClipArchive, window: Window, squares: Array, boxed: NDArray[np.bool_], *, mirrored: bool
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """(T, 224, 224, 3) RGB: what is around the person, and (T,) in which frames there is a picture."""
    crops = np.zeros((window.length, SIDE_PX, SIDE_PX, 3), np.uint8)
    there = np.zeros(window.length, bool)
    for number, frame in enumerate(range(window.rows.start, window.rows.stop, window.stride)):
        crop = crop_of(archive, frame, squares[number], mirrored=mirrored) if boxed[number] else None
        if crop is not None:
            crops[number], there[number] = crop, True
    return crops, there


def _flow(archive: ClipArchive, window: Window) -> Tensor:
    """(T, 2, 56, 56) float32."""
    if window.stride != 1:
        raise ValueError("flow leads to the frame before: windows that leave frames out cannot have it")
    return torch.from_numpy(np.array(archive.column("flow")[window.rows])).to(torch.float32)


def _require(windows: Windows, columns: tuple[str, ...]) -> None:
    lacking = sorted(set(columns) - windows.everywhere)
    if lacking:
        raise ValueError(f"not all sequences have {', '.join(lacking)}")


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
