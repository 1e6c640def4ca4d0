# SPDX-License-Identifier: MIT
"""The extension as users get it: built, validated, installed from the zip, used and switched off, in each bpy."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("bpy")

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLE = REPOSITORY / "tests" / "data" / "walk.mp4"
MAX_BYTES = 5_000_000
# In place of the real backend, which needs packages that Blender's Python has not.
STAND_IN = """import runpy, sys
sys.argv = [{path!r}, "works", *sys.argv[1:]]
runpy.run_path({path!r}, run_name="__main__")
"""


@pytest.fixture(scope="module")
def building():
    """``.ci/build_extension.py`` as a module."""
    spec = importlib.util.spec_from_file_location("build_extension", REPOSITORY / ".ci" / "build_extension.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def archive(building, tmp_path_factory) -> Path:
    """The zip, built and validated by Blender's own tool."""
    return building.build(tmp_path_factory.mktemp("dist"), building.find_builder(None))


@pytest.fixture
def user(tmp_path) -> Path:
    """A user folder with a name that naive programs stumble over."""
    return tmp_path / "Zoë Müller 好 user"


def told(user: Path, *arguments: str | Path) -> tuple[dict, str]:
    """What a story of ``blender_user.py`` came to, and what it wrote to standard error."""
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(user), "VIBE_BACKEND_PYTHON": sys.executable}
    command = [sys.executable, str(REPOSITORY / "tests" / "blender_user.py"), *map(str, arguments)]
    run = subprocess.run(
        command, env=environment, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1]), run.stderr


def test_the_zip_is_small_pure_and_whole(archive) -> None:
    assert archive.stat().st_size < MAX_BYTES
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
        assert file.testzip() is None
    assert {"__init__.py", "blender_manifest.toml", "pyproject.toml", "constraints.txt", "LICENSE"} <= names
    for package in ("vibe_blender", "backend"):
        sources = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / package).rglob("*.py")}
        assert sources <= names
    maps = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "vibe_blender").rglob("bone_maps/*.json")}
    assert maps
    assert maps | {"vibe_blender/assets/mannequin.npz"} <= names
    settings = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "backend").rglob("presets/*.toml")}
    assert settings
    assert settings | {"backend/training/published_rows.json"} <= names
    endings = {Path(name).suffix for name in names}
    assert endings <= {".py", ".toml", ".txt", ".md", ".npz", ".json", ""}, "an extension has no binaries of its own"
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]


def test_the_same_files_give_the_same_zip(archive, building, tmp_path) -> None:
    again = building.build(tmp_path, building.find_builder(None))
    assert again.read_bytes() == archive.read_bytes()


def test_what_the_validator_refuses_is_not_built(building, tmp_path, monkeypatch) -> None:
    repository = tmp_path / "repository"
    for name in building.PACKAGES:
        (repository / name).mkdir(parents=True)
    for name in building.PROJECT_FILES:
        (repository / name).write_text("", encoding="utf-8")
    manifest = (REPOSITORY / building.MANIFEST).read_text(encoding="utf-8")
    (repository / building.MANIFEST).write_text(manifest.replace('"4.2.0"', '"4.2"'), encoding="utf-8")
    monkeypatch.setattr(building, "REPOSITORY", repository)
    with pytest.raises(building.BuildError, match="blender_version_min"):
        building.build(tmp_path / "dist", building.find_builder(None))
    assert not list((tmp_path / "dist").iterdir())


def test_switched_off_it_leaves_nothing_behind(archive, user) -> None:
    story, complaints = told(user, "switching", archive)
    assert min(story["added"]) > 20
    assert story["left"] == [[], []]
    assert complaints == ""


def test_a_capture_through_the_operators(archive, user, tmp_path) -> None:
    stand_in = with_stand_in(archive, tmp_path)
    video = tmp_path / "walk é.mp4"
    video.write_bytes(SAMPLE.read_bytes())
    story, complaints = told(user, "capturing", stand_in, video)
    assert (story["kind"], story["armatures"], story["bones"]) == ("done", 1, [24]), story["text"]
    assert story["animated"] == [True]
    assert story["moved"][0] > 0.05
    assert story["camera"]
    assert Path(story["take"]) == video.with_suffix(".take")
    assert story["range"] == [1, 12]
    assert "Second walk" in story["collections"]
    assert story["left"] == []
    assert story["opened"] == 1
    assert complaints == ""


@pytest.mark.slow
def test_a_real_capture_through_the_operators(archive, user, tmp_path, request) -> None:
    missing = [
        name for name in ("ai_edge_litert", "av", "cv2", "platformdirs") if importlib.util.find_spec(name) is None
    ]
    if missing:
        pytest.skip(f"this Python has not the backend's packages: {', '.join(missing)}")
    request.getfixturevalue("models")
    video = tmp_path / "walk.mp4"
    video.write_bytes(SAMPLE.read_bytes())
    story, _ = told(user, "capturing", archive, video)
    assert (story["kind"], story["armatures"]) == ("done", 1), story["text"]
    assert story["moved"][0] > 0.05
    assert story["opened"] == 1


def with_stand_in(archive: Path, folder: Path) -> Path:
    """The same zip with a backend that needs no packages and makes twelve frames."""
    changed = folder / archive.name
    stand_in = STAND_IN.format(path=str(REPOSITORY / "tests" / "fake_backend.py"))
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            is_main = name == "backend/__main__.py"
            target.writestr(name, stand_in if is_main else source.read(name))
    return changed
