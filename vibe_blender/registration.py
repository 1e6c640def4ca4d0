# SPDX-License-Identifier: GPL-3.0-or-later
"""Every class Blender has to know, in the order in which it learns of them."""

import atexit

import bpy

from . import (
    availability,
    cleanup_numbers,
    cleanup_panel,
    cleanup_properties,
    confidence_strip,
    contact_strip,
    contact_watch,
    export_check,
    export_panel,
    export_properties,
    installing,
    menus,
    panels,
    raw_ghost,
    retarget_baking,
    retarget_panel,
    retarget_properties,
    session,
)
from .operators import (
    bone_mapping,
    capture,
    choose_video,
    cleanup,
    confidence,
    contacts,
    delete_take,
    exporting,
    install,
    moving_camera,
    open_take,
    people,
    presets,
    published,
    rename_take,
    resolve_range,
    retarget,
    rig_adjusting,
    view_take,
)
from .preferences import VIBE_Preferences
from .properties import VIBE_CaptureSettings, register_properties, unregister_properties
from .scene import raw_takes

CLASSES = (
    VIBE_Preferences,
    VIBE_CaptureSettings,
    *cleanup_properties.CLASSES,
    *retarget_properties.CLASSES,
    *export_properties.CLASSES,
    *install.CLASSES,
    *choose_video.CLASSES,
    *capture.CLASSES,
    *open_take.CLASSES,
    *view_take.CLASSES,
    *rename_take.CLASSES,
    *delete_take.CLASSES,
    *people.CLASSES,
    *confidence.CLASSES,
    *resolve_range.CLASSES,
    *presets.CLASSES,
    *published.CLASSES,
    *cleanup.CLASSES,
    *contacts.CLASSES,
    *moving_camera.CLASSES,
    *retarget.CLASSES,
    *bone_mapping.CLASSES,
    *rig_adjusting.CLASSES,
    *exporting.CLASSES,
    *panels.CLASSES,
    *cleanup_panel.CLASSES,
    *retarget_panel.CLASSES,
    *export_panel.CLASSES,
    *menus.CLASSES,
)
_HANDLERS = (*session.HANDLERS, *contact_watch.HANDLERS, *retarget_baking.HANDLERS)


def register() -> None:
    """Adds everything to Blender."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    register_properties()
    cleanup_properties.register_cleanup()
    retarget_properties.register_retargeting()
    export_properties.register_export()
    for name, handler in _HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)
    menus.add_menus()
    confidence_strip.enable()
    contact_strip.enable()
    atexit.register(session.kill)


def unregister() -> None:
    """Ends what runs, and takes everything away again."""
    atexit.unregister(session.kill)
    session.stop()
    retarget_baking.stop()
    export_check.stop()
    availability.stop()
    installing.stop()
    confidence_strip.disable()
    contact_strip.disable()
    raw_ghost.disable()
    contact_watch.stop()
    cleanup_numbers.forget()
    raw_takes.forget()
    menus.remove_menus()
    for name, handler in _HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
    export_properties.unregister_export()
    retarget_properties.unregister_retargeting()
    cleanup_properties.unregister_cleanup()
    unregister_properties()
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
