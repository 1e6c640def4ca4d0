# SPDX-License-Identifier: MIT
"""Motions in the layout of AMASS: which files there are, which of their frames may be used, and how people move."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from backend.training.prepare.raw_files import Origin, as_array, read_npz
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array, continuous, from_axis_angles

ORIGIN = Origin(
    "the motions",
    "a folder, however deep, of .npz files with poses, trans and mocap_framerate",
    "amass.is.tue.mpg.de, or make them of captures of your own",
    "What is rendered of motions is as free as they are: look at their terms.",
)
_RATES = ("mocap_framerate", "mocap_frame_rate")
_HANDS = {24: (22, 23), 52: (22, 37), 55: (25, 40)}
"""By the number of joints, of SMPL, SMPL-H and SMPL-X, those that stand for SMPL's hands."""
_BODY_JOINTS = 22


@dataclass(frozen=True)
class MotionFile:
    """A file of motion.

    Attributes:
        path: of the file.
        name: its path in the folder, without the ending.
        count: frames.
        fps: frames per second.
    """

    path: Path
    name: str
    count: int
    fps: float


@dataclass(frozen=True)
class Motion:
    """How a body moves; the world has z up and the floor at z = 0, metres.

    Attributes:
        rotations: (T, 24, 4) unit quaternions, joint to parent, the root's to the world; continuous in time.
        trans: (T, 3) metres, world, where the body's origin would be.
    """

    rotations: Array
    trans: Array


def find_motions(folder: Path, only: Sequence[str]) -> list[MotionFile]:
    """All files of motion in a folder, in the order of their names.

    Args:
        folder: looked through, however deep.
        only: patterns, such as ``CMU/*``, one of which a name has to match; none for all.

    Raises:
        CaptureError: ``dataset_missing`` or ``dataset_broken``.
    """
    if not folder.is_dir():
        raise ORIGIN.missing(folder, "no such folder")
    found = []
    for path in sorted(folder.rglob("*.npz")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if only and not any(fnmatchcase(name, pattern) for pattern in only):
            continue
        count = _frames_of(path)
        if count:
            held = read_npz(ORIGIN, path, _RATES)
            found.append(MotionFile(path, name, count, _rate(path, held)))
    if not found:
        raise ORIGIN.missing(folder, f"no .npz file with poses{' that matches' if only else ''}")
    return found


def _frames_of(path: Path) -> int:
    """How many poses a file has, from its head alone; 0 where it is not one of motion."""
    try:
        with zipfile.ZipFile(path) as file:
            if not {"poses.npy", "trans.npy"} <= set(file.namelist()):
                return 0
            with file.open("poses.npy") as member:
                version = np.lib.format.read_magic(member)
                if version not in ((1, 0), (2, 0)):
                    raise ValueError(f"a format {version} of arrays")
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape = read(member)[0]
                return int(shape[0]) if len(shape) == 2 else 0
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ORIGIN.broken(path, error) from error


def _rate(path: Path, held: Mapping[str, Array]) -> float:
    rate = next((held[key] for key in _RATES if key in held), None)
    fps = 0.0 if rate is None else float(as_array(ORIGIN, path, "frame rate", np.reshape(rate, -1)[:1], 1)[0])
    if not 1 <= fps <= 1000:
        raise ORIGIN.broken(path, f"it says {fps} frames a second")
    return fps


def read_exclusions(path: Path | None) -> dict[str, list[tuple[int, int]]]:
    """Frames, first and past the last, of motions that must not be used, by the motions' names.

    Args:
        path: of a text with a motion per line: its name, and a first and last frame where not all are meant. What
            follows a ``#`` is for people.

    Raises:
        CaptureError: ``bad_exclusions``.
    """
    found: dict[str, list[tuple[int, int]]] = {}
    if path is None:
        return found
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            words = line.partition("#")[0].rsplit(maxsplit=2)
            if not words:
                continue
            if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
                found.setdefault(words[0], []).append((int(words[1]), int(words[2]) + 1))
            else:
                found.setdefault(line.partition("#")[0].strip(), []).append((0, 1 << 62))
    except (OSError, UnicodeDecodeError) as error:
        raise CaptureError(
            "bad_exclusions", f"{path} cannot be read: {error}.", "Write a motion's name on each line, as UTF-8."
        ) from error
    return found


def usable_runs(motion: MotionFile, excluded: Mapping[str, list[tuple[int, int]]], count: int) -> list[tuple[int, int]]:
    """First and past the last frame of the stretches of a motion that may be used, and are ``count`` long at least."""
    free, at = [], 0
    for first, end in sorted(excluded.get(motion.name, [])):
        free.append((at, min(first, motion.count)))
        at = max(at, end)
    free.append((at, motion.count))
    return [(first, end) for first, end in free if end - first >= count]


def read_motion(path: Path, first: int, stride: int, count: int) -> Motion:
    """A stretch of a motion.

    Args:
        path: of the file.
        first: frame.
        stride: from frame to frame.
        count: how many frames (T).

    Raises:
        CaptureError: ``dataset_broken``.
    """
    held = read_npz(ORIGIN, path, ("poses", "trans"))
    poses = as_array(ORIGIN, path, "poses", held.get("poses"), None, None)
    trans = as_array(ORIGIN, path, "trans", held.get("trans"), len(poses), 3)
    joints = poses.shape[1] // 3
    rows = slice(first, first + (count - 1) * stride + 1, stride)
    if joints not in _HANDS or poses.shape[1] % 3 or len(poses[rows]) != count:
        raise ORIGIN.broken(path, f"{len(poses)} poses of {poses.shape[1]} numbers")
    body = poses[rows].reshape(count, joints, 3)
    vectors = np.concatenate([body[:, :_BODY_JOINTS], body[:, _HANDS[joints]]], axis=1)
    return Motion(continuous(from_axis_angles(vectors)), trans[rows])
