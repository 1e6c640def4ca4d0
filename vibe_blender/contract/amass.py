# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A person's motion in the layout of AMASS's files, which research programs and SMPL's own add-ons read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .quaternions import continuous, to_axis_angles
from .take import Person, Take


def amass(take: Take, person: Person) -> dict[str, NDArray[np.generic]]:
    """One person's motion in AMASS's layout, at a constant frame rate and without gaps.

    AMASS knows no times and no missing frames, so frames are interpolated where the video's rate varies or the person
    was not seen for a while. SMPL turns a body about its own pelvis, hence ``trans`` is the pelvis less its place in
    the rest pose.

    Returns:
        ``trans (T, 3)`` metres, world frame (z up); ``poses (T, 72)`` axis-angle, radians, the root's from the body
        to the world frame; ``betas (10,)``; ``gender ()`` and ``mocap_framerate ()``.
    """
    rotations, root = _evenly_timed(take, person)
    return {
        "trans": root - person.rest_joints[0],
        "poses": to_axis_angles(rotations).reshape(len(root), -1),
        "betas": person.betas,
        "gender": np.array("neutral"),
        "mocap_framerate": np.array(float(take.video.fps)),
    }


def _evenly_timed(take: Take, person: Person) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Rotations (T, 24, 4) and root (T, 3) at every 1 / fps from the person's first frame to the last."""
    times = np.asarray(take.video.times)[np.asarray(person.frames) - take.video.first_frame]
    if len(times) < 2:
        return person.rotations, person.root
    steps = np.arange(round((times[-1] - times[0]) * take.video.fps) + 1)
    wanted = np.clip(times[0] + steps / take.video.fps, times[0], times[-1])
    after = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    share = ((wanted - times[after - 1]) / (times[after] - times[after - 1]))[:, None]
    root = (1 - share) * person.root[after - 1] + share * person.root[after]
    quaternions = continuous(np.asarray(person.rotations, dtype=float))
    between = _slerp(quaternions[after - 1], quaternions[after], share)
    return between, root


def _slerp(a: NDArray[np.floating], b: NDArray[np.floating], share: NDArray[np.floating]) -> NDArray[np.floating]:
    """Unit quaternions (T, J, 4) ``share`` (T, 1) of the way from ``a`` to ``b`` along the shorter arc."""
    angle = np.arccos(np.clip(np.sum(a * b, axis=-1), -1, 1))
    sine = np.sin(angle)
    close = sine < 1e-6
    weight_a = np.where(close, 1 - share, np.sin((1 - share) * angle) / np.where(close, 1, sine))
    weight_b = np.where(close, share, np.sin(share * angle) / np.where(close, 1, sine))
    mixed = weight_a[..., None] * a + weight_b[..., None] * b
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
