# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What can be set about a file for other programs, and what FBX is to be like for each of them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal, get_args

from ..contract.errors import CaptureError

Program = Literal["blender", "unreal", "unity"]
Bones = Literal["auto", "all", "deform"]
Axis = Literal["X", "Y", "Z", "-X", "-Y", "-Z"]
PROGRAMS, BONES, AXES = (get_args(kind) for kind in (Program, Bones, Axis))
CM_PER_M = 100.0
LARGEST_FRAME = 1_048_574
"""Blender's own limit."""


@dataclass(frozen=True)
class FbxPreset:
    """How an FBX file is laid out.

    Attributes:
        up: the axis of the file that points up; a character that faces -y in Blender faces -Y where Z is up, else +Z.
        units_per_m: 100 where the numbers in the file are centimetres.
        node: name of the armature's node; empty for the armature's own.
        root_bone: whether a skeleton whose topmost bone does not stand on the floor's origin is given one that does.
    """

    up: Literal["Y", "Z"]
    units_per_m: float
    node: str = ""
    root_bone: bool = False


PRESETS: dict[str, FbxPreset] = {
    # Metres in a file that says so, as Blender's own exporter and importer have it with "FBX All".
    "blender": FbxPreset(up="Y", units_per_m=1.0),
    # Unreal's own axes and unit. It leaves out a node of this name where the file is Blender's.
    "unreal": FbxPreset(up="Z", units_per_m=CM_PER_M, node="Armature", root_bone=True),
    # FBX's own axes and unit, which Unity, Maya and MotionBuilder expect.
    "unity": FbxPreset(up="Y", units_per_m=CM_PER_M),
}


@dataclass(frozen=True)
class ExportSettings:
    """What a file for another program is to hold, and how.

    Attributes:
        program: of ``PRESETS``, for FBX.
        first, last: scene frames; None is where the motion begins and ends.
        bones: ``all``; those that ``deform`` meshes and what carries them all; ``auto`` is ``deform`` for rigs with
            constraints or drivers, ``all`` for the others.
        root_bone: whether a bone on the floor's origin carries the whole skeleton; None leaves that to the preset.
        meshes: whether what the armature deforms goes with it.
        leaf_bones: of FBX: whether each chain ends in a bone that says how long the last one is.
        primary_axis, secondary_axis: of FBX: which of its axes a bone lies along, and which its x axis becomes.

    Raises:
        CaptureError: ``bad_setting``.
    """

    program: Program = "blender"
    first: int | None = None
    last: int | None = None
    bones: Bones = "auto"
    root_bone: bool | None = None
    meshes: bool = True
    leaf_bones: bool = False
    primary_axis: Axis = "Y"
    secondary_axis: Axis = "X"

    def __post_init__(self) -> None:
        for name, choices in (
            ("program", PROGRAMS), ("bones", BONES), ("primary_axis", AXES), ("secondary_axis", AXES),
        ):  # fmt: skip
            if getattr(self, name) not in choices:
                raise _bad(name, getattr(self, name), f"Choose one of {', '.join(choices)}.")
        if self.primary_axis[-1] == self.secondary_axis[-1]:
            raise _bad("secondary_axis", self.secondary_axis, "A bone's two axes cannot be the same.")
        for name in ("first", "last"):
            value = getattr(self, name)
            if value is not None and not -LARGEST_FRAME <= value <= LARGEST_FRAME:
                raise _bad(name, value, f"It goes from {-LARGEST_FRAME} to {LARGEST_FRAME}.")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise _bad("last", self.last, "It comes before the first frame.")

    @property
    def preset(self) -> FbxPreset:
        """How an FBX file is laid out."""
        return PRESETS[self.program]


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a file for another program; ``export_from`` reads them."""
    add = parser.add_argument_group("files for other programs").add_argument
    add("--for", dest="program", choices=PROGRAMS, default="blender", help="whose axes and units an .fbx has")
    add("--first", type=int, metavar="F", help="first scene frame to export (default: where the motion begins)")
    add("--last", type=int, metavar="F", help="last scene frame to export (default: where it ends)")
    add("--bones", choices=BONES, default="auto", help="which bones to export (default: %(default)s)")
    add(
        "--root-bone",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="a bone on the floor that carries the skeleton (default: for unreal)",
    )
    add("--no-meshes", action="store_true", help="leave out what the armature deforms")
    add("--check", action="store_true", help="read the file back in a fresh Blender and compare all joints")


def export_from(options: argparse.Namespace) -> ExportSettings:
    """The settings that options of ``add_export_arguments`` ask for.

    Raises:
        CaptureError: ``bad_setting``.
    """
    return ExportSettings(
        program=options.program,
        first=options.first,
        last=options.last,
        bones=options.bones,
        root_bone=options.root_bone,
        meshes=not options.no_meshes,
    )


def _bad(name: str, value: object, remedy: str) -> CaptureError:
    return CaptureError("bad_setting", f"{name} cannot be {value!r}.", remedy)
