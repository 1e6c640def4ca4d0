# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on this machine, as the preferences say or by default."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

from .client.environment import Home
from .client.installation import Plan

ADDON_ID = (__package__ or "").rpartition(".")[0] or __package__
"""Blender's name of the extension, ``bl_ext.<repository>.vibe_blender``."""


def preferences(context: bpy.types.Context | None = None) -> bpy.types.AddonPreferences:
    """The user's preferences of this add-on."""
    return (context or bpy.context).preferences.addons[ADDON_ID].preferences


def home() -> Home:
    """Where the backend's environment and models are: a folder that survives an update of the extension."""
    chosen = preferences().folder
    if chosen:
        return Home(Path(bpy.path.abspath(chosen)))
    try:
        folder = bpy.utils.extension_path_user(ADDON_ID, create=True)
    except ValueError:  # not installed as an extension, but enabled from a checkout
        folder = bpy.utils.user_resource("DATAFILES", path="vibe_blender", create=True)
    return Home(Path(folder))


def takes_folder(context: bpy.types.Context, video: Path) -> Path:
    """Where the takes of a video go."""
    chosen = preferences(context).takes
    return Path(bpy.path.abspath(chosen)) if chosen else video.parent


def plan(parts: tuple[str, ...]) -> Plan:
    """How the user wants the backend installed."""
    chosen = preferences()
    python = Path(bpy.path.abspath(chosen.python)) if chosen.python else blender_python()
    offline = Path(bpy.path.abspath(chosen.offline)) if chosen.offline else None
    return Plan(python=python, parts=parts, torch=chosen.torch, offline=offline)


def blender_python() -> Path:
    """The interpreter that Blender brings."""
    return Path(sys.executable)


def backend_python() -> Path:
    """The Python that runs the backend; ``VIBE_BACKEND_PYTHON`` names another one to those who develop it."""
    return developer_python() or home().python


def developer_python() -> Path | None:
    """The Python named by ``VIBE_BACKEND_PYTHON``, which has the backend's packages and knows where its models are."""
    named = os.environ.get("VIBE_BACKEND_PYTHON")
    return Path(named) if named else None


def models_folder() -> str:
    """Where the model files are, empty for the backend's own default."""
    return "" if developer_python() is not None else str(home().models)


def capture_log() -> Path:
    """Where the backend's own words go."""
    return home().folder / "capture.log"
