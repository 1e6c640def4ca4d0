# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are on this machine, as the preferences say or by default."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import bpy

from .client.environment import Home
from .client.installation import Plan

ADDON_ID = (__package__ or "").rpartition(".")[0] or __package__
"""Blender's name of the extension, ``bl_ext.<repository>.vibe_blender``."""
BACKEND_FOLDER = "vibe_blender_backend"
"""Name of our own folder in the one that the user has chosen for the backend, which may hold anything else."""


@dataclass(frozen=True)
class Backend:
    """What a capture is started with: the interpreter, where its words go, and where it has its own model files."""

    python: Path
    log: Path
    models: Path | None


def preferences(context: bpy.types.Context | None = None) -> bpy.types.AddonPreferences:
    """The user's preferences of this add-on."""
    return (context or bpy.context).preferences.addons[ADDON_ID].preferences


def home() -> Home:
    """Where the backend's environment and models are: a folder that survives an update of the extension.

    It need not exist yet: panels ask for it whenever they are drawn, and only an installation makes it.
    """
    chosen = preferences().folder
    if chosen:
        folder = _absolute(chosen)
        return Home(folder if folder.name == BACKEND_FOLDER else folder / BACKEND_FOLDER)
    try:
        return Home(Path(bpy.utils.extension_path_user(ADDON_ID)))
    except ValueError:  # not installed as an extension, but enabled from a checkout
        return Home(Path(bpy.utils.user_resource("DATAFILES", path="vibe_blender")))


def takes_folder(context: bpy.types.Context, video: Path) -> Path:
    """Where the takes of a video go."""
    chosen = preferences(context).takes
    return _absolute(chosen) if chosen else video.parent


def plan(parts: tuple[str, ...]) -> Plan:
    """How the user wants the backend installed."""
    chosen = preferences()
    python = _absolute(chosen.python) if chosen.python else blender_python()
    offline = _absolute(chosen.offline) if chosen.offline else None
    return Plan(python=python, parts=parts, torch=chosen.torch, offline=offline, online=bpy.app.online_access)


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


def own_models() -> Path | None:
    """Where the model files are that the installation fetched; None where the backend itself knows."""
    return None if developer_python() is not None else home().models


def published_folder() -> Path | None:
    """The folder with the published files that the user has chosen."""
    chosen = preferences().published
    return _absolute(chosen) if chosen else None


def models_folder(estimator: str) -> str:
    """The folder of an estimator's files as a job names it, empty for the backend's own models."""
    folder = own_models() if estimator == "keypoints" else published_folder()
    return str(folder) if folder is not None else ""


def backend() -> Backend:
    """The backend that captures."""
    return Backend(backend_python(), home().folder / "capture.log", own_models())


def _absolute(setting: str) -> Path:
    """A path of the preferences; one relative to a .blend file that was never saved starts in the user's own folder.

    The folder that Blender happened to be started in is never meant.
    """
    return Path.home() / bpy.path.abspath(setting)
