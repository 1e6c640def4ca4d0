# SPDX-License-Identifier: GPL-3.0-or-later
"""Every class Blender has to know, in the order in which it learns of them."""

import atexit

import bpy

from . import availability, confidence_strip, installing, menus, panels, session
from .operators import (
    capture,
    choose_video,
    confidence,
    delete_take,
    install,
    open_take,
    people,
    presets,
    published,
    rename_take,
    resolve_range,
    view_take,
)
from .preferences import VIBE_Preferences
from .properties import VIBE_CaptureSettings, register_properties, unregister_properties

CLASSES = (
    VIBE_Preferences,
    VIBE_CaptureSettings,
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
    *panels.CLASSES,
    *menus.CLASSES,
)


def register() -> None:
    """Adds everything to Blender."""
    for each in CLASSES:
        bpy.utils.register_class(each)
    register_properties()
    for name, handler in session.HANDLERS:
        getattr(bpy.app.handlers, name).append(handler)
    menus.add_menus()
    confidence_strip.enable()
    atexit.register(session.kill)


def unregister() -> None:
    """Ends what runs, and takes everything away again."""
    atexit.unregister(session.kill)
    session.stop()
    availability.stop()
    installing.stop()
    confidence_strip.disable()
    menus.remove_menus()
    for name, handler in session.HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if handler in handlers:
            handlers.remove(handler)
    unregister_properties()
    for each in reversed(CLASSES):
        bpy.utils.unregister_class(each)
