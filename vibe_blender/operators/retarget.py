# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion taken over by a character: which one, the live link, the bake, and many at once."""

import bpy
from bpy.props import BoolProperty, CollectionProperty

from .. import live_retarget, retarget_baking
from ..character_maps import detect, is_changeable
from ..contract.errors import CaptureError
from ..motion.retargeting.bone_map import NEEDED, spoken
from ..retarget_baking import Work
from ..retarget_properties import of_a_take
from ..scene.retargeting.leader import is_bound
from ..scene.retargeting.live import bind, unbind
from ..scene.retargeting.rigs import is_plain
from ..scene.takes import people, take_collections
from .active import UNDO
from .bone_mapping import tell_note
from .characters import chosen_target, free, no_mapping, no_pair, no_target, offered, pair, the_target
from .reporting import Reporting


class VIBE_OT_use_as_target(Reporting, bpy.types.Operator):
    """Give the motion to the selected character, and recognise its bones"""

    bl_idname = "vibe.use_as_target"
    bl_label = "Use Selected Armature"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        found = offered(context)
        return free(cls, "" if found is not None else "Select the character's armature, or a mesh that it moves")

    def run(self, context: bpy.types.Context) -> None:
        """Chooses it."""
        context.scene.vibe_retargeting.target = target = offered(context)
        tell_note(self, target)


class VIBE_OT_bind_target(Reporting, bpy.types.Operator):
    """Let the character follow live: it moves along with every change of clean-up, settings and bones, until you bake
    or unbind. Its own animation is not changed"""

    bl_idname = "vibe.bind_target"
    bl_label = "Bind"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return free(cls, no_pair(context))

    def run(self, context: bpy.types.Context) -> None:
        """Links it."""
        source, target = pair(context)
        group = target.vibe_retarget
        bind(source, target, group.bone_map(), group.settings())
        group.followed = source
        live_retarget.settled(target)


class VIBE_OT_unbind_target(Reporting, bpy.types.Operator):
    """End the live link: the character is as it was before"""

    bl_idname = "vibe.unbind_target"
    bl_label = "Unbind"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        target, reason = chosen_target(context), no_target(context)
        if target is not None and not reason and not is_bound(target):
            reason = "The character follows nobody"
        return free(cls, reason)

    def run(self, context: bpy.types.Context) -> None:
        """Unlinks it."""
        target = the_target(context)
        unbind(target)
        target.vibe_retarget.followed = None
        live_retarget.settled(target)


class VIBE_OT_update_link(Reporting, bpy.types.Operator):
    """Compute the motion of the linked character anew"""

    bl_idname = "vibe.update_link"
    bl_label = "Update Link"
    bl_options = UNDO

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        target, reason = chosen_target(context), no_mapping(context)
        if target is not None and not reason and not is_bound(target):
            reason = "The character follows nobody"
        return free(cls, reason)

    def run(self, context: bpy.types.Context) -> None:
        """Lets it follow."""
        target = the_target(context)
        live_retarget.refresh(target)
        if (error := live_retarget.problem(target)) is not None:
            raise error


class VIBE_OT_retarget(Reporting, bpy.types.Operator):
    """Give the character the motion as keys. Animation that it has already is kept in the file"""

    bl_idname = "vibe.retarget"
    bl_label = "Bake"  # its undo step is made when it is done

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return free(cls, no_pair(context))

    def run(self, context: bpy.types.Context) -> None:
        """At once where that takes no time: a captured person for a plain rig; else while Blender can be used."""
        source, target = pair(context)
        plain = of_a_take(source) and is_plain(target, target.vibe_retarget.bone_map())
        quick = bpy.app.background or plain
        baking = retarget_baking.start((Work.of(source, target),), at_once=quick)
        if quick:
            _tell(self, baking)


class VIBE_RetargetChoice(bpy.types.PropertyGroup):
    """A take or a character in the dialog of the batch, called ``name``."""

    chosen: BoolProperty(name="Chosen", default=True)  # type: ignore[valid-type]


class VIBE_OT_retarget_batch(Reporting, bpy.types.Operator):
    """Give several takes to several characters: every person of every take to every character, each as an action of its
    own. Characters are baked as their own settings say"""

    bl_idname = "vibe.retarget_batch"
    bl_label = "Batch…"

    takes: CollectionProperty(type=VIBE_RetargetChoice, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    targets: CollectionProperty(type=VIBE_RetargetChoice, options={"SKIP_SAVE"})  # type: ignore[valid-type]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if not take_collections(context.scene):
            return free(cls, "Capture a video or open a take first")
        if retarget_baking.current() is not None:
            return free(cls, "Motion is being baked: wait for its end, or cancel it")
        return free(cls, "" if _characters(context) else "Select the characters' armatures, or choose one above")

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Asks which."""
        self._offer(context)
        return context.window_manager.invoke_props_dialog(self, confirm_text="Bake")

    def draw(self, context: bpy.types.Context) -> None:
        """Takes beside characters."""
        row = self.layout.row()
        for heading, choices, icon in (
            ("Takes", self.takes, "FILE_MOVIE"),
            ("Characters", self.targets, "ARMATURE_DATA"),
        ):
            column = row.column()
            column.label(text=heading)
            for choice in choices:
                column.prop(choice, "chosen", text=choice.name, icon=icon)

    def run(self, context: bpy.types.Context) -> None:
        """One after the other."""
        if not self.takes and not self.targets:
            self._offer(context)
        takes = [item for item in take_collections(context.scene) if _is_chosen(self.takes, item)]
        targets = [item for item in _characters(context) if _is_chosen(self.targets, item)]
        sources = [armature for take in takes for armature, _ in people(take)]
        if not sources or not targets:
            raise CaptureError("none_chosen", "No take or no character is chosen.", "Choose one of each at least.")
        for target in targets:
            _check_ready(target)
        works = tuple(Work.of(source, target, keep=True) for target in targets for source in sources)
        baking = retarget_baking.start(works, at_once=bpy.app.background)
        if bpy.app.background:
            _tell(self, baking)

    def _offer(self, context: bpy.types.Context) -> None:
        for choices, things in ((self.takes, take_collections(context.scene)), (self.targets, _characters(context))):
            choices.clear()
            for thing in things:
                choices.add().name = thing.name


class VIBE_OT_cancel_retarget(bpy.types.Operator):
    """Stop baking. The character at work stays as it was; those that are done stay done"""

    bl_idname = "vibe.cancel_retarget"
    bl_label = "Cancel Baking"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return free(cls, "" if retarget_baking.current() is not None else "Nothing is being baked")

    def execute(self, context: bpy.types.Context) -> set[str]:
        """At the next tick."""
        retarget_baking.cancel()
        return {"FINISHED"}


class VIBE_OT_dismiss_retarget(bpy.types.Operator):
    """Close this message"""

    bl_idname = "vibe.dismiss_retarget"
    bl_label = "Close"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forgets it."""
        retarget_baking.dismiss()
        return {"FINISHED"}


def _tell(operator: bpy.types.Operator, baking: retarget_baking.Baking) -> None:
    """Reports what was baked.

    Raises:
        CaptureError: what went wrong, where nothing was.
    """
    if baking.errors and not baking.made:
        raise baking.errors[0][1]
    told = baking.told()
    operator.report({"INFO"}, told.text)
    for text in told.notes:
        operator.report({"WARNING"} if baking.errors else {"INFO"}, text)


def _characters(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The selected armatures that are no people of takes, else the chosen target."""
    selected = [thing for thing in context.view_layer.objects if thing.select_get(view_layer=context.view_layer)]
    found = [thing for thing in selected if thing.type == "ARMATURE" and not of_a_take(thing)]
    target = chosen_target(context)
    return [thing for thing in found or [target] if thing is not None and is_changeable(thing)]


def _is_chosen(choices: bpy.types.bpy_prop_collection, thing: bpy.types.ID) -> bool:
    choice = choices.get(thing.name)
    return choice is not None and choice.chosen


def _check_ready(target: bpy.types.Object) -> None:
    """Finds the bones of a character that has not been a target yet.

    Raises:
        CaptureError: ``part_missing``, ``adjusting``.
    """
    group = target.vibe_retarget
    if group.adjusting:
        raise CaptureError("adjusting", f"{target.name} shows its alignment.", "Apply or cancel that first.")
    if not group.map_text:
        detect(target)
    bone_map = group.bone_map()
    lacking = [spoken(part) for part in NEEDED if not bone_map.bones(part)]
    if lacking:
        raise CaptureError(
            "part_missing",
            f"No bone of {target.name} is mapped to: {', '.join(lacking)}.",
            "Make it the target and choose them in the list of bones.",
        )


CLASSES = (
    VIBE_RetargetChoice,
    VIBE_OT_use_as_target,
    VIBE_OT_bind_target,
    VIBE_OT_unbind_target,
    VIBE_OT_update_link,
    VIBE_OT_retarget,
    VIBE_OT_retarget_batch,
    VIBE_OT_cancel_retarget,
    VIBE_OT_dismiss_retarget,
)
