# SPDX-License-Identifier: GPL-3.0-or-later
"""The choice of the estimator and of its device, and what makes an estimator usable that is not yet."""

from __future__ import annotations

import bpy

from . import availability, installing
from .availability import Wanted, wanted_of
from .backend_view import draw_networks
from .client.readiness import Readiness
from .places import preferences, published_folder
from .properties import DEVICES, ESTIMATORS, NETWORK_FIELDS, VIBE_CaptureSettings
from .text_view import draw_text

_BESIDE = 2
"""Buttons in a row: four would be cut off."""
_TRAIN = (
    "Nobody has published weights of DTS-VIBE. Make a network with `vibe train` and the preset dts_vibe, as "
    "docs/training.md in the source says, and choose its file, best.pt, here."
)


def draw_estimators(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    """One button each; those that cannot be used are grey, and below is why, and what to do."""
    column = _labelled(layout, "Estimator")
    for first in range(0, len(ESTIMATORS), _BESIDE):
        row = column.row(align=True)
        for name, _, _, _ in ESTIMATORS[first : first + _BESIDE]:
            button = row.row(align=True)
            button.enabled = availability.choosable(name)
            button.prop_enum(settings, "estimator", name)
    if not installing.ready():
        return  # the box above says what to do
    wanted = wanted_of(settings)
    if settings.estimator in NETWORK_FIELDS:
        if not availability.available(wanted.names[0]):
            box = layout.box()
            box.label(text=_headline(wanted), icon="INFO")
            _draw_remedies(box, context, wanted)
        _draw_own_network(layout, context, settings)
    elif not any(map(availability.choosable, NETWORK_FIELDS)):
        header, body = layout.panel("vibe_setup", default_closed=True)
        header.label(text=_headline(wanted))
        if body is not None:
            _draw_remedies(body, context, wanted)


def draw_speed(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    """What the chosen estimator has of speed and quality to choose from."""
    if settings.estimator in NETWORK_FIELDS:
        _draw_devices(layout, settings)
    else:
        layout.prop(settings, "fast")
    if settings.estimator == "tcmr":
        _draw_slerp(layout, context, settings)
    layout.prop(settings, "refine")


def _draw_devices(layout: bpy.types.UILayout, settings: VIBE_CaptureSettings) -> None:
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


def _draw_slerp(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    column = layout.column(heading="Slerp Filter", align=True)
    row = column.row(align=True)
    row.prop(settings, "use_slerp", text="")
    field = row.row()
    field.enabled = settings.use_slerp
    field.prop(settings, "slerp", text="", slider=True)
    if settings.use_slerp:
        late = (1.0 - settings.slerp) / settings.slerp  # frames, of an even turn
        text = f"An even turn comes {late:.1f} frames late, a blow smaller. The clean-up smooths without delay."
        draw_text(layout, context, text, icon="INFO")


def _draw_own_network(layout: bpy.types.UILayout, context: bpy.types.Context, settings: VIBE_CaptureSettings) -> None:
    """The file, where there may be one; where there must be one, also how to come by it."""
    needed, network = settings.estimator == "dts-vibe", settings.network_path()
    column = layout.column(align=True)
    placeholder = "Needed" if needed else "Published"
    column.prop(settings, NETWORK_FIELDS[settings.estimator], placeholder=placeholder)
    if network is not None and not network.is_file():
        warned = column.column()
        warned.alert = True
        draw_text(warned, context, "There is no such file.", icon="ERROR")
    elif needed and network is None:
        draw_text(column, context, _TRAIN, icon="INFO")


def _labelled(layout: bpy.types.UILayout, text: str) -> bpy.types.UILayout:
    """A column for buttons below a label: beside it, the names of networks and graphics cards would be cut off."""
    column = layout.column(align=True)
    column.use_property_split = False
    column.label(text=text)
    return column


def _headline(wanted: Wanted) -> str:
    answer = availability.readiness()
    if answer is None:
        return f"Looking for {wanted.label}…" if availability.asking() else f"{wanted.label}: no answer"
    said = wanted.said(answer)
    if said is not None and said.lacks_torch:
        return f"{wanted.label}: packages are missing"
    if said is not None and said.lacks_files:
        return f"{wanted.label}: files are missing"
    return f"{wanted.label} cannot be used"


def _draw_remedies(layout: bpy.types.UILayout, context: bpy.types.Context, wanted: Wanted) -> None:
    answer, failure = availability.readiness(), availability.failure()
    if failure is not None:
        draw_text(layout, context, f"{failure.message} {failure.hint}")
        layout.operator("vibe.check_backend", icon="VIEWZOOM")
    said = wanted.said(answer) if answer is not None else None
    if answer is not None and said is not None:
        if said.lacks_torch and "networks" not in installing.state().parts:
            draw_networks(layout, context)
        elif not said.lacks_files:
            draw_text(layout, context, f"{said.reason}. {said.remedy}")
            layout.operator("vibe.check_backend", icon="VIEWZOOM")
        if answer.missing(*wanted.names):
            _draw_files(layout, context, answer, wanted)
    layout.operator("vibe.look_again", icon="FILE_REFRESH")


def _draw_files(layout: bpy.types.UILayout, context: bpy.types.Context, answer: Readiness, wanted: Wanted) -> None:
    """The folder of the published files, and which of them are not in it."""
    folder, names = published_folder(), ", ".join(file.name for file in answer.missing(*wanted.names))
    if folder is None:
        text = "The published files come from their authors, for research. Choose the folder that you have them in."
    elif not folder.is_dir():
        text = f"There is no folder {folder}."
    else:
        text = f"Not in this folder: {names}."
    draw_text(layout, context, text)
    row = layout.row()
    row.use_property_split = False
    row.prop(preferences(context), "published", text="", placeholder="Folder of the published files")
    layout.operator("vibe.what_is_missing", icon="QUESTION")
