# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of the estimator and of its device, and what makes an estimator usable that is not yet."""

from __future__ import annotations

import bpy

from . import availability, installing
from .backend_view import draw_networks
from .client.readiness import Readiness
from .places import preferences, published_folder
from .properties import DEVICES, ESTIMATORS, VIBE_CaptureSettings
from .text_view import draw_text


def draw_estimators(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    """One button each; those that cannot be used are grey, and below is why, and what to do."""
    column = _labelled(layout, "Estimator")
    for name, _, _, _ in ESTIMATORS:
        row = column.row(align=True)
        row.enabled = availability.available(name)
        row.prop_enum(settings, "estimator", name)
    if not installing.ready() or availability.available("vibe"):
        return  # without a backend, the box above says what to do
    if settings.estimator == "vibe":
        box = layout.box()
        box.label(text=_headline(), icon="INFO")
        _draw_remedies(box, context)
        return
    header, body = layout.panel("vibe_setup", default_closed=True)
    header.label(text=_headline())
    if body is not None:
        _draw_remedies(body, context)


def draw_devices(layout: bpy.types.UILayout, settings: VIBE_CaptureSettings) -> None:
    """One button for each device of this machine; one that was chosen on another is shown grey."""
    answer = availability.readiness()
    labels = {device.name: device.label for device in answer.devices} if answer is not None else {}
    column = _labelled(layout, "Device")
    for name, label, _, _ in DEVICES:
        there = name == "auto" or name in labels
        if there or settings.device == name:
            row = column.row(align=True)
            row.enabled = there
            text = labels.get(name, label) if there or answer is None else f"{label} (not here)"
            row.prop_enum(settings, "device", name, text=text)


def _labelled(layout: bpy.types.UILayout, text: str) -> bpy.types.UILayout:
    """A column for buttons below a label: beside it, the names of networks and graphics cards would be cut off."""
    column = layout.column(align=True)
    column.use_property_split = False
    column.label(text=text)
    return column


def _headline() -> str:
    answer = availability.readiness()
    if answer is None:
        return "Looking for VIBE…" if availability.asking() else "VIBE: no answer"
    said = answer.estimators["vibe"]
    if said.lacks_torch:
        return "VIBE: packages are missing"
    return "VIBE: files are missing" if said.lacks_files else "VIBE cannot be used"


def _draw_remedies(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    answer, failure = availability.readiness(), availability.failure()
    if failure is not None:
        draw_text(layout, context, f"{failure.message} {failure.hint}")
        layout.operator("vibe.check_backend", icon="VIEWZOOM")
    if answer is not None:
        said = answer.estimators["vibe"]
        if said.lacks_torch and "networks" not in installing.state().parts:
            draw_networks(layout, context)
        elif not said.lacks_files:
            draw_text(layout, context, f"{said.reason}. {said.remedy}")
            layout.operator("vibe.check_backend", icon="VIEWZOOM")
        if answer.missing("vibe"):
            _draw_files(layout, context, answer)
    layout.operator("vibe.look_again", icon="FILE_REFRESH")


def _draw_files(layout: bpy.types.UILayout, context: bpy.types.Context, answer: Readiness) -> None:
    """The folder of the published files, and which of them are not in it."""
    folder, names = published_folder(), ", ".join(file.name for file in answer.missing("vibe"))
    if folder is None:
        text = "VIBE's files come from their authors, for research. Choose the folder that you have them in."
    elif not folder.is_dir():
        text = f"There is no folder {folder}."
    else:
        text = f"Not in this folder: {names}."
    draw_text(layout, context, text)
    row = layout.row()
    row.use_property_split = False
    row.prop(preferences(context), "published", text="", placeholder="Folder of the published files")
    layout.operator("vibe.what_is_missing", icon="QUESTION")
