# SPDX-License-Identifier: MIT
"""A take becomes a plain ``.npz`` that other programs read without this one: joints, AMASS's layout, SMPL's words."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from errno import ENOSPC
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from backend.models import default_folder
from backend.packages import require_package
from backend.published import find_published, require
from backend.published_smoothing import PublishedOneEuro
from backend.weak_camera import over_the_picture
from vibe_blender.contract.amass import amass
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import (
    from_axis_angles,
    from_matrices,
    multiply,
    to_axis_angles,
    to_matrices,
)
from vibe_blender.contract.take import NetworkWords, Person, Take

if TYPE_CHECKING:
    from backend.body.smpl import Points, Smpl

Arrays = dict[str, NDArray[np.generic]]
FORMATS = ("joints", "amass", "smpl")


def open_body(folder: Path) -> Smpl:
    """The SMPL body and the joint regressors that ``export`` can add vertices and joints with.

    Args:
        folder: of the published files, in any layout; the default folder is looked through too.

    Raises:
        CaptureError: ``published_missing``, ``torch_missing``, ``smplx_missing``, or what is wrong with a file.
    """
    files = find_published(folder, default_folder())
    body, extra = require(files, "smpl", "regressor_extra")
    for package in ("torch", "smplx"):
        require_package(package, "Posing SMPL")
    from backend.body.smpl import load_smpl

    return load_smpl(body, extra, files.regressor_h36m)


def export(
    take: Take,
    path: Path,
    kind: str,
    person_id: int | None = None,
    smoothing: PublishedOneEuro | None = None,
    body: Smpl | None = None,
) -> Path:
    """Writes the take to ``path`` in one of ``FORMATS``, whole or not at all.

    A take with a notice, of what limits its use, hands it on as ``notice ()``, a text.

    With a ``body``, ``smpl`` also has what the published program gives: ``verts (T, 6890, 3)`` and
    ``joints3d (T, 49, 3)``, in the order of ``JOINTS49``, and, where the body has their regressor,
    ``joints_h36m (T, 17, 3)``; float32 metres, from SMPL's own origin, in the axes in which the network put the body
    (x right, y down, z forward), by each frame's own ``rotmat``, smoothed or not, and ``betas``.

    Args:
        take: what was captured.
        path: of the ``.npz``; replaced where it is there.
        kind: ``joints``, ``amass`` or ``smpl``.
        person_id: whom; None is everybody for ``joints``, and the only one there is for the others.
        smoothing: of ``smpl``'s poses.
        body: from ``open_body``.

    Raises:
        CaptureError: ``no_such_person``, ``which_person``, ``not_smpl``, ``export_unwritable`` or ``disk_full``.
    """
    points: Iterator[Points] = iter(())
    if kind == "joints":
        arrays = joints(take, person_id)
    else:
        person = _one_person(take, person_id)
        arrays = amass(take, person) if kind == "amass" else smpl(take, person, smoothing)
        if body is not None:
            points = _points(take, arrays, body)
    if take.notice:
        arrays["notice"] = np.array(take.notice)
    _write(path, arrays, points)
    return path


def joints(take: Take, person_id: int | None = None) -> Arrays:
    """Joint positions of everybody, or of one person, per frame in which the person was seen.

    Returns:
        ``fps ()``, ``size (2,)`` width and height in pixels, ``people (P,)`` ids, and for each id ``i``:
        ``frames_i (T,)`` video frame numbers, ``joints_camera_i (T, 24, 3)`` metres, camera frame;
        ``joints_world_i (T, 24, 3)`` metres, world frame; ``joints_image_i (T, 24, 2)`` pixels, image frame;
        ``root_world_i (T, 3)`` metres, world frame; ``contacts_i (T, 2)`` left, right foot, 0..1;
        ``confidence_i (T,)`` 0..1.
    """
    people = take.people if person_id is None else (take.person(person_id),)
    arrays: Arrays = {
        "fps": np.array(take.video.fps),
        "size": np.array([take.video.width_px, take.video.height_px]),
        "people": np.array([person.id for person in people], np.int64),
    }
    for person in people:
        world = person.joints()
        of_person = {
            "frames": person.frames,
            "joints_camera": take.camera.to_camera(world),
            "joints_world": world,
            "joints_image": take.camera.project(world),
            "root_world": person.root,
            "contacts": person.contacts,
            "confidence": person.confidence,
        }
        arrays.update({f"{name}_{person.id}": values for name, values in of_person.items()})
    return arrays


def smpl(take: Take, person: Person, smoothing: PublishedOneEuro | None = None) -> Arrays:
    """One person per frame as the SMPL networks put it: a weak camera on a square crop, and the pose in camera axes.

    With b the side of the crop, f the focal length and c - c0 the crop's centre from the principal point, a body at
    T in the camera frame is seen by the weak camera (s, tx, ty) as CLIFF's full-camera formula has it, inverted:
    s = 2 f / (b Tz), tx = Tx - Tz (cx - cx0) / f, ty = Ty - Tz (cy - cy0) / f.

    Where the estimator was such a network, these are its own words instead, unchanged but for ``smoothing``, which is
    of ``poses`` and therefore ``rotmat``; to it, frames that follow each other here are a frame apart.

    Returns:
        ``frames (T,)`` video frame numbers; ``cam (T, 3)`` scale and shift; ``poses (T, 72)`` axis-angle and
        ``rotmat (T, 24, 3, 3)``, joint to parent, the root's from the body to the camera frame; ``betas (T, 10)``;
        ``boxes (T, 4)`` centre x, y, width, height of the square crop, pixels; of a network's own words also
        ``orig_cam (T, 4)``, the weak camera over the whole picture: scale x, y and shift x, y. ``rotmat`` is float32.
    """
    arrays = _as_seen(take, person) if person.words is None else _as_said(take, person, person.words)
    if smoothing is not None:
        arrays["poses"] = smoothing.smooth(np.asarray(arrays["poses"], dtype=float))
        arrays["rotmat"] = to_matrices(from_axis_angles(arrays["poses"].reshape(arrays["rotmat"].shape[:-1])))
    arrays["rotmat"] = arrays["rotmat"].astype(np.float32)
    return arrays


def _points(take: Take, arrays: Arrays, body: Smpl) -> Iterator[Points]:
    """The vertices and joints of ``smpl``'s bodies, part by part."""
    if take.body != "smpl":
        raise CaptureError(
            "not_smpl",
            f"The shape in this take is that of the {take.body}, which means nothing to SMPL.",
            "Leave out --models, or capture the video with the estimator vibe.",
        )
    from backend.body.smpl import points_in_parts

    return points_in_parts(body, arrays["rotmat"], arrays["betas"])


def _as_seen(take: Take, person: Person) -> Arrays:
    count = len(person.frames)
    to_camera = take.camera.from_world[:3, :3]
    rotations = np.array(person.rotations, dtype=float)
    rotations[:, 0] = multiply(from_matrices(to_camera), rotations[:, 0])
    shift = take.camera.to_camera(person.root) - person.rest_joints[0]
    side = person.boxes[:, 2:].max(axis=1, keepdims=True)
    depth = shift[:, 2:]
    from_centre = (person.boxes[:, :2] - take.camera.centre_px) / take.camera.focal_px
    return {
        "frames": person.frames,
        "cam": np.hstack([2 * take.camera.focal_px / (side * depth), shift[:, :2] - depth * from_centre]),
        "poses": to_axis_angles(rotations).reshape(count, -1),
        "betas": np.tile(person.betas, (count, 1)),
        "rotmat": to_matrices(rotations),
        "boxes": np.hstack([person.boxes[:, :2], side, side]),
    }


def _as_said(take: Take, person: Person, words: NetworkWords) -> Arrays:
    rotations = from_matrices(np.asarray(words.rotations, dtype=float))
    size = (take.video.width_px, take.video.height_px)
    return {
        "frames": person.frames,
        "cam": words.camera,
        "poses": to_axis_angles(rotations).reshape(len(rotations), -1),
        "betas": words.betas,
        "rotmat": words.rotations,
        "boxes": words.boxes,
        "orig_cam": over_the_picture(np.asarray(words.camera, dtype=float), words.boxes, *size),
    }


def _append(file: BinaryIO, points: Iterator[Points], count: int) -> None:
    """Adds points of ``count`` frames to an .npz; of the vertices, a megabyte for a dozen frames, never all at once."""
    first = next(points, None)
    if first is None:
        return
    # Room for all joints first: kept in pieces, they would lie between the vertices' freed pieces and break those up.
    joints = {"joints3d": np.empty((count, *first.joints49.shape[1:]), np.float32)}
    if first.h36m is not None:
        joints["joints_h36m"] = np.empty((count, *first.h36m.shape[1:]), np.float32)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("verts.npy", "w", force_zip64=True) as member:
            shape = {"descr": "<f4", "fortran_order": False, "shape": (count, *first.vertices.shape[1:])}
            np.lib.format.write_array_header_1_0(member, shape)
            done = 0
            for part in chain([first], points):
                some = slice(done, done := done + len(part.vertices))
                member.write(np.ascontiguousarray(part.vertices, "<f4").tobytes())
                joints["joints3d"][some] = part.joints49
                if part.h36m is not None:
                    joints["joints_h36m"][some] = part.h36m
        for name, values in joints.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, values, allow_pickle=False)


def _one_person(take: Take, person_id: int | None) -> Person:
    if person_id is not None:
        return take.person(person_id)
    if len(take.people) == 1:
        return take.people[0]
    if not take.people:
        raise CaptureError("no_such_person", "The take has nobody in it.", "Capture a video that shows a person.")
    known = ", ".join(str(person.id) for person in take.people)
    raise CaptureError(
        "which_person", f"The take has {len(take.people)} people ({known}).", "Name one with --person ID."
    )


def _write(path: Path, arrays: Mapping[str, NDArray[np.generic]], points: Iterator[Points]) -> None:
    if path.is_file() and path.stat().st_size and not zipfile.is_zipfile(path):
        raise CaptureError(
            "export_unwritable", f"{path} is there already and is no .npz file.", "Choose another name for the export."
        )
    unfinished = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("w+b") as file:  # a name would be given another ending
            np.savez_compressed(file, **arrays)
            _append(file, points, len(arrays.get("frames", ())))
        unfinished.replace(path)
    except OSError as error:
        if error.errno == ENOSPC:
            raise CaptureError("disk_full", f"The disk is full: {path} could not be written.", "Free some.") from error
        raise CaptureError(
            "export_unwritable",
            f"{path} cannot be written: {error.strerror or error}.",
            "Choose a folder you may write to.",
        ) from error
    finally:
        if unfinished.is_file():
            unfinished.unlink()
