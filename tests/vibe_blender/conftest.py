# SPDX-License-Identifier: MIT
"""A small take, a body of 24 boxes and an empty Blender, for the add-on's tests: numpy and bpy are all they need."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fake_backend import small_take
from vibe_blender.client import process, readiness
from vibe_blender.contract.skeleton import JOINT_COUNT, PARENTS, REST_JOINTS
from vibe_blender.contract.take import Take

FAKE = Path(__file__).resolve().parent.parent / "fake_backend.py"
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.03
_SIDES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leaves with pytest's exit status where Python's own way out would crash.

    Blender 4.2 as a Python module frees its classes' properties after the interpreter: wherever a property group whose
    properties have functions (update, poll) was registered, even if unregistered again, the process ends with a
    segmentation fault after the last test. Blender itself and the modules from 4.5 on do not. Everything that pytest
    and Python do at their end is done before; only the freeing of memory is left out.
    """
    bpy = sys.modules.get("bpy")
    if bpy is None or bpy.app.binary_path or bpy.app.version >= (4, 5, 0):
        return
    session = config.pluginmanager.get_plugin("session")
    if session is not None:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(session.exitstatus))


@pytest.fixture
def take() -> Take:
    return small_take()


@pytest.fixture
def scene() -> Any:
    """The scene of an empty Blender file at 24 frames per second."""
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return bpy.context.scene


def blocks() -> dict[str, list[str]]:
    """The names of all datablocks of the file, by their kind."""
    import bpy

    kinds = (
        "actions", "armatures", "cameras", "collections", "images", "materials", "meshes", "movieclips", "objects",
        "scenes", "shape_keys",
    )  # fmt: skip
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}


@pytest.fixture(scope="session")
def boxes() -> Any:
    """A body in SMPL's form: a box around every joint, shared half and half with the parent."""
    pytest.importorskip("bpy")
    from vibe_blender.scene.body import BodyModel

    random = np.random.default_rng(0)
    count = JOINT_COUNT * len(_CORNERS)
    weights = np.zeros((count, JOINT_COUNT))
    for vertex in range(count):
        joint = vertex // len(_CORNERS)
        for owner in (joint, max(PARENTS[joint], 0)):
            weights[vertex, owner] += 0.5
    regressor = np.repeat(np.eye(JOINT_COUNT), len(_CORNERS), axis=1) / len(_CORNERS)
    pose_directions = np.zeros((count, 3, 23, 9))
    for joint in (2, 17, 18):
        pose_directions[:, :, joint] = random.normal(scale=0.01, size=(count, 3, 9))
    return BodyModel(
        vertices=(REST_JOINTS[:, None] + _CORNERS).reshape(-1, 3),
        shape_directions=random.normal(scale=0.01, size=(count, 3, 10)),
        pose_directions=pose_directions.reshape(count, 3, 207),
        regressor=regressor,
        weights=weights,
        faces=(np.arange(JOINT_COUNT)[:, None, None] * len(_CORNERS) + _SIDES).reshape(-1, 4),
    )


@pytest.fixture
def install_fake_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes the add-on start ``tests/fake_backend.py`` in a mode of it; returns the folder it is started from."""

    def install(mode: str) -> Path:
        folder = tmp_path / "program folder ü 程序"
        package = folder / "backend"
        package.mkdir(parents=True)
        source = (
            f"import runpy, sys\nsys.argv = ['fake', {mode!r}, *sys.argv[1:]]\n"
            f"runpy.run_path({str(FAKE)!r}, run_name='__main__')\n"
        )
        (package / "__main__.py").write_text(source, encoding="utf-8")
        for module in (process, readiness):
            monkeypatch.setattr(module, "PROGRAM_FOLDER", folder)
        return folder

    return install


GREY_STEP = 20 / 255


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve plain frames, 320 x 180 at 25 a second, each ``GREY_STEP`` brighter than the one before."""
    bpy = pytest.importorskip("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    length = {"length": 1} if bpy.app.version >= (5, 0, 0) else {"frame_end": 2}
    for n in range(12):
        if "frame_end" in length:
            length["frame_end"] = n + 2
        strip = strips.new_effect(f"grey {n}", "COLOR", 1, n + 1, **length)
        strip.color = (n * GREY_STEP,) * 3
    scene.frame_start, scene.frame_end = 1, 12
    render = scene.render
    render.resolution_x, render.resolution_y, render.fps = 320, 180, 25
    scene.view_settings.view_transform = "Standard"
    if bpy.app.version >= (5, 0, 0):
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec, render.ffmpeg.constant_rate_factor = "MPEG4", "H264", "LOSSLESS"
    path = tmp_path_factory.mktemp("movie") / "grey steps é 走.mp4"
    render.filepath = str(path)
    bpy.ops.render.render(animation=True)
    return path


@pytest.fixture
def panel(scene: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The add-on, registered in an empty Blender; its backend is the fake one, run by this Python."""
    bpy = pytest.importorskip("bpy")
    from vibe_blender import places, register, session, unregister

    monkeypatch.setenv("VIBE_BACKEND_PYTHON", sys.executable)
    home = tmp_path / "the user's folder é"
    home.mkdir()
    monkeypatch.setattr(bpy.utils, "user_resource", lambda *_, **__: str(home))
    addon = bpy.context.preferences.addons.new()
    addon.module = places.ADDON_ID
    register()
    yield scene
    session.stop()
    unregister()
    bpy.context.preferences.addons.remove(bpy.context.preferences.addons[places.ADDON_ID])


@pytest.fixture
def video(movie: Path, tmp_path: Path) -> Path:
    """A video of one's own, in a folder with spaces and letters of other alphabets."""
    folder = tmp_path / "my videos 影像"
    folder.mkdir()
    return Path(shutil.copy(movie, folder / "walk é.mp4"))
