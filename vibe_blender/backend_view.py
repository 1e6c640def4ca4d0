# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's state with the buttons that mend it: the same in the preferences and in the sidebar."""

from __future__ import annotations

import bpy

from . import installing
from .client.installation import Step
from .contract.errors import CaptureError
from .places import home, preferences
from .text_view import draw_text

_HEADLINES = {
    "absent": "The backend is not installed",
    "outdated": "The backend is from another version",
    "broken": "The backend needs a repair",
}
_INSTALL = {"absent": "Install Backend", "outdated": "Update Backend", "broken": "Repair Backend"}


def draw_backend(layout: bpy.types.UILayout, context: bpy.types.Context, *, everything: bool) -> None:
    """Draws what the user has to know and can do.

    Args:
        layout: a box.
        context: as given to a panel.
        everything: also what is only of interest in the preferences.
    """
    running = installing.running()
    if running is not None:
        _draw_progress(layout, context, running.step)
        return
    if installing.removing():
        layout.label(text="Removing the backend", icon="TRASH")
        return
    failure = installing.failure()
    if failure is not None:
        _draw_failure(layout, context, failure)
    state = installing.state()
    if state.condition != "ready":
        layout.label(text=_HEADLINES[state.condition], icon="ERROR" if state.condition == "broken" else "IMPORT")
        purpose = "It reads the videos, in a Python of its own: a download of about 220 MB, once."
        draw_text(layout, context, purpose if state.condition == "absent" else state.reason)
        _draw_download(layout, context, "vibe.install_backend", _INSTALL[state.condition])
    elif installing.missing_models():
        layout.label(text="Model files are missing", icon="ERROR")
        draw_text(layout, context, ", ".join(installing.missing_models()))
        _draw_download(layout, context, "vibe.install_backend", "Fetch Models")
    elif everything:
        _draw_ready(layout, context)


def _draw_progress(layout: bpy.types.UILayout, context: bpy.types.Context, step: Step) -> None:
    layout.label(text="Installing the backend", icon="IMPORT")
    layout.progress(text=f"{step.fraction:.0%}", factor=step.fraction)
    draw_text(layout, context, step.text)
    row = layout.row()
    row.operator("vibe.cancel_install", icon="X")
    row.operator("vibe.open_install_log", text="Log", icon="TEXT")


def _draw_failure(layout: bpy.types.UILayout, context: bpy.types.Context, failure: CaptureError) -> None:
    row = layout.row()
    row.alert = True
    draw_text(row.column(), context, failure.message, icon="ERROR", taken_px=24)
    row.operator("vibe.dismiss", text="", icon="X", emboss=False)
    draw_text(layout, context, failure.hint)
    layout.operator("vibe.open_install_log", text="Log", icon="TEXT")


def draw_networks(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What adds the packages of the network estimators."""
    size = "a download of 200 MB for the processor, about 3 GB for an NVIDIA card"
    draw_text(layout, context, f"VIBE, TCMR and DTS-VIBE run on PyTorch, which is not installed: {size}.")
    layout.prop(preferences(context), "torch")
    _draw_download(layout, context, "vibe.add_networks", "Add Network Packages")


def _draw_download(layout: bpy.types.UILayout, context: bpy.types.Context, operator: str, text: str) -> None:
    if bpy.app.online_access or preferences(context).offline:
        row = layout.row()
        row.scale_y = 1.4
        row.operator(operator, text=text, icon="IMPORT")
        return
    if bpy.app.online_access_override:
        draw_text(layout, context, "Blender was started without internet access. Start it without --offline-mode.")
    else:
        draw_text(layout, context, "Blender may not use the internet yet. Allow it, or name an offline folder.")
        layout.operator("extensions.userpref_allow_online", text="Allow Online Access", icon="INTERNET")
    layout.row().operator(operator, text=text, icon="IMPORT")


def _draw_ready(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    state = installing.state()
    layout.label(text="The backend is ready", icon="CHECKMARK")
    size = f"{state.size_bytes / 1e6:,.0f} MB"
    layout.label(text=f"Version {state.program}, Python {state.python_version}, {size} on disk")
    draw_text(layout, context, f"In {home().folder}")
    row = layout.row()
    row.operator("vibe.check_backend", icon="VIEWZOOM")
    row.operator("vibe.remove_backend", icon="TRASH")
    row.operator("vibe.open_install_log", text="Log", icon="TEXT")
    if "networks" in state.parts:
        layout.label(text="With the packages of the network estimators", icon="CHECKMARK")
    else:
        draw_networks(layout, context)
