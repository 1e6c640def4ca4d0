# SPDX-License-Identifier: MIT
"""Tiny clip archives whose labels agree with each other: made people who sway before a camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from backend.body.smpl import JOINTS49
from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from vibe_blender.contract.skeleton import PARENTS, REST_JOINTS

Kind = Literal["2d", "3d", "motion"]

COLUMNS: dict[Kind, tuple[str, ...]] = {
    "2d": ("joints2d", "boxes", "frames"),
    "3d": ("joints2d", "joints3d", "rotations", "betas", "trans", "boxes", "intrinsics", "contacts", "frames"),
    "motion": ("rotations", "betas", "trans"),
}
WIDTH_PX, HEIGHT_PX, FOCAL_PX = 320, 240, 300.0
_DISTANCE_M = 4.0
# Where among SMPL's 24 joints, and how far from it in its own axes, metres, the other 30 of JOINTS49's 54 places are.
_HEAD, _LEFT_FOOT, _RIGHT_FOOT = 15, 10, 11
_ELSEWHERE = {
    24: (_HEAD, (0, 0.06, 0.12)), 25: (_HEAD, (-0.03, 0.09, 0.1)), 26: (_HEAD, (0.03, 0.09, 0.1)),
    27: (_HEAD, (-0.08, 0.06, 0.01)), 28: (_HEAD, (0.08, 0.06, 0.01)), 29: (_LEFT_FOOT, (0.02, -0.02, 0.07)),
    30: (_LEFT_FOOT, (0.06, -0.02, 0.05)), 31: (_LEFT_FOOT, (0, -0.02, -0.16)),
    32: (_RIGHT_FOOT, (-0.02, -0.02, 0.07)), 33: (_RIGHT_FOOT, (-0.06, -0.02, 0.05)),
    34: (_RIGHT_FOOT, (0, -0.02, -0.16)), 45: (2, (-0.03, 0, 0)), 46: (1, (0.03, 0, 0)), 47: (12, (0, 0.03, 0)),
    48: (_HEAD, (0, 0.2, 0.02)), 49: (0, (0, 0.02, 0)), 50: (12, (0, -0.02, 0)), 51: (6, (0, 0, -0.02)),
    52: (_HEAD, (0, 0, 0.06)), 53: (_HEAD, (0, 0.12, 0)),
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A made person before a camera that stands still.

    Attributes:
        rotations: (T, 24, 3) axis-angle, joint to parent, the root's to the camera.
        betas: (T, 10).
        trans: (T, 3) metres, of the pelvis in camera axes.
        joints3d: (T, 49, 4) metres, camera axes, validity.
        joints2d: (T, 49, 3) pixels, confidence.
        boxes: (T, 4) centre x, y, width, height, pixels.
    """

    rotations: np.ndarray
    betas: np.ndarray
    trans: np.ndarray
    joints3d: np.ndarray
    joints2d: np.ndarray
    boxes: np.ndarray


def joints49(rotations: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """(T, 49, 3) metres, in the frame the roots lead to: joints of rotations (T, 24, 3) with pelvises at (T, 3)."""
    count = len(rotations)
    local = Rotation.from_rotvec(rotations.reshape(-1, 3)).as_matrix().reshape(count, 24, 3, 3)
    turned, places = local.copy(), np.zeros((count, 24, 3))
    places[:, 0] = trans
    for joint in range(1, 24):
        parent = PARENTS[joint]
        turned[:, joint] = turned[:, parent] @ local[:, joint]
        places[:, joint] = places[:, parent] + turned[:, parent] @ (REST_JOINTS[joint] - REST_JOINTS[parent])
    every = np.zeros((count, 54, 3))
    every[:, :24] = places
    for place, (joint, offset) in _ELSEWHERE.items():
        every[:, place] = places[:, joint] + turned[:, joint] @ np.array(offset, float)
    return every[:, [place for _, place in JOINTS49]]


def made_rotations(count: int, fps: float, seed: int, root: Rotation) -> np.ndarray:
    """(count, 24, 3) axis-angle, joint to parent: somebody sways smoothly, turned by ``root``."""
    random = np.random.default_rng(seed)
    phase = 2 * np.pi * (np.arange(count)[:, None, None] / fps * random.uniform(0.3, 1.0, (24, 1)))
    rotations = 0.3 * np.sin(phase + random.uniform(0, 6, (24, 3))) * random.uniform(0, 1, (24, 3))
    rotations[:, 0] = (root * Rotation.from_rotvec(rotations[:, 0])).as_rotvec()
    return rotations


def made_person(count: int, fps: float = 25.0, seed: int = 0) -> Person:
    """Somebody who sways and wanders, upright, four metres before the camera."""
    random = np.random.default_rng(seed + 1000)
    rotations = made_rotations(count, fps, seed, Rotation.from_rotvec([np.pi, 0, 0]))  # y up becomes y down
    along = np.arange(count)[:, None] / fps
    trans = [0, 0, _DISTANCE_M] + 0.3 * np.sin(along * random.uniform(0.5, 2, 3) + random.uniform(0, 6, 3))
    points = joints49(rotations, trans)
    pixels = FOCAL_PX * points[..., :2] / points[..., 2:] + np.array([WIDTH_PX, HEIGHT_PX]) / 2
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    ones = np.ones((count, 49, 1))
    return Person(
        rotations=rotations,
        betas=np.tile(random.normal(size=10), (count, 1)),
        trans=trans,
        joints3d=np.concatenate([points, ones], axis=-1),
        joints2d=np.concatenate([pixels, ones * random.uniform(0.5, 1, (49, 1))], axis=-1),
        boxes=np.concatenate([(low + high) / 2, 1.1 * (high - low)], axis=1),
    )


def picture_of(pixels: np.ndarray, seed: int = 0) -> np.ndarray:
    """(240, 320, 3) uint8 RGB: a background of blocks, and a dot of its own colour at each of 49 joints (49, 2)."""
    random = np.random.default_rng(seed)
    blocks = random.integers(30, 120, (6, 8, 3)).astype(np.uint8)
    picture = cv2.resize(blocks, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_NEAREST)
    for joint, (x, y) in enumerate(pixels):
        colour = (55 + 4 * joint, 250 - 4 * joint, 120 + 90 * (joint % 2))
        cv2.circle(picture, (round(float(x)), round(float(y))), 3, colour, -1)
    return picture


def cut(picture: np.ndarray, box: np.ndarray) -> tuple[bytes, np.ndarray]:
    """A JPEG of what is around a box (4,), and the part (4,) of the picture: left, top, width, height."""
    reach = 0.75 * max(float(box[2]), float(box[3]))
    left, top = (max(0, int(box[axis] - reach)) for axis in (0, 1))
    right, bottom = (min(size, int(box[axis] + reach) + 1) for axis, size in ((0, WIDTH_PX), (1, HEIGHT_PX)))
    told, data = cv2.imencode(".jpg", picture[top:bottom, left:right, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert told
    return data.tobytes(), np.array([left, top, right - left, bottom - top], np.float32)


def write_archive(
    folder: Path,
    kind: Kind = "3d",
    lengths: tuple[int, ...] = (40, 25),
    *,
    features: bool = True,
    pictures: bool = False,
    fps: float = 25.0,
    seed: int = 0,
    dataset: str = "made",
    split: str = "train",
) -> ClipArchive:
    """A finished archive with one sequence per length, named ``made 0`` and so on.

    Args:
        folder: of the archive; it is made.
        kind: ``2d``: joints in the picture only; ``3d``: everything; ``motion``: rotations and shape, the root's to the
            world.
        lengths: frames of each sequence.
        features: random ones; never with ``motion``.
        pictures: of dots at the joints; never with ``motion``.
        fps: of all sequences.
        seed: of everything.
        dataset, split: what the archive says it is.
    """
    columns = COLUMNS[kind]
    columns += ("features",) if features and kind != "motion" else ()
    columns += ("pictures", "picture_boxes") if pictures and kind != "motion" else ()
    writer = ArchiveWriter(folder, Facts(dataset, split, "Made by a test: free for all uses."), columns)
    for number, count in enumerate(lengths):
        own = seed + 17 * number
        random = np.random.default_rng(own)
        person = made_person(count, fps, own)
        arrays = {
            "features": np.abs(random.normal(scale=0.5, size=(count, 2048))),
            "joints2d": person.joints2d, "joints3d": person.joints3d, "rotations": person.rotations,
            "betas": person.betas, "trans": person.trans, "boxes": person.boxes,
            "intrinsics": np.tile([FOCAL_PX, FOCAL_PX, WIDTH_PX / 2, HEIGHT_PX / 2], (count, 1)),
            "contacts": random.integers(0, 2, (count, 2)), "frames": np.arange(count),
        }  # fmt: skip
        if kind == "motion":
            arrays["rotations"] = made_rotations(count, fps, own, Rotation.from_rotvec([np.pi / 2, 0, 0]))
        jpegs = None
        if "pictures" in columns:
            cuts = [cut(picture_of(person.joints2d[t, :, :2], own), person.boxes[t]) for t in range(count)]
            jpegs = [jpeg for jpeg, _ in cuts]
            arrays["picture_boxes"] = np.stack([box for _, box in cuts])
        given = {name: values for name, values in arrays.items() if name in columns}
        writer.add(f"made {number}", fps, given, jpegs)
    return writer.finish()
