# SPDX-License-Identifier: GPL-3.0-or-later
"""VIBE for Blender: the Blender half. Importing it needs no Blender; ``register`` does."""


def register() -> None:
    """Called by Blender when the add-on is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the add-on is disabled, also in the middle of a capture."""
    from . import registration

    registration.unregister()
