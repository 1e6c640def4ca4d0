# SPDX-License-Identifier: GPL-3.0-or-later
"""Clean-up settings put on a take as a whole, also where the add-on is not switched on: without a window."""

import contextlib
from collections.abc import Iterator

import bpy

from .cleanup_properties import VIBE_Cleanup, register_cleanup, unregister_cleanup
from .live_cleanup import quiet
from .motion.settings import Cleanup
from .scene.cleaning import clean_up, keep_anchors
from .scene.contact_curves import keep_contacts
from .scene.takes import people


@contextlib.contextmanager
def cleanup_registered() -> Iterator[None]:
    """``collection.vibe_cleanup`` is there meanwhile, also where the add-on is not switched on."""
    if hasattr(bpy.types.Collection, "vibe_cleanup"):
        yield
        return
    bpy.utils.register_class(VIBE_Cleanup)
    register_cleanup()
    try:
        yield
    finally:
        unregister_cleanup()
        bpy.utils.unregister_class(VIBE_Cleanup)


def set_cleanup(collection: bpy.types.Collection, settings: Cleanup) -> None:
    """Shows a take as settings want it, and keeps them with it.

    Raises:
        CaptureError: as ``scene.cleaning.clean_up``.
    """
    for armature, person in people(collection):
        keep_contacts(armature, settings.feet.contacts.get(person.id))
        keep_anchors(armature, settings.root.anchors.get(person.id, ()))
    with quiet():
        collection.vibe_cleanup.take_over(settings)
    clean_up(collection, settings)
