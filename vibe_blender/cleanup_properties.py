# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of clean-up, saved with each take: ``collection.vibe_cleanup``; every change is shown at once.

A property is called after its field: ``smoothing_cutoff_hz`` is ``Cleanup.smoothing.cutoff_hz``, and the strengths by
region are ``strength_root`` and so on.
"""

from dataclasses import fields
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, PointerProperty

from .live_cleanup import changed, forget, quiet
from .motion.settings import Cleanup, Feet, Root, Smoothing, Strengths, View

LISTS = ("feet.contacts", "root.anchors", "view.path")
"""What is kept on the take and its armatures, see ``scene.cleaning.with_lists``."""
_SECTIONS = {"smoothing": Smoothing, "feet": Feet, "root": Root, "view": View}
_DEFAULT = Cleanup()
_STRENGTHS = "How much {} smoothed: 1 as set above, 0 not at all, 2 twice as much"


def _changed(settings: "VIBE_Cleanup", context: bpy.types.Context) -> None:
    changed(settings.id_data)


def _is_camera(settings: "VIBE_Cleanup", thing: bpy.types.Object) -> bool:
    return thing.type == "CAMERA"


def _number(section: str, field: str, name: str, description: str, **limits: Any) -> Any:
    default = getattr(getattr(_DEFAULT, section), field)
    return FloatProperty(name=name, description=description, default=default, options=set(), update=_changed, **limits)


def _switch(section: str, field: str, name: str, description: str) -> Any:
    default = getattr(getattr(_DEFAULT, section), field)
    return BoolProperty(name=name, description=description, default=default, options=set(), update=_changed)


def _choice(section: str, field: str, name: str, description: str, items: tuple[tuple[str, str, str], ...]) -> Any:
    default = getattr(getattr(_DEFAULT, section), field)
    return EnumProperty(
        name=name, description=description, items=items, default=default, options=set(), update=_changed
    )


def _strength(field: str, name: str, what: str) -> Any:
    return FloatProperty(
        name=name,
        description=_STRENGTHS.format(what),
        default=getattr(_DEFAULT.smoothing.strengths, field),
        min=0.0,
        max=10.0,
        soft_max=3.0,
        precision=2,
        options=set(),
        update=_changed,
    )


class VIBE_Cleanup(bpy.types.PropertyGroup):
    """What becomes of a take's motion; ``settings`` makes a ``Cleanup`` of it."""

    show_raw: BoolProperty(  # type: ignore[valid-type]
        name="Show Raw Motion",
        description="Show the motion as it was captured, to compare. The settings stay as they are",
        default=False,
        options=set(),
        update=_changed,
    )

    smoothing_method: _choice(  # type: ignore[valid-type]
        "smoothing",
        "method",
        "Filter",
        "How jitter is taken out",
        (
            ("none", "None", "Jitter stays"),
            ("adaptive", "Adaptive", "Smooths more where the capture is unsure, and keeps fast motion. Try this first"),
            ("gaussian", "Gaussian", "A soft mean over neighbouring frames"),
            ("savitzky_golay", "Savitzky–Golay", "Keeps peaks: a curve is laid through neighbouring frames"),
            ("butterworth", "Butterworth", "What motion laboratories use: a sharp limit between motion and jitter"),
            ("one_euro", "One Euro", "Smooths what is slow and lets fast motion through"),
        ),
    )
    smoothing_cutoff_hz: _number(  # type: ignore[valid-type]
        "smoothing",
        "cutoff_hz",
        "Cutoff (Hz)",
        "Motion faster than so many to-and-fros a second is taken out: walking has up to 6, fast dance up to 15. "
        "Lower is smoother",
        min=0.1,
        max=1000.0,
        soft_min=0.5,
        soft_max=20.0,
        step=10,
        precision=1,
    )
    smoothing_keep_fast: _number(  # type: ignore[valid-type]
        "smoothing",
        "keep_fast",
        "Keep Fast",
        "How much of a kick or a turn is kept by filters that can tell it from jitter",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    smoothing_repair: _switch(  # type: ignore[valid-type]
        "smoothing", "repair", "Mend Wild Frames", "Replace single frames that leap out of the motion around them"
    )
    smoothing_fill_s: _number(  # type: ignore[valid-type]
        "smoothing",
        "fill_s",
        "Fill Gaps Up To",
        "Stretches in which the person was not seen are filled up to this length; longer ones stay open",
        min=0.0,
        max=1000.0,
        soft_max=2.0,
        step=10,
        precision=2,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )
    strength_root: _strength("root", "Root", "the path and the turn of the pelvis are")  # type: ignore[valid-type]
    strength_spine: _strength("spine", "Spine", "the joints of the spine are")  # type: ignore[valid-type]
    strength_head: _strength("head", "Head", "neck and head are")  # type: ignore[valid-type]
    strength_arms: _strength("arms", "Arms", "collars, shoulders and elbows are")  # type: ignore[valid-type]
    strength_hands: _strength("hands", "Hands", "wrists and hands are")  # type: ignore[valid-type]
    strength_legs: _strength("legs", "Legs", "hips and knees are")  # type: ignore[valid-type]
    strength_feet: _strength("feet", "Feet", "ankles and balls of the feet are")  # type: ignore[valid-type]

    feet_lock: _choice(  # type: ignore[valid-type]
        "feet",
        "lock",
        "Foot Lock",
        "Whether feet that stand are held where they stand",
        (
            ("off", "Off", "For floor work, jumps on the spot, and treadmills"),
            ("auto", "Auto", "On, but off where no foot stands in the whole clip"),
            ("on", "On", "Always"),
        ),
    )
    feet_strength: _number(  # type: ignore[valid-type]
        "feet",
        "strength",
        "Strength",
        "How far a standing foot is moved to where it stands",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    feet_enter_m_s: _number(  # type: ignore[valid-type]
        "feet",
        "enter_m_s",
        "Stands Below",
        "A foot begins to stand where it is slower than this",
        min=0.0,
        max=100.0,
        soft_max=2.0,
        step=1,
        precision=2,
        unit="VELOCITY",
    )
    feet_leave_m_s: _number(  # type: ignore[valid-type]
        "feet",
        "leave_m_s",
        "Leaves Above",
        "A foot that stands has left where it is faster than this; lower than Stands Below, it counts as that",
        min=0.0,
        max=100.0,
        soft_max=2.0,
        step=1,
        precision=2,
        unit="VELOCITY",
    )
    feet_height_m: _number(  # type: ignore[valid-type]
        "feet",
        "height_m",
        "Height",
        "Only a foot below this height above the floor can stand",
        min=0.0,
        max=10.0,
        soft_max=0.3,
        step=1,
        precision=3,
        subtype="DISTANCE",
        unit="LENGTH",
    )
    feet_shortest_s: _number(  # type: ignore[valid-type]
        "feet",
        "shortest_s",
        "Shortest Contact",
        "Feet that stand shorter than this do not count as standing",
        min=0.0,
        max=100.0,
        soft_max=1.0,
        step=1,
        precision=2,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )
    feet_ease_s: _number(  # type: ignore[valid-type]
        "feet",
        "ease_s",
        "Ease",
        "How long before and after its contacts a foot is led there and back. Longer is softer",
        min=0.0,
        max=100.0,
        soft_max=1.0,
        step=1,
        precision=2,
        subtype="TIME_ABSOLUTE",
        unit="TIME_ABSOLUTE",
    )
    feet_clamp: _switch(  # type: ignore[valid-type]
        "feet", "clamp", "Keep above Floor", "No foot goes below the floor"
    )
    feet_bend_toes: _switch(  # type: ignore[valid-type]
        "feet", "bend_toes", "Bend Toes", "Toes stay on the floor and bend where the heel has left it"
    )
    feet_correct_root: _number(  # type: ignore[valid-type]
        "feet",
        "correct_root",
        "Correct Path",
        "How much of the slide of standing feet is taken out of the body's path instead of the legs",
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )

    root_mode: _choice(  # type: ignore[valid-type]
        "root",
        "mode",
        "Root",
        "What becomes of the way along the floor",
        (
            ("full", "Full", "The pelvis carries the whole path"),
            ("in_place", "In Place", "No way along the floor: for walk cycles and game engines"),
            ("line", "Straight Line", "The path is laid on the straight line nearest to it"),
            ("ground", "On Armature", "The armature itself goes along the floor, as root motion in game engines does"),
        ),
    )
    root_lock_height: _switch(  # type: ignore[valid-type]
        "root", "lock_height", "Lock Height", "The pelvis keeps its mean height"
    )
    root_heading_rad: _number(  # type: ignore[valid-type]
        "root",
        "heading_rad",
        "Heading",
        "Turns everybody about the vertical through the world's origin, counter-clockwise seen from above",
        min=-100.0,
        max=100.0,
        soft_min=-3.14159,
        soft_max=3.14159,
        step=100,
        precision=1,
        subtype="ANGLE",
        unit="ROTATION",
    )
    root_scale: _number(  # type: ignore[valid-type]
        "root",
        "scale",
        "Scale",
        "Of everybody and of all ways: the actor's true height over the captured one",
        min=0.001,
        max=1000.0,
        soft_min=0.5,
        soft_max=2.0,
        step=1,
        precision=3,
    )

    view_focal_scale: _number(  # type: ignore[valid-type]
        "view",
        "focal_scale",
        "Focal Length",
        "Of the camera that filmed, over what the capture took it for. A longer lens means that people were farther "
        "away",
        min=0.01,
        max=100.0,
        soft_min=0.3,
        soft_max=3.0,
        step=1,
        precision=3,
    )
    view_pitch_rad: _number(  # type: ignore[valid-type]
        "view",
        "pitch_rad",
        "Pitch",
        "Turns the camera down, in addition to what the capture found: where people lean or their way climbs",
        min=-100.0,
        max=100.0,
        soft_min=-0.785398,
        soft_max=0.785398,
        step=10,
        precision=2,
        subtype="ANGLE",
        unit="ROTATION",
    )
    view_roll_rad: _number(  # type: ignore[valid-type]
        "view",
        "roll_rad",
        "Roll",
        "Turns the camera clockwise, in addition to what the capture found: where the floor tilts sideways",
        min=-100.0,
        max=100.0,
        soft_min=-0.785398,
        soft_max=0.785398,
        step=10,
        precision=2,
        subtype="ANGLE",
        unit="ROTATION",
    )
    view_height_m: _number(  # type: ignore[valid-type]
        "view",
        "height_m",
        "Height",
        "Raises the camera and everybody it sees: where people float or stand in the floor",
        min=-10000.0,
        max=10000.0,
        soft_min=-2.0,
        soft_max=2.0,
        step=1,
        precision=3,
        subtype="DISTANCE",
        unit="LENGTH",
    )
    view_refit_floor: _switch(  # type: ignore[valid-type]
        "view", "refit_floor", "Find Floor Again", "Lay the floor below the feet that stand once more"
    )

    camera: PointerProperty(  # type: ignore[valid-type]
        name="Camera",
        description="A camera of the scene that moves as the one that filmed did",
        type=bpy.types.Object,
        poll=_is_camera,
        options=set(),
    )
    clip: PointerProperty(  # type: ignore[valid-type]
        name="Clip",
        description="A movie clip of the video whose camera was solved by Blender's motion tracking",
        type=bpy.types.MovieClip,
        options=set(),
    )

    def settings(self) -> Cleanup:
        """What it says; contacts, anchors and the path of the camera are not in it.

        Raises:
            CaptureError: ``bad_setting``.
        """
        strengths = Strengths(**{item.name: self._value(f"strength_{item.name}") for item in fields(Strengths)})
        feet = self._read("feet", Feet)
        feet["leave_m_s"] = max(feet["leave_m_s"], feet["enter_m_s"])
        return Cleanup(
            smoothing=Smoothing(**self._read("smoothing", Smoothing), strengths=strengths),
            feet=Feet(**feet),
            root=Root(**self._read("root", Root)),
            view=View(**self._read("view", View)),
        )

    def take_over(self, settings: Cleanup) -> None:
        """Makes the settings its own, and shows them once."""
        with quiet():
            for section, kind in _SECTIONS.items():
                for name in _names(section, kind):
                    setattr(self, f"{section}_{name}", getattr(getattr(settings, section), name))
            for item in fields(Strengths):
                setattr(self, f"strength_{item.name}", getattr(settings.smoothing.strengths, item.name))
        changed(self.id_data)

    def _read(self, section: str, kind: type) -> dict[str, Any]:
        return {name: self._value(f"{section}_{name}") for name in _names(section, kind)}

    def _value(self, name: str) -> Any:
        """Blender's numbers are of single precision: 0.12 comes back as 0.1199999973."""
        value = getattr(self, name)
        return float(f"{value:.6g}") if isinstance(value, float) else value


def _names(section: str, kind: type) -> list[str]:
    """The single settings of a section."""
    names = [item.name for item in fields(kind) if item.name != "strengths"]
    return [name for name in names if f"{section}.{name}" not in LISTS]


def register_cleanup() -> None:
    """Adds ``collection.vibe_cleanup``; its class is registered before."""
    bpy.types.Collection.vibe_cleanup = PointerProperty(type=VIBE_Cleanup)


def unregister_cleanup() -> None:
    """Removes it; what files have saved in it stays there."""
    del bpy.types.Collection.vibe_cleanup
    forget()


CLASSES = (VIBE_Cleanup,)
