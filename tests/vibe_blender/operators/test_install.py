# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import time
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from vibe_blender import installing, places
from vibe_blender.client.environment import Home, State
from vibe_blender.client.installation import Plan
from vibe_blender.client.ownership import make_own
from vibe_blender.contract.errors import CaptureError

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, panel) -> None:
    monkeypatch.delenv("VIBE_BACKEND_PYTHON")
    installing.look_again()


class Installing:
    """Stands for an installation, which is tested where it is written; ends when it is cancelled."""

    def __init__(self, home: Home, plan: Plan) -> None:
        self.home, self.plan = home, plan
        self.finished, self.error = False, None

    def cancel(self) -> None:
        self.finished = True

    def wait(self, seconds: float) -> bool:
        return self.finished


def pump_until(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        installing.pump()
        time.sleep(0.01)


def test_without_the_internet_the_button_says_what_to_do(monkeypatch) -> None:
    assert not bpy.app.online_access  # so it is in the module from pip
    with pytest.raises(RuntimeError, match=r"allow online access .* or name an offline folder"):
        bpy.ops.vibe.install_backend()


def test_it_installs_as_the_preferences_say_and_can_be_cancelled(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(installing, "Installation", Installing)
    chosen = places.preferences()
    chosen.offline, chosen.python, chosen.folder = str(tmp_path / "wheels é"), "/opt/python", str(tmp_path / "short")
    chosen.torch = "cpu"
    bpy.ops.vibe.install_backend()
    running = installing.running()
    assert running.plan == Plan(
        Path(chosen.python), ("default",), "cpu", tmp_path / "wheels é", online=bpy.app.online_access
    )
    assert running.home == Home(tmp_path / "short" / places.BACKEND_FOLDER)
    for button in (bpy.ops.vibe.install_backend, bpy.ops.vibe.remove_backend, bpy.ops.vibe.add_networks):
        with pytest.raises(RuntimeError, match="being installed"):
            button()
    bpy.ops.vibe.cancel_install()
    pump_until(lambda: installing.running() is None)
    assert installing.failure() is None


def test_parts_that_are_installed_stay(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(installing, "Installation", Installing)
    monkeypatch.setattr(
        installing, "state", lambda: State("outdated", ("default", "networks"), "Old.", "3.11.9", 1, "0.0.1", "cpu")
    )
    places.preferences().offline = str(tmp_path)
    bpy.ops.vibe.install_backend()
    assert installing.running().plan.parts == ("default", "networks")
    assert installing.running().plan.python == places.blender_python()


def test_a_failure_is_kept_until_it_is_dismissed(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(installing, "Installation", Installing)
    places.preferences().offline = str(tmp_path)
    bpy.ops.vibe.install_backend()
    error = CaptureError("disk_full", "The disk is full.", "Free some space.")
    installing.running().error, installing.running().finished = error, True
    pump_until(lambda: installing.running() is None)
    assert installing.failure() == error
    bpy.ops.vibe.dismiss()
    assert installing.failure() is None


def test_it_is_removed_beside_blender(tmp_path) -> None:
    home = places.home()
    make_own(home.environment)
    (home.environment / "file").write_text("x", encoding="utf-8")
    (home.folder / "mine.txt").write_text("stays", encoding="utf-8")
    assert bpy.ops.vibe.remove_backend() == {"FINISHED"}
    pump_until(lambda: not installing.removing())
    assert installing.failure() is None
    assert [path.name for path in home.folder.iterdir()] == ["mine.txt"]
