# SPDX-License-Identifier: MIT
"""Rigs that animators have, as data: real names and hierarchies on one made body, in each rig's own axes and units.

Proportions, posture, bone axes, rolls, units and the vertical differ from rig to rig as those of the real ones do, so
that whatever leans on a rig's own numbers is found out. Nothing here needs Blender; `characters_blender` builds them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal
from zlib import crc32

import numpy as np

from tests import characters_tables as tables
from tests.characters_body import AHEAD, UP, Build, body
from vibe_blender.contract.quaternions import Array, from_axis_angles, from_matrices, multiply, rotate
from vibe_blender.motion.retargeting.bone_map import PARTS, BoneMap, MappedPart, Switch, TwistBone
from vibe_blender.motion.retargeting.rig import Rig

Pose = Literal["A", "T"]
Axes = Literal["along", "rolled", "across", "upright"]
SIDES = ("left", "right")


@dataclass(frozen=True)
class Recipe:
    """What a character is made from.

    Attributes:
        name: what the rig is called here.
        rows: as in `characters_tables`.
        sides: what ``*`` stands for, left and right.
        build: the body in its own pose.
        a_pose: its build's ``arms_down`` in an A-pose.
        axes: how bone axes lie: ``along`` y to the end and z to front or back, ``rolled`` the same with all sorts of
            rolls, ``across`` x to the end on the left and from it on the right (Unreal), ``upright`` y up whatever the
            bone.
        up: the vertical of the armature; with ``Y`` it faces +z, else -y.
        unit_m: metres to an armature unit.
        known: ``rig`` of the true bone map.
        switches: of the true bone map.
        rename: a bone's name from its name in the rows and its number.
        connected: whether bones that begin where their parents end are connected to them.
    """

    name: str
    rows: str
    sides: tuple[str, str]
    build: Build
    a_pose: float = 45.0
    axes: Axes = "along"
    up: Literal["Y", "Z"] = "Z"
    unit_m: float = 1.0
    known: str = ""
    switches: tuple[Switch, ...] = ()
    rename: Callable[[str, int], str] = lambda name, number: name
    connected: bool = False


@dataclass(frozen=True)
class Character:
    """A rig whose bones are known.

    Attributes:
        name: what it is called here.
        rig: at rest.
        true_map: what its bones truly are.
        up: the vertical in the armature; with ``Y`` it faces +z, else -y.
        pose: in which it rests.
        unit_m: metres to an armature unit.
        ends: (B, 3) where each bone's flesh ends, armature frame and units; not always where the bone does.
        fingers: (B,) whether a bone is a finger's.
        recipe: what it was made from.
    """

    name: str
    rig: Rig
    true_map: BoneMap
    up: Literal["Y", "Z"]
    pose: Pose
    unit_m: float
    ends: Array
    fingers: Array
    recipe: Recipe

    def __repr__(self) -> str:
        """Its name: what tests are called after."""
        return self.name


def posed_as(character: Character, pose: Pose) -> Character:
    """The same rig with another rest pose."""
    recipe, down = character.recipe, {"A": character.recipe.a_pose, "T": 0.0}[pose]
    build = replace(recipe.build, arms_down=down, elbow_bend=recipe.build.elbow_bend if pose == "A" else 0.0)
    return make(replace(recipe, name=f"{recipe.name} {pose}", build=build))


def scaled_legs(character: Character, factor: float) -> Character:
    """The same rig with longer or shorter legs, standing on the floor; feet as they were."""
    recipe, build = character.recipe, character.recipe.build
    other = replace(build, thigh=build.thigh * factor, shin=build.shin * factor, knee_ahead=build.knee_ahead * factor)
    return make(replace(recipe, name=f"{recipe.name} legs {factor:g}", build=other))


def wide(character: Character) -> Character:
    """The same rig on a much broader body."""
    recipe, build = character.recipe, character.recipe.build
    broad = replace(build, hip_x=build.hip_x * 1.6, ankle_x=build.ankle_x * 2.0, shoulder_x=build.shoulder_x * 1.5)
    return make(replace(recipe, name=f"{recipe.name} wide", build=broad))


def renamed(character: Character, name: str, rename: Callable[[str, int], str]) -> Character:
    """The same rig with other names of bones, of which nobody has heard.

    Args:
        character: to be renamed.
        name: of the new one.
        rename: a bone's new name from its old one and its number.
    """
    return make(replace(character.recipe, name=name, known="", switches=(), rename=rename))


@cache
def make(recipe: Recipe) -> Character:
    """The character of a recipe."""
    rows = [_row(line, side, recipe) for line in recipe.rows.split("\n") if line.strip() for side in _sides(line)]
    places = body(recipe.build)
    names = [row.name for row in rows]
    number = {name: index for index, name in enumerate(names)}
    parents = np.array([number[row.parent] if row.parent else -1 for row in rows])
    assert len(number) == len(names), f"{recipe.name} has a name twice"
    assert all(parents < np.arange(len(names))), f"{recipe.name} has a child before its parent"
    heads = np.array([_place(row.place, row.side, places) for row in rows])
    ends = heads.copy()
    for index, row in enumerate(rows):
        first = int(np.argmax(parents == index))
        ends[index] = _place(row.end, row.side, places) if row.end else heads[first]
        assert np.linalg.norm(ends[index] - heads[index]) > 1e-3, f"{recipe.name}: {row.name} has no length"
    axes = np.array([_axes(row, heads[index], ends[index], recipe.axes) for index, row in enumerate(rows)])
    lengths = np.linalg.norm(ends - heads, axis=1)
    if recipe.axes in ("across", "upright"):
        lengths = np.maximum(0.4 * lengths, 0.02)
    heads, ends, axes = _in_armature(recipe, heads, ends, axes)
    lengths = lengths / recipe.unit_m
    called = {name: recipe.rename(name, index) for name, index in number.items()}
    assert len(set(called.values())) == len(called), recipe.name
    everything = np.ones(len(rows), bool)
    return Character(
        name=recipe.name,
        rig=Rig(
            tuple(called.values()), parents, heads, heads + rotate(axes, lengths[:, None] * [0.0, 1.0, 0.0]), axes,
            inherits=everything, local=everything,
        ),
        true_map=_true_map(rows, called, recipe),
        up=recipe.up,
        pose="A" if recipe.build.arms_down > 15.0 else "T",
        unit_m=recipe.unit_m,
        ends=ends,
        fingers=np.array([bool(_FINGER.match(row.place) and _FINGER.match(row.end)) for row in rows]),
        recipe=recipe,
    )  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """A row of a table for one side."""

    pattern: str
    name: str
    parent: str
    place: str
    end: str
    part: str
    twists: str
    along: float
    side: int


_FINGER = re.compile("thumb|index|middle|ring|pinky")


def _sides(line: str) -> tuple[int, ...]:
    return (0, 1) if "*" in line.split()[0] else (-1,)


def _row(line: str, side: int, recipe: Recipe) -> _Row:
    name, parent, place, *more = line.split()
    token = recipe.sides[side] if side >= 0 else ""
    end = next((word[1:] for word in more if word[0] == ">"), "")
    part = next((word[1:] for word in more if word[0] == "="), "")
    twists, _, along = next((word[1:] for word in more if word[0] == "~"), "").partition(":")
    prefix = f"{SIDES[side]}_" if side >= 0 else ""
    return _Row(
        name, name.replace("*", token), "" if parent == "-" else parent.replace("*", token), place, end,
        prefix + part if part else "", prefix + twists if twists else "", float(along or 0.0), side,
    )  # fmt: skip


def _place(word: str, side: int, places: dict[str, Array]) -> Array:
    """(3,) of a place of a table, metres."""
    both, _, share = word.partition(":")
    first, _, second = both.partition("/")
    point = places[first] if not second else places[first] + float(share) * (places[second] - places[first])
    return point * [-1.0, 1.0, 1.0] if side == 1 else point


def _axes(row: _Row, head: Array, end: Array, kind: Axes) -> Array:
    """(4,) quaternion of a bone's axes, in the axes of the body."""
    mirrored = -1.0 if row.side == 1 else 1.0
    way = (end - head) / np.linalg.norm(end - head)
    if kind == "upright":
        return _looking(UP, AHEAD)
    # Z to the front of what stands and hangs, to the top of what lies ahead: knees and elbows bend about x.
    near = UP if abs(way @ AHEAD) > 0.7 else AHEAD
    if kind == "across":
        front = near - (near @ way) * way
        y = front / np.linalg.norm(front)
        x = mirrored * way
        return from_matrices(np.stack([x, y, np.cross(x, y)], axis=-1))
    axes = _looking(way, near)
    if kind == "rolled":
        angle = np.radians(crc32(row.pattern.encode()) % 360 - 180) * mirrored
        axes = multiply(axes, from_axis_angles(np.array([0.0, angle, 0.0])))
    return axes


def _looking(y: Array, near_z: Array) -> Array:
    """(4,) quaternion of axes whose y is so and whose z is as near as can be to another direction."""
    x = np.cross(y, near_z)
    x = x / np.linalg.norm(x)
    return from_matrices(np.stack([x, y, np.cross(x, y)], axis=-1))


def _in_armature(recipe: Recipe, heads: Array, ends: Array, axes: Array) -> tuple[Array, Array, Array]:
    """Places and axes of the body in the armature's own units and axes."""
    turn = np.array([1.0, 0.0, 0.0, 0.0])
    if recipe.up == "Y":
        turn = from_axis_angles(np.array([-np.pi / 2, 0.0, 0.0]))
    return rotate(turn, heads) / recipe.unit_m, rotate(turn, ends) / recipe.unit_m, multiply(turn, axes)


def _true_map(rows: list[_Row], called: dict[str, str], recipe: Recipe) -> BoneMap:
    parts = tuple(
        MappedPart(part, bones)
        for part in PARTS
        if (bones := tuple(called[row.name] for row in rows if row.part == part))
    )
    twists = tuple(TwistBone(called[row.name], row.twists, row.along) for row in rows if row.twists)
    return BoneMap(parts, recipe.known, twists, switches=recipe.switches)


_ARP_SWITCHES = tuple(
    Switch(f"c_{limb}_ik.{side}", "ik_fk_switch", 1.0, 0.0) for limb in ("hand", "foot") for side in "lr"
)
_RECIPES = (
    Recipe(
        "Mixamo", tables.MIXAMO, ("Left", "Right"), axes="along", up="Y", unit_m=0.01, known="Mixamo",
        rename=lambda name, number: f"mixamorig:{name}",
        build=Build(pelvis_up=0.075, hollow=0.0, hunch=0.045, neck_lean=8.0, ankle=0.095, toes_out=8.0),
    ),
    Recipe(
        "Unreal 5", tables.UNREAL_5, ("l", "r"), axes="across", unit_m=0.01, known="Unreal 5",
        build=Build(
            thigh=0.45, shin=0.42, hip_x=0.1, ankle_x=0.15, arms_down=48.0, elbow_bend=22.0, torso=0.52, neck=0.11,
            neck_lean=24.0, hunch=0.05, shoulder_x=0.19, ankle=0.085, toes_out=12.0, pelvis_up=0.03,
        ),
    ),
    Recipe(
        "Unreal 4", tables.UNREAL_4, ("l", "r"), axes="across", unit_m=0.01, known="Unreal 4",
        build=Build(
            thigh=0.43, shin=0.41, ankle_x=0.14, arms_down=52.0, elbow_bend=15.0, ankle=0.13, neck_lean=20.0,
            shoulder_x=0.16,
        ),
    ),
    Recipe(
        "MPFB", tables.MPFB_DEFAULT, ("L", "R"), axes="rolled", known="MPFB",
        build=Build(
            arms_down=48.0, elbow_bend=40.0, hip_x=0.1, ankle_x=0.18, knee_ahead=0.02, pelvis_up=0.09, neck=0.13,
            neck_lean=14.0, hunch=0.06, hollow=0.03, ankle=0.07,
        ),
    ),
    Recipe(
        "MPFB game engine", tables.MPFB_GAME, ("l", "r"), axes="rolled", known="MPFB game engine",
        build=Build(arms_down=48.0, elbow_bend=40.0, hip_x=0.1, ankle_x=0.18, knee_ahead=0.02, neck=0.13, ankle=0.07),
    ),
    Recipe(
        "VRoid", tables.VROID, ("L", "R"), axes="along", known="VRoid",
        build=Build(
            thigh=0.37, shin=0.4, torso=0.36, neck=0.07, neck_lean=3.0, hunch=0.02, shoulder_x=0.1, upper_arm=0.21,
            forearm=0.21, hand=0.07, head=0.22, ankle=0.09, foot=0.11, hip_x=0.07, ankle_x=0.06, toes_out=0.0,
        ),
    ),
    Recipe(
        "Character Creator", tables.CHARACTER_CREATOR, ("L", "R"), axes="rolled", up="Y", unit_m=0.01,
        known="Character Creator",
        build=Build(thigh=0.46, shin=0.45, arms_down=33.0, elbow_bend=6.0, neck_lean=22.0, ankle=0.1, pelvis_up=0.02),
        a_pose=33.0,
    ),
    Recipe(
        "Auto-Rig Pro", tables.AUTO_RIG_PRO, ("l", "r"), axes="along", known="Auto-Rig Pro", switches=_ARP_SWITCHES,
        build=Build(arms_down=38.0, elbow_bend=9.0, knee_ahead=0.015, ankle_x=0.12, neck_lean=16.0, pelvis_up=0.08),
        a_pose=38.0,
    ),
    Recipe(
        "Daz", tables.DAZ_8, ("l", "r"), axes="rolled", up="Y", unit_m=0.01, known="Daz",
        build=Build(
            thigh=0.44, shin=0.43, arms_down=45.0, elbow_bend=3.0, ankle_x=0.13, neck_lean=26.0, pelvis_up=0.1,
            hunch=0.055, ankle=0.075, toes_out=10.0,
        ),
    ),
    Recipe(
        "Rigify metarig", tables.METARIG, ("L", "R"), axes="along", known="Rigify metarig", connected=True,
        build=Build(
            thigh=0.48, shin=0.47, arms_down=32.0, elbow_bend=14.0, neck=0.12, neck_lean=12.0, hunch=0.06,
            pelvis_up=0.04, knee_ahead=0.03, ankle=0.09, ankle_x=0.09,
        ),
        a_pose=32.0,
    ),
)  # fmt: skip
CHARACTERS = tuple(make(recipe) for recipe in _RECIPES)
"""Each rig in the pose its maker gives it."""


def character(name: str) -> Character:
    """One of ``CHARACTERS`` or ``SCRAMBLED`` by its name."""
    return next(one for one in (*CHARACTERS, *SCRAMBLED) if one.name == name)


SCRAMBLED = (
    make(
        Recipe(
            "German", tables.GERMAN, ("links", "rechts"), axes="rolled",
            build=Build(arms_down=40.0, elbow_bend=10.0, neck_lean=15.0),
        )
    ),
    renamed(CHARACTERS[1], "Prefixed", lambda name, number: f"chr_hero01:rig_v003:{name.upper()}_bn"),
    renamed(CHARACTERS[0], "Numbered", lambda name, number: f"Bone.{number:03d}" if number else "Bone"),
    make(
        Recipe(
            "Studio", tables.STUDIO, ("L", "R"), axes="upright", unit_m=0.1,
            build=Build(arms_down=42.0, elbow_bend=12.0, thigh=0.4, shin=0.44, hunch=0.05),
        )
    ),
    make(
        Recipe(
            "Spanish", tables.SPANISH, ("1", "2"), axes="rolled", up="Y", unit_m=0.01,
            rename=lambda name, number: f"pj07_{name}", build=Build(arms_down=25.0, neck_lean=10.0, ankle=0.1),
        )
    ),
)  # fmt: skip
"""Rigs nobody has heard of: another language, prefixed, without names, a studio's with helpers between, all at once."""
