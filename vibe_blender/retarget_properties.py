# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set about a character that takes over motion, saved with it: ``object.vibe_retarget``.

Its bone map is kept there as one text. The rows of the list (``scene.vibe_retargeting.parts``) only show and edit that,
so that undo, characters linked from other files and several scenes agree on it.
"""

import math
from collections.abc import Callable
from typing import Any

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .character_maps import detect, forget_notes, is_changeable, map_in, set_part
from .live_retarget import changed, forget
from .motion.retargeting.bone_map import MOST_BONES, PARTS, BoneMap
from .motion.retargeting.settings import NAMES, RANGES, Retarget
from .scene.takes import people, take_record

SLOTS = ("bone", *(f"bone_{number}" for number in range(2, MOST_BONES + 1)))
"""The fields of a row: the bones of a part."""
ANGLES = {"heading_deg": "heading_rad", "arm_spread_deg": "arm_spread_rad", "foot_spread_deg": "foot_spread_rad"}
"""Settings in degrees, and their properties in radians, as Blender shows angles."""
_OVERRIDE = {"LIBRARY_OVERRIDABLE"}
_DEFAULT = Retarget()


def _changed(group: "VIBE_Retarget", context: bpy.types.Context) -> None:
    changed(group.id_data)


def _number(field: str, name: str, description: str, **limits: Any) -> Any:
    low, high = RANGES[field]
    default = getattr(_DEFAULT, field)
    if field in ANGLES:
        low, high, default = math.radians(low), math.radians(high), math.radians(default)
        limits |= {"subtype": "ANGLE", "unit": "ROTATION", "step": 100, "precision": 1}
    return FloatProperty(
        name=name,
        description=description,
        default=default,
        min=low,
        max=high,
        options=set(),
        override=_OVERRIDE,
        update=_changed,
        **limits,
    )


def _switch(field: str, name: str, description: str) -> Any:
    return BoolProperty(
        name=name,
        description=description,
        default=getattr(_DEFAULT, field),
        options=set(),
        override=_OVERRIDE,
        update=_changed,
    )


def _choice(field: str, name: str, description: str, items: tuple[tuple[str, str, str], ...]) -> Any:
    return EnumProperty(
        name=name,
        description=description,
        items=items,
        default=getattr(_DEFAULT, field),
        options=set(),
        override=_OVERRIDE,
        update=_changed,
    )


def of_a_take(thing: bpy.types.Object) -> bool:
    """Whether an object is the armature of a captured person."""
    homes = [home for home in thing.users_collection if take_record(home) is not None]
    return any(thing == armature for home in homes for armature, _ in people(home))


def _may_be_source(group: "VIBE_Retarget", thing: bpy.types.Object) -> bool:
    return thing.type == "ARMATURE" and thing != group.id_data


def _may_be_target(group: "VIBE_Retargeting", thing: bpy.types.Object) -> bool:
    return thing.type == "ARMATURE" and not of_a_take(thing)


def _target_chosen(group: "VIBE_Retargeting", context: bpy.types.Context) -> None:
    """The bones of a new target are found at once."""
    group.fill()
    if group.target is not None and not group.target.vibe_retarget.map_text and is_changeable(group.target):
        detect(group.target)


def _get_bone(slot: int) -> Callable[["VIBE_RetargetPart"], str]:
    def get(row: "VIBE_RetargetPart") -> str:
        bones = row.bones()
        return bones[slot] if slot < len(bones) else ""

    return get


def _set_bone(slot: int) -> Callable[["VIBE_RetargetPart", str], None]:
    def set_(row: "VIBE_RetargetPart", bone: str) -> None:
        target = row.id_data.vibe_retargeting.target
        if target is not None and is_changeable(target):
            bones = list(row.bones())
            bones[slot : slot + 1] = [bone] if bone else []
            set_part(target, row.name, bones)

    return set_


def _slot(number: int) -> Any:
    return StringProperty(
        name="Bone",
        description="The bone that is this part of the body; empty it where the character has none",
        get=_get_bone(number),
        set=_set_bone(number),
        options=set(),
    )


class VIBE_RetargetPart(bpy.types.PropertyGroup):
    """One row of the list: a part of the body, called ``name``, and its bones."""

    bone: _slot(0)  # type: ignore[valid-type]
    bone_2: _slot(1)  # type: ignore[valid-type]
    bone_3: _slot(2)  # type: ignore[valid-type]
    bone_4: _slot(3)  # type: ignore[valid-type]
    bone_5: _slot(4)  # type: ignore[valid-type]
    bone_6: _slot(5)  # type: ignore[valid-type]

    def bones(self) -> tuple[str, ...]:
        """As the target's map has them."""
        target = self.id_data.vibe_retargeting.target
        return target.vibe_retarget.bone_map().bones(self.name) if target is not None else ()


class VIBE_Retargeting(bpy.types.PropertyGroup):
    """Which character the panel is about: ``scene.vibe_retargeting``."""

    target: PointerProperty(  # type: ignore[valid-type]
        name="Target",
        description="The character that takes over the motion: its armature",
        type=bpy.types.Object,
        poll=_may_be_target,
        update=_target_chosen,
        options=set(),
    )
    parts: CollectionProperty(type=VIBE_RetargetPart)  # type: ignore[valid-type]
    row: IntProperty(name="Part of the Body", options=set())  # type: ignore[valid-type]

    def fill(self) -> None:
        """Makes the rows of the list."""
        if [row.name for row in self.parts] != list(PARTS):
            self.parts.clear()
            for part in PARTS:
                self.parts.add().name = part


class VIBE_Retarget(bpy.types.PropertyGroup):
    """How a character takes over motion; ``settings`` makes a ``Retarget`` of it."""

    source_from: EnumProperty(  # type: ignore[valid-type]
        name="Motion From",
        description="Whose motion the character takes over",
        items=(
            ("take", "Captured Person", "The person of the active take whom you have selected, else its first"),
            ("other", "Other Armature", "Any armature that moves and whose bones are recognised"),
        ),
        options=set(),
        override=_OVERRIDE,
    )
    source: PointerProperty(  # type: ignore[valid-type]
        name="Source",
        description="The armature whose motion is taken over",
        type=bpy.types.Object,
        poll=_may_be_source,
        options=set(),
        override=_OVERRIDE,
    )
    map_text: StringProperty(  # type: ignore[valid-type]
        name="Bone Map",
        description="Which bones are which parts of the body, as JSON",
        options=set(),
        override=_OVERRIDE,
    )
    adjusting: StringProperty(  # type: ignore[valid-type]
        name="Before the Alignment",
        description="The pose that comes back afterwards",
        options=set(),
        override=_OVERRIDE,
    )
    adjusting_action: PointerProperty(  # type: ignore[valid-type]
        name="Action Before the Alignment", type=bpy.types.Action, options=set(), override=_OVERRIDE
    )
    followed: PointerProperty(  # type: ignore[valid-type]
        name="Linked To", description="What it follows live", type=bpy.types.Object, options=set(), override=_OVERRIDE
    )

    place: _choice(  # type: ignore[valid-type]
        "place",
        "Where",
        "Where in the scene the motion plays",
        (
            ("object", "At the Character", "Where the character stands, and the way it faces"),
            ("world", "At the Source", "Where the captured person is, so that several people stay together"),
        ),
    )
    root: _choice(  # type: ignore[valid-type]
        "root",
        "Who Walks",
        "Which bone carries the way along the floor",
        (
            ("hips", "Hips", "The hips carry the whole way. Try this first"),
            ("root", "Root Bone", "The root goes along the floor below the hips, as game engines want it"),
            ("in_place", "In Place", "Nobody: the character walks on the spot"),
        ),
    )
    lock_height: _switch(  # type: ignore[valid-type]
        "lock_height", "Lock Height", "The hips stay as high as they are at rest: no jump, no crouch"
    )
    path_scale: _number(  # type: ignore[valid-type]
        "path_scale",
        "Length of Steps",
        "How far the character gets: 1 suits its legs, 0 leaves it where it is",
        soft_max=3.0,
        step=1,
        precision=3,
    )
    heading_rad: _number(  # type: ignore[valid-type]
        "heading_deg",
        "Heading",
        "Turns the whole motion about the vertical, counter-clockwise seen from above",
        soft_min=-math.pi,
        soft_max=math.pi,
    )
    feet: _number(  # type: ignore[valid-type]
        "feet",
        "Hold Feet",
        "How much feet that stand in the capture stand still on the character, whose legs are longer or shorter",
        subtype="FACTOR",
    )
    hands: _number(  # type: ignore[valid-type]
        "hands",
        "Keep Reach",
        "0 keeps the angles of the arms; 1 keeps where the hands are to body, head and each other: for claps, and for "
        "hands on the hips",
        subtype="FACTOR",
    )
    twist: _number(  # type: ignore[valid-type]
        "twist",
        "Twist Bones",
        "How much of an arm's or a leg's roll its twist bones take. Leave it at 0 where the rig does that itself",
        subtype="FACTOR",
    )
    align_trunk: _switch(  # type: ignore[valid-type]
        "align_trunk",
        "Adopt Posture",
        "Back, neck and collar bones point as the source's do. Off, the character keeps its own posture",
    )
    arm_spread_rad: _number(  # type: ignore[valid-type]
        "arm_spread_deg", "Spread Arms", "Hanging arms further from the body: for wide characters"
    )
    foot_spread_rad: _number(  # type: ignore[valid-type]
        "foot_spread_deg", "Spread Legs", "Thighs further apart: for wide characters"
    )
    limbs: _choice(  # type: ignore[valid-type]
        "limbs",
        "Arms and Legs",
        "Which controls get keys, where the rig has both kinds. Its switches are set to them",
        (
            ("fk", "FK", "Every joint turns as in the capture. Try this first"),
            ("ik", "IK", "Hands and feet are placed, and knees and elbows follow: easier to edit by hand"),
        ),
    )
    result: _choice(  # type: ignore[valid-type]
        "result",
        "Bake To",
        "What becomes of the animation that the character has already. It is kept in any case",
        (
            ("action", "New Action", "A new action takes the place of the one before, which stays in the file"),
            ("nla", "NLA Strip", "A new strip above what is there, in its place"),
            (
                "additive",
                "Additive Strip",
                "A new strip that adds how the motion changes since its first frame to what is there",
            ),
        ),
    )

    def settings(self) -> Retarget:
        """What it says.

        Raises:
            CaptureError: ``bad_setting``.
        """
        return Retarget(**{name: self._value(name) for name in NAMES})

    def bone_map(self) -> BoneMap:
        """Which bones are which parts of the body; an empty map where that is not known."""
        return map_in(self.map_text)

    def _value(self, name: str) -> Any:
        """Blender's numbers are of single precision: 0.12 comes back as 0.1199999973."""
        value = getattr(self, ANGLES.get(name, name))
        if not isinstance(value, float):
            return value
        low, high = RANGES[name]
        value = float(f"{math.degrees(value) if name in ANGLES else value:.6g}")
        return min(max(value, low), high)


def register_retargeting() -> None:
    """Adds ``object.vibe_retarget`` and ``scene.vibe_retargeting``; their classes are registered before."""
    bpy.types.Object.vibe_retarget = PointerProperty(type=VIBE_Retarget, override=_OVERRIDE)
    bpy.types.Scene.vibe_retargeting = PointerProperty(type=VIBE_Retargeting)


def unregister_retargeting() -> None:
    """Removes them; what files have saved in them stays there."""
    del bpy.types.Scene.vibe_retargeting
    del bpy.types.Object.vibe_retarget
    forget()
    forget_notes()


CLASSES = (VIBE_RetargetPart, VIBE_Retargeting, VIBE_Retarget)
