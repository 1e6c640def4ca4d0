# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""A re-captured range of a video put into the take it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..contract import quaternions
from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.take import NetworkWords, Person, Take

_LEAST_OVERLAP = 0.3
"""Of two boxes around the same person, common area over joint area; between frames of one person it is far more."""
_SAME_FOCAL = 1e-3


def blend_range(take: Take, patch: Take, first: int, last: int, ramp: int) -> Take:
    """The take with its people's motion in a range of frames replaced by that of a re-capture.

    Both were seen by the same camera, which stood still: what the patch found goes through camera coordinates into the
    take's world. One camera cannot tell a near small person from a far tall one, so the patch's are moved along
    their lines of sight until they have the take's size; body shape stays the take's. Where the take has a frame next
    to a replaced run, the motion is eased from one to the other over ``ramp`` frames; in frames of the range in which
    the patch does not see a person, the take's motion stays.

    Args:
        take: to be mended.
        patch: a capture of the same video that covers the range, or what of it is to be replaced.
        first, last: video frame numbers, both included.
        ramp: frames inside each end of a replaced run; fewer where the run is short.

    Raises:
        CaptureError: ``bad_range``, ``blend_mismatch`` or ``nobody_matched``.
    """
    _check(take, patch, first, last)
    matches, nobody = _matches(take, patch)
    if not matches:
        raise CaptureError(
            "nobody_matched",
            f"Nobody that was found in frames {first} to {last} is where a person of the take is.",
            "Choose a longer range, or capture the whole video again.",
        )
    to_take = _WorldChange.between(patch, take)
    people = []
    for person in take.people:
        for other in matches.get(person.id, []):
            person = _blended(person, to_take.moved(other, person), first, last, ramp)
        people.append(person)
    left_out = (
        f"Person {number} of the re-captured frames {first} to {last} matches nobody and was left out."
        for number in nobody
    )
    warnings, notice = (*take.warnings, *left_out), take.notice or patch.notice
    return replace(take, people=tuple(people), warnings=warnings, notice=notice)


def _check(take: Take, patch: Take, first: int, last: int) -> None:
    start, end = take.video.first_frame, take.video.first_frame + len(take.video.times) - 1
    if not start <= first <= last <= end:
        raise CaptureError(
            "bad_range",
            f"Frames {first} to {last} are not a range of the take, which has {start} to {end}.",
            "Choose a range inside it.",
        )
    different = [
        name
        for name, same in (
            ("size", (take.video.width_px, take.video.height_px) == (patch.video.width_px, patch.video.height_px)),
            ("frame rate", abs(take.video.fps / patch.video.fps - 1.0) < _SAME_FOCAL),
            ("focal length", abs(take.camera.focal_px / patch.camera.focal_px - 1.0) < _SAME_FOCAL),
            ("image centre", np.allclose(take.camera.centre_px, patch.camera.centre_px, atol=0.5)),
        )
        if not same
    ]
    if different:
        raise CaptureError(
            "blend_mismatch",
            f"The re-captured frames have another {' and another '.join(different)} than the take.",
            "Capture the range again from the same video and with the focal length of the take.",
        )


@dataclass(frozen=True)
class _WorldChange:
    """From the world of one take to that of another of the same camera.

    Attributes:
        turn: (3, 3) and ``shift`` (3,): take point = turn @ patch point + shift.
        camera: (3,) metres, where the camera stands in the second world.
    """

    turn: Array
    shift: Array
    camera: Array

    @classmethod
    def between(cls, patch: Take, take: Take) -> _WorldChange:
        """The change from the patch's world to the take's."""
        world = np.linalg.inv(take.camera.from_world)
        change = world @ patch.camera.from_world
        return cls(change[:3, :3], change[:3, 3], world[:3, 3])

    def moved(self, person: Person, model: Person) -> Person:
        """The person in the second world, with the body of ``model`` and as far away as that makes them."""
        size = np.sum(model.rest_joints * person.rest_joints) / np.sum(person.rest_joints**2)
        root = person.root @ self.turn.T + self.shift
        rotations = np.array(person.rotations, dtype=float)
        rotations[:, 0] = quaternions.multiply(quaternions.from_matrices(self.turn), rotations[:, 0])
        return replace(
            person,
            rotations=rotations,
            root=self.camera + size * (root - self.camera),
            rest_joints=model.rest_joints,
            betas=model.betas,
        )


def _matches(take: Take, patch: Take) -> tuple[dict[int, list[Person]], list[int]]:
    """Per person of the take those of the patch that are the same, each other's frames apart; and who is nobody."""
    pairs = sorted(
        ((_overlap(person, other), person.id, other.id) for person in take.people for other in patch.people),
        key=lambda pair: -pair[0],
    )
    matches: dict[int, list[Person]] = {}
    nobody = [other.id for other in patch.people]
    for overlap, known, number in pairs:
        other, same = patch.person(number), matches.get(known, [])
        if overlap < _LEAST_OVERLAP or number not in nobody:
            continue
        if not any(np.intersect1d(other.frames, rival.frames).size for rival in same):
            matches[known] = [*same, other]
            nobody.remove(number)
    return matches, nobody


def _overlap(person: Person, other: Person) -> float:
    """Median over the other's frames of how much of both boxes is common, 0..1; the person's, between frames seen."""
    inside = (other.frames >= person.frames[0]) & (other.frames <= person.frames[-1]) if len(person.frames) else []
    if not np.any(inside):
        return 0.0
    mine, theirs = _between(person.frames, person.boxes, other.frames[inside]), other.boxes[inside]
    low = np.maximum(mine[:, :2] - mine[:, 2:] / 2, theirs[:, :2] - theirs[:, 2:] / 2)
    high = np.minimum(mine[:, :2] + mine[:, 2:] / 2, theirs[:, :2] + theirs[:, 2:] / 2)
    common = np.prod(np.maximum(high - low, 0.0), axis=1)
    joint = np.prod(mine[:, 2:], axis=1) + np.prod(theirs[:, 2:], axis=1) - common
    return float(np.median(common / np.maximum(joint, 1e-9)))


def _blended(person: Person, patch: Person, first: int, last: int, ramp: int) -> Person:
    """The person with what the patch, already in the take's world, has of the range."""
    inside = (patch.frames >= first) & (patch.frames <= last)
    if not inside.any():
        return person
    fresh = patch.frames[inside]
    weight = _weights(fresh, person.frames, ramp)
    frames = np.union1d(person.frames, fresh)
    mine, theirs = np.searchsorted(frames, person.frames), np.searchsorted(frames, fresh)

    def put(before: Array, after: Array) -> Array:
        whole = np.zeros((len(frames), *np.shape(after)[1:]), np.result_type(before, float))
        whole[mine] = before
        whole[theirs] = after
        return whole

    def mixed(before: Array, after: Array) -> Array:
        known = _between(person.frames, before, fresh)
        return put(before, known + weight.reshape(-1, *[1] * (after.ndim - 1)) * (after[inside] - known))

    turned = _turned(_between_rotations(person.frames, person.rotations, fresh), patch.rotations[inside], weight)
    keypoints = patch.keypoints[inside]
    if keypoints.shape[1] != person.keypoints.shape[1]:
        keypoints = _between(person.frames, person.keypoints, fresh)
        keypoints[~np.isin(fresh, person.frames)] = 0.0
    return replace(
        person,
        frames=frames.astype(person.frames.dtype),
        rotations=quaternions.continuous(put(person.rotations, turned)),
        root=mixed(person.root, patch.root),
        contacts=np.clip(mixed(person.contacts, patch.contacts), 0.0, 1.0),
        confidence=np.clip(mixed(person.confidence, patch.confidence), 0.0, 1.0),
        boxes=put(person.boxes, patch.boxes[inside]),
        keypoints=put(person.keypoints, keypoints),
        words=_put_words(person.words, patch.words, inside, put),
    )


def _put_words(
    before: NetworkWords | None, after: NetworkWords | None, inside: Array, put: Callable[[Array, Array], Array]
) -> NetworkWords | None:
    """The words about every frame, each as it was said; None where a network was silent about some."""
    if before is None or after is None:
        return None
    names = ("camera", "rotations", "betas", "boxes")
    return NetworkWords(**{name: put(getattr(before, name), getattr(after, name)[inside]) for name in names})


def _weights(fresh: NDArray[np.integer], known: NDArray[np.integer], ramp: int) -> Array:
    """How much of the patch (T,), 0..1, is in each of its frames: each run of them rises and falls by smoothstep.

    An end with no known frame next to it has nothing to be eased from.
    """
    weights = []
    for run in np.split(fresh, np.flatnonzero(np.diff(fresh) > 1) + 1):
        count = len(run)
        steps = min(max(ramp, 0), (count - 1) // 2) + 1
        rise = np.clip((np.arange(count) + 1.0) / steps, 0.0, 1.0)
        rise = rise**2 * (3.0 - 2.0 * rise)
        left = rise if run[0] - 1 in known else np.ones(count)
        right = rise[::-1] if run[-1] + 1 in known else np.ones(count)
        weights.append(np.minimum(left, right))
    return np.concatenate(weights)


def _between(known: NDArray[np.integer], values: Array, frames: NDArray[np.integer]) -> Array:
    """Values (N, ...) at ``frames``: those known at the ``known`` frames, a straight line between, held outside."""
    before, after, share = _neighbours(known, frames)
    share = share.reshape(-1, *[1] * (np.ndim(values) - 1))
    return values[before] + share * (values[after] - values[before])


def _between_rotations(known: NDArray[np.integer], rotations: Array, frames: NDArray[np.integer]) -> Array:
    """As ``_between`` for unit quaternions (T, J, 4), along the shortest arcs."""
    before, after, share = _neighbours(known, frames)
    return _turned(rotations[before], rotations[after], share)


def _neighbours(
    known: NDArray[np.integer], frames: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer], Array]:
    """Indices of the known frames before and after each frame, and how far (0..1) it is from the one to the other."""
    after = np.clip(np.searchsorted(known, frames), 0, len(known) - 1)
    before = np.where(known[after] <= frames, after, np.maximum(after - 1, 0))
    span = known[after] - known[before]
    share = np.where(span > 0, (frames - known[before]) / np.maximum(span, 1), 0.0)
    return before, after, share


def _turned(start: Array, end: Array, share: Array) -> Array:
    """Spherical interpolation of unit quaternions (T, J, 4) by a share (T,) of the way, 0..1."""
    way = quaternions.to_axis_angles(quaternions.multiply(quaternions.conjugate(start), end))
    return quaternions.multiply(start, quaternions.from_axis_angles(share[:, None, None] * way))
