# SPDX-License-Identifier: GPL-3.0-or-later
"""A person of a take as an .npz in AMASS's layout, and whether what is in the file moves as the person does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...contract.amass import amass
from ...contract.quaternions import from_axis_angles
from ...contract.skeleton import JOINT_NAMES, forward_kinematics
from ...contract.take import Person, Take
from .checking import Check, Places, difference
from .destination import unwritable

_ON_GRID = 0.01
"""Of a frame: how near to one of the file's frames a captured one is to be compared with it."""


def save_amass(path: Path, take: Take, person: Person) -> Places:
    """Writes the file whole or not at all; the joints where they were captured.

    Raises:
        CaptureError: ``unwritable``.
    """
    arrays = amass(take, person)
    if take.notice:
        arrays["notice"] = np.array(take.notice)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:  # a name would be given another ending
            np.savez_compressed(file, **arrays)
        unfinished.replace(path)
    except OSError as error:
        raise unwritable(path, error.strerror or str(error)) from error
    finally:
        unfinished.unlink(missing_ok=True)
    times = np.asarray(take.video.times)[np.asarray(person.frames) - take.video.first_frame]
    rows = (times - times[0]) * take.video.fps
    compared = np.abs(rows - np.round(rows)) < _ON_GRID
    return Places(
        path,
        take.video.fps,
        JOINT_NAMES,
        person.joints()[compared],
        rows=np.round(rows[compared]).astype(int),
        rest=np.asarray(person.rest_joints, float),
    )


def check_amass(places: Places) -> Check:
    """How far SMPL's own kinematics of what is in the file are from the joints: the same body, read from the file."""
    assert places.rest is not None
    with np.load(places.path, allow_pickle=False) as stored:
        rotations = from_axis_angles(stored["poses"].reshape(-1, len(JOINT_NAMES), 3))
        heads, _ = forward_kinematics(places.rest, rotations, stored["trans"] + places.rest[0])
    return difference(replace(places, rows=None), JOINT_NAMES, heads[places.rows])
