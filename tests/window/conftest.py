# SPDX-License-Identifier: MIT
"""A Blender with a window, where there is a root to run it in: ``VIBE_WINDOW_ROOT``, made by ``.ci/window_root.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PICTURES = REPOSITORY / "build" / "window"


@pytest.fixture(scope="session")
def root() -> Path:
    """The file system that Blender runs in."""
    named = os.environ.get("VIBE_WINDOW_ROOT")
    if not named:
        pytest.skip("VIBE_WINDOW_ROOT does not name a root made by .ci/window_root.py")
    if not (Path(named) / "usr" / "bin" / "blender").exists():
        pytest.fail(f"there is no Blender in {named}; run .ci/window_root.py {named}")
    return Path(named).resolve()


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Path:
    """The extension's zip."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(REPOSITORY / ".ci" / "build_extension.py"), "-o", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.zip"))


@pytest.fixture
def fresh(root, tmp_path) -> Iterator:
    """A desktop of somebody who has never used the extension; not started yet."""
    from tests.window.desktop import Desktop

    with Desktop(root, tmp_path / "user é 好", tmp_path / "desktop", PICTURES) as desktop:
        desktop.settle_in()
        yield desktop
        assert "Traceback" not in desktop.log


@pytest.fixture(scope="session")
def used(root, archive, tmp_path_factory) -> Path:
    """The user folder of somebody who has installed the zip and allowed online access, without a backend."""
    from tests.window.desktop import Desktop

    folder = tmp_path_factory.mktemp("used")
    user = folder / "user é"
    with Desktop(root, user, folder / "work", PICTURES) as desktop:
        desktop.settle_in()
        desktop.install(archive)
    return user


@pytest.fixture
def acted(root, used, tmp_path) -> Iterator[Callable]:
    """Starts a Blender whose backend is ``tests/fake_backend.py``: ``acted("stream", FAKE_FPS="60")``."""
    from tests.window.desktop import Desktop

    user = tmp_path / "user é"
    shutil.copytree(used, user)
    with Desktop(root, user, tmp_path / "desktop", PICTURES) as desktop:

        def start(mode: str, *arguments: str, **environment: str) -> Desktop:
            desktop.act(mode, **environment)
            desktop.start(*arguments)
            return desktop

        yield start
        assert "Traceback" not in desktop.log
