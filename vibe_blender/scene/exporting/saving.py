# SPDX-License-Identifier: GPL-3.0-or-later
"""Armatures in motion as files: the scene as .blend, rigs as .fbx, .glb, .bvh or .usd, SMPL's parameters as .npz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ...contract.errors import CaptureError
from ...contract.quaternions import Array
from ...contract.take import Take
from ...motion.export_settings import ExportSettings
from ...motion.local_pose import orthonormal
from ..camera import frame_rate
from ..passing import passing_scene
from .amass_file import check_amass, save_amass
from .checking import Check, Places, check
from .destination import check_destination
from .formats import BVH, FBX, USD, bone_names, conversion, run, write
from .sampling import Sampled, motion_range, sample
from .stand_in import add_armature, add_mesh, called, plain


@dataclass(frozen=True)
class Subject:
    """Whom to export: an armature, and the meshes that go with it."""

    armature: bpy.types.Object
    meshes: tuple[bpy.types.Object, ...]


def subject_of(armature: bpy.types.Object, scene: bpy.types.Scene) -> Subject:
    """An armature with the meshes that it deforms or that hang on its bones, but for those the user has hidden."""
    meshes = [thing for thing in scene.objects if thing.type == "MESH" and _follows(thing, armature) and _shown(thing)]
    return Subject(armature, tuple(meshes))


def _follows(mesh: bpy.types.Object, armature: bpy.types.Object) -> bool:
    on_bone = mesh.parent == armature and mesh.parent_type in ("BONE", "ARMATURE")
    return on_bone or any(item.type == "ARMATURE" and item.object == armature for item in mesh.modifiers)


def _shown(mesh: bpy.types.Object) -> bool:
    """Whether a mesh is to be seen at some time: a driver hides those who are not in the picture yet."""
    drivers = mesh.animation_data.drivers if mesh.animation_data else ()
    if any(curve.data_path.startswith("hide_") for curve in drivers):
        return True
    return not (mesh.hide_viewport or mesh.hide_get())


def save(
    path: Path,
    scene: bpy.types.Scene,
    subjects: Sequence[Subject],
    settings: ExportSettings | None = None,
    *,
    take: Take | None = None,
    people: Sequence[int] = (),
) -> list[Places]:
    """Writes the file and returns what is in it; several files where a format or program wants one skeleton in each.

    Nothing of the user's changes: neither selection, modes, the active object, frame nor settings.

    Args:
        path: its suffix chooses the format; .blend holds the whole file, the others the subjects alone.
        scene: the current scene.
        subjects: whom to export.
        settings: None for a file as Blender likes it.
        take: for .npz: cleaned, in which the subjects are people.
        people: for .npz: their numbers, one per subject.

    Raises:
        CaptureError: ``bad_format``, ``unwritable``, ``exporter_missing``, ``no_bones``, ``edit_mode``, ``not_smpl``,
            ``bad_setting``.
    """
    check_destination(path)
    settings, suffix = settings or ExportSettings(), path.suffix.lower()
    if suffix == ".blend":
        run(bpy.ops.wm.save_as_mainfile, path, relative_remap=True, compress=True)
        return [Places(path, frame_rate(scene), (), np.empty((0, 0, 3)))]
    if suffix == ".npz":
        if take is None or len(people) != len(subjects):
            raise CaptureError("not_smpl", "Only people of a take have SMPL's parameters.", "Choose another format.")
        return [save_amass(_numbered(path, number, people), take, take.person(number)) for number in people]
    frames = frames_of(settings, [subject.armature for subject in subjects], scene)
    if suffix in BVH or (suffix in FBX and settings.program != "blender"):
        numbers = list(people) if len(people) == len(subjects) else list(range(1, len(subjects) + 1))
        return [
            place
            for number, subject in zip(numbers, subjects, strict=True)
            for place in _save_together(_numbered(path, number, numbers), scene, [subject], frames, settings)
        ]
    return _save_together(path, scene, subjects, frames, settings)


def check_written(written: Sequence[Places]) -> Check | None:
    """How far off files from ``save`` are, read back; of several the worst, None where nothing can be compared.

    Raises:
        CaptureError: ``check_failed``.
    """
    files: dict[Path, list[Places]] = {}
    for places in written:
        if places.names:
            files.setdefault(places.path, []).append(places)
    checks = [check_amass(found[0]) if found[0].rest is not None else check(found) for found in files.values()]
    return max(checks, key=lambda each: each.largest_mm, default=None)


def frames_of(settings: ExportSettings, armatures: Sequence[bpy.types.Object], scene: bpy.types.Scene) -> range:
    """The scene frames that settings ask for.

    Raises:
        CaptureError: ``bad_setting``.
    """
    first, last = motion_range(armatures, scene)
    whole = replace(
        settings,
        first=first if settings.first is None else settings.first,
        last=last if settings.last is None else settings.last,
    )
    assert whole.first is not None
    assert whole.last is not None
    return range(whole.first, whole.last + 1)


def _numbered(path: Path, number: int, numbers: Sequence[int]) -> Path:
    return path if len(numbers) == 1 else path.with_name(f"{path.stem}_{number}{path.suffix}")


def _save_together(
    path: Path, scene: bpy.types.Scene, subjects: Sequence[Subject], frames: range, settings: ExportSettings
) -> list[Places]:
    """One file with all subjects, of the formats that hold rigs."""
    suffix = path.suffix.lower()
    axes, names = conversion(suffix, settings), {}
    root_bone = settings.preset.root_bone and suffix in FBX if settings.root_bone is None else settings.root_bone
    meshes = settings.meshes and suffix not in BVH
    found = []
    samples = [sample(each.armature, each.meshes if meshes else (), frames, settings.bones, scene) for each in subjects]
    with _leftovers_removed(), passing_scene(subjects[0].armature.name, scene) as passing:
        passing.frame_start, passing.frame_end = 0, len(frames) - 1
        for subject, sampled in zip(subjects, samples, strict=True):
            skeleton = plain(sampled, axes, root_bone=root_bone)
            skeleton.posed[..., :3, :3] = _scaled(suffix, skeleton.posed[..., :3, :3])
            renamed = bone_names(suffix, skeleton.names)
            stand_in = add_armature(passing, subject.armature.name, skeleton, renamed, half=suffix in USD)
            node = settings.preset.node if suffix in FBX else ""
            names[stand_in] = node or subject.armature.name
            names[stand_in.animation_data.action] = subject.armature.name
            if meshes:
                names |= _add_meshes(
                    passing, subject, stand_in, sampled, axes, dict(zip(skeleton.names, renamed, strict=True))
                )
            found.append(Places(path, frame_rate(scene), tuple(renamed), skeleton.places))
        passing.frame_set(0)
        with called(names):
            write(path, passing, passing.view_layers[0].objects[stand_in.name], settings)
    return found


def _scaled(suffix: str, axes: Array) -> Array:
    """Posed bone axes (..., 3, 3) with the scale that a format can hold; what is lost, children make up by location.

    BVH has none. Readers of FBX differ in what an uneven scale, as a stretched bone has, does to the bone's children,
    as do those of USD: there a bone is as large as before, but evenly.
    """
    if suffix in BVH:
        return orthonormal(axes)
    if suffix in FBX + USD:
        return orthonormal(axes) * np.cbrt(np.abs(np.linalg.det(axes)))[..., None, None]
    return axes


def _add_meshes(
    passing: bpy.types.Scene,
    subject: Subject,
    stand_in: bpy.types.Object,
    sampled: Sampled,
    axes: Array,
    renamed: dict[str, str],
) -> dict[bpy.types.ID, str]:
    """Copies of a subject's meshes, and what they are to be called."""
    names: dict[bpy.types.ID, str] = {}
    for mesh in subject.meshes:
        copy = add_mesh(passing, mesh, subject.armature, stand_in, sampled, axes, renamed)
        names[copy], names[copy.data] = mesh.name, mesh.data.name
    return names


@contextmanager
def _leftovers_removed() -> Iterator[None]:
    """Removes what was made meanwhile and is not needed any more."""
    kinds = ("objects", "meshes", "armatures", "actions", "shape_keys")
    before = {kind: {block.session_uid for block in getattr(bpy.data, kind)} for kind in kinds}
    try:
        yield
    finally:
        made = [block for kind in kinds for block in getattr(bpy.data, kind) if block.session_uid not in before[kind]]
        bpy.data.batch_remove(made)
