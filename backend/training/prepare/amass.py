# SPDX-License-Identifier: MIT
"""AMASS (Mahmood et al. 2019): motion capture of many laboratories as bodies of one model; no pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .preparing import Dataset, Options, Recording
from .raw_files import Origin, as_array, read_npz
from .tracks import Track

ORIGIN = Origin(
    "AMASS",
    "a folder per subset, such as CMU, with a folder per person and *_poses.npz or *_stageii.npz in it (or any .npz of "
    "that form)",
    "amass.is.tue.mpg.de, after registration",
    "AMASS may be used for non-commercial research only, and not be handed on; some subsets have further terms.",
)
VIBE_SUBSETS = {
    "ACCAD", "BioMotionLab_NTroje", "CMU", "EKUT", "Eyes_Japan_Dataset", "HumanEva", "KIT", "MPI_HDM05", "MPI_Limits",
    "MPI_mosh", "SFU", "SSM_synced", "TCD_handMocap", "TotalCapture", "Transitions_mocap",
    # What they are called in later releases.
    "BMLrub", "EyesJapanDataset", "HDM05", "PosePrior", "MoSh", "SSM", "TCDHands", "Transitions",
}  # fmt: skip
"""That VIBE's discriminator learned from (A.1.14 of our notes)."""
_BODY_JOINTS = 22
_HANDS = {24: (22, 23), 52: (22, 37), 55: (25, 40)}
"""By the number of joints, of SMPL, SMPL-H and SMPL-X, those that stand for SMPL's left and right hand: the index
finger's first (A.1.14)."""
_RATES = ("mocap_framerate", "mocap_frame_rate")


def _recordings(raw: Path, split: str, options: Options) -> Sequence[Recording]:
    if not raw.is_dir():
        raise ORIGIN.missing(raw, "no such folder")
    # Motions from elsewhere in AMASS's form have names of their own.
    paths = sorted({*raw.rglob("*_poses.npz"), *raw.rglob("*_stageii.npz")} or {*raw.rglob("*.npz")})
    if split == "vibe":
        paths = [path for path in paths if VIBE_SUBSETS & set(path.relative_to(raw.parent).parts[:-1])]
    if not paths:
        raise ORIGIN.missing(raw, f"no .npz of {split}")
    return [Recording(name, partial(_read, path, name)) for path in paths if (name := _name(raw, path))]


def _name(raw: Path, path: Path) -> str:
    return path.relative_to(raw).with_suffix("").as_posix()


def _read(path: Path, name: str) -> Iterator[Track]:
    held = read_npz(ORIGIN, path, ("poses", "trans", "betas", *_RATES))
    rate = next((held[key] for key in _RATES if key in held), None)
    if rate is None or not {"poses", "trans", "betas"} <= held.keys():
        raise ORIGIN.broken(path, f"it holds {', '.join(held) or 'nothing'}, not poses, trans, betas and a frame rate")
    fps = float(as_array(ORIGIN, path, "the frame rate", np.reshape(rate, -1)[:1], 1)[0])
    poses = as_array(ORIGIN, path, "poses", held["poses"], None, None)
    count, joints = len(poses), poses.shape[1] // 3
    if joints not in _HANDS or not 1 <= fps <= 1000 or not count:
        raise ORIGIN.broken(path, f"{count} poses of {poses.shape[1]} numbers, {fps} a second")
    body = poses.reshape(count, joints, 3)
    arrays: dict[str, NDArray[Any]] = {
        "rotations": np.concatenate([body[:, :_BODY_JOINTS], body[:, _HANDS[joints]]], axis=1),
        "trans": as_array(ORIGIN, path, "trans", held["trans"], count, 3),
    }
    betas = as_array(ORIGIN, path, "betas", held["betas"].reshape(-1), None)
    if joints != 55 and len(betas) >= 10:  # SMPL-X's shapes are others
        arrays["betas"] = np.tile(betas[:10], (count, 1))
    yield Track(name, fps, arrays)


DATASET = Dataset("amass", ORIGIN, ("all", "vibe"), ("rotations", "betas", "trans"), _recordings, pictures=False)
