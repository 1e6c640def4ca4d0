# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
"""Folders as the preferences say: absolute, our own, and made by nobody who only looks."""

from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender import places

pytestmark = pytest.mark.usefixtures("panel")
# Blender 4.2 to 4.4 make such paths themselves; later ones warn, and leave it at that.
blend_relative = pytest.mark.filterwarnings("ignore:.*does not support blend relative:RuntimeWarning")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path) -> Path:
    """The folder that Blender was started in."""
    folder = tmp_path / "started here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_chosen_folder_gets_one_of_our_own(tmp_path) -> None:
    places.preferences().folder = str(tmp_path / "Документы 走")
    assert places.home().folder == tmp_path / "Документы 走" / places.BACKEND_FOLDER
    places.preferences().folder = str(places.home().folder)
    assert places.home().folder == tmp_path / "Документы 走" / places.BACKEND_FOLDER, "chosen itself, it is the one"


def test_looking_makes_nothing(monkeypatch, tmp_path) -> None:
    def resource(*_: object, path: str = "", create: bool = False) -> str:
        if create:
            raise PermissionError(13, "Permission denied")
        return str(tmp_path / "user" / path)

    monkeypatch.setattr(bpy.utils, "user_resource", resource)
    assert places.home().folder == tmp_path / "user" / "vibe_blender"
    places.preferences().folder = str(tmp_path / "chosen")
    places.backend()
    assert {path.name for path in tmp_path.iterdir()}.isdisjoint({"user", "chosen"})


def test_an_extension_has_a_folder_of_its_own(monkeypatch, tmp_path) -> None:
    asked = []

    def extension_folder(package: str, *, path: str = "", create: bool = False) -> str:
        asked.append(create)
        return str(tmp_path / "extensions" / package)

    monkeypatch.setattr(bpy.utils, "extension_path_user", extension_folder)
    assert places.home().folder == tmp_path / "extensions" / places.ADDON_ID
    assert asked == [False]


@blend_relative
@pytest.mark.parametrize("setting", ["//backend", "backend"])
def test_nothing_is_relative_to_where_blender_was_started(setting, tmp_path) -> None:
    assert not bpy.data.filepath
    chosen = places.preferences()
    chosen.folder = chosen.offline = chosen.python = chosen.takes = setting
    plan = places.plan(("default",))
    found = (
        places.home().folder.parent,
        plan.offline,
        plan.python,
        places.takes_folder(bpy.context, tmp_path / "a.mp4"),
    )
    assert set(found) == {Path.home() / "backend"}


@blend_relative
def test_relative_to_a_saved_file(tmp_path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    places.preferences().folder = "//backend"
    assert places.home().folder == tmp_path / "backend" / places.BACKEND_FOLDER


def test_a_plan_may_use_the_network_where_blender_may() -> None:
    assert places.plan(("default",)).online == bpy.app.online_access
