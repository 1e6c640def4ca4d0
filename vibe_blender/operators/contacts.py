# SPDX-License-Identifier: GPL-3.0-or-later
"""When a foot stands: added, cut, moved, and gone back to what was found."""

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty

from .. import contact_strip
from ..contract.errors import CaptureError
from ..motion.contact_ranges import at, cut, merged, moved
from ..motion.settings import FEET, PARTS, Contact
from ..scene.cleaning import keep_shown_contacts, shown_contacts, video_frame
from ..scene.contact_curves import keep_contacts
from ..scene.takes import people
from .active import UNDO, TakeInScene, chosen_person, has_editable_take, named_take
from .cleanup import show
from .reporting import Reporting

_FEET = tuple((foot, foot.title(), f"The {foot} foot") for foot in FEET)
_PARTS = (
    ("both", "Heel and Toe", "The whole foot"),
    ("heel", "Heel", "The heel"),
    ("toe", "Toe", "The ball of the foot"),
)


class _OfContact(Reporting):
    """An operator on the contacts of one foot of the chosen person."""

    bl_options = UNDO

    foot: EnumProperty(name="Foot", items=_FEET)  # type: ignore[valid-type]
    part: EnumProperty(name="Part", items=_PARTS)  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)

    @property
    def parts(self) -> tuple[str, ...]:
        """Which of them."""
        return PARTS if self.part == "both" else (self.part,)


def _stretch(context: bpy.types.Context, take: TakeInScene) -> tuple[int, int]:
    """Video frames of the timeline's preview range, where there is one, else the current frame; both included."""
    scene = context.scene
    here = (scene.frame_current, scene.frame_current)
    first, last = (scene.frame_preview_start, scene.frame_preview_end) if scene.use_preview_range else here
    return video_frame(take.record, first), video_frame(take.record, last)


class VIBE_OT_set_contact(_OfContact, bpy.types.Operator):
    """Let the foot stand, or not, at the current frame; in the preview range (P in the timeline) where there is one"""

    bl_idname = "vibe.set_contact"
    bl_label = "Set Contact"

    stands: BoolProperty(name="Stands", default=True)  # type: ignore[valid-type]
    length: IntProperty(  # type: ignore[valid-type]
        name="Video Frames",
        description="How many video frames it lasts, where there is no preview range",
        default=6,
        min=1,
        max=1000,
    )

    def run(self, context: bpy.types.Context) -> None:
        """Changes the contacts, and the motion with them."""
        take = named_take("", context)
        armature = chosen_person(context, take.collection)
        first, last = _stretch(context, take)
        if not context.scene.use_preview_range and self.stands:
            last = min(first + self.length - 1, take.record.first_frame + take.record.frame_count - 1)
        contacts = shown_contacts(take.collection, armature)
        for part in self.parts:
            change = Contact(self.foot, part, first, last)
            contacts = merged([*contacts, change]) if self.stands else cut(contacts, change)
        keep_shown_contacts(take.collection, armature, contacts)
        show(self, take.collection)


class VIBE_OT_move_contact(_OfContact, bpy.types.Operator):
    """Move the contact at the current frame, or one end of it, by some video frames"""

    bl_idname = "vibe.move_contact"
    bl_label = "Move Contact"

    first: IntProperty(  # type: ignore[valid-type]
        name="Begin Later By", description="Video frames; earlier below 0", default=0, min=-1000, max=1000
    )
    last: IntProperty(  # type: ignore[valid-type]
        name="End Later By", description="Video frames; earlier below 0", default=0, min=-1000, max=1000
    )

    def run(self, context: bpy.types.Context) -> None:
        """Moves it."""
        take = named_take("", context)
        armature = chosen_person(context, take.collection)
        frame = video_frame(take.record, context.scene.frame_current)
        limits = take.record.first_frame, take.record.first_frame + take.record.frame_count - 1
        contacts, found = shown_contacts(take.collection, armature), False
        for part in self.parts:
            contact = at(contacts, self.foot, part, frame)
            if contact is not None:
                found = True
                first, last = contact.first + self.first, contact.last + self.last
                contacts = moved(contacts, contact, first, last, limits)
        if not found:
            raise CaptureError(
                "no_contact", f"The {self.foot} foot does not stand here.", "Go to a frame in which it does."
            )
        keep_shown_contacts(take.collection, armature, contacts)
        show(self, take.collection)


class VIBE_OT_delete_contact(_OfContact, bpy.types.Operator):
    """Delete the whole contact at the current frame"""

    bl_idname = "vibe.delete_contact"
    bl_label = "Delete Contact"

    def run(self, context: bpy.types.Context) -> None:
        """Deletes it."""
        take = named_take("", context)
        armature = chosen_person(context, take.collection)
        frame = video_frame(take.record, context.scene.frame_current)
        contacts = shown_contacts(take.collection, armature)
        gone = [at(contacts, self.foot, part, frame) for part in self.parts]
        if gone == [None] * len(gone):
            raise CaptureError(
                "no_contact", f"The {self.foot} foot does not stand here.", "Go to a frame in which it does."
            )
        keep_shown_contacts(take.collection, armature, tuple(item for item in contacts if item not in gone))
        show(self, take.collection)


class VIBE_OT_found_contacts(Reporting, bpy.types.Operator):
    """Go back to the contacts that are found in the motion, for everybody in the take"""

    bl_idname = "vibe.found_contacts"
    bl_label = "Back to Found Contacts"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return has_editable_take(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Forgets what was edited."""
        collection = named_take("", context).collection
        for armature, _ in people(collection):
            keep_shown_contacts(collection, armature, shown_contacts(collection, armature))
            keep_contacts(armature, None)
        show(self, collection)


class VIBE_OT_toggle_contacts(bpy.types.Operator):
    """Show in the timeline when feet stand: left blue, right red, heel above toe"""

    bl_idname = "vibe.toggle_contacts"
    bl_label = "Contact Strip"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Switches it on or off."""
        (contact_strip.disable if contact_strip.enabled() else contact_strip.enable)()
        return {"FINISHED"}


CLASSES = (
    VIBE_OT_set_contact,
    VIBE_OT_move_contact,
    VIBE_OT_delete_contact,
    VIBE_OT_found_contacts,
    VIBE_OT_toggle_contacts,
)
