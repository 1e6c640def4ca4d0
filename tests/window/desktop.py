# SPDX-License-Identifier: MIT
"""A Blender in a window on a display of its own, used through mouse and keyboard and looked at through pictures.

Things to click are found by their words: Blender itself draws the words with its own font (``probe.glyphs``), and the
picture of the screen is searched for them. A label that is cut off, covered or grey is therefore not found.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
WIDTH_PX, HEIGHT_PX = 1600, 900
ALIKE = 0.988
"""Correlation from which a place of the picture shows the words: they have 0.994, with a wrong letter 0.982 at most."""
# What a first start asks about the look of Blender is not what is tested here; the processor draws what a graphics card
# would, so what it draws is kept plain.
SETTINGS = """import bpy
preferences = bpy.context.preferences
preferences.view.show_splash = False
preferences.system.viewport_aa = "OFF"
preferences.system.use_overlay_smooth_wire = False
bpy.ops.wm.save_userpref()
"""
ALLOW_ONLINE = "import bpy; bpy.context.preferences.system.use_online_access = True; bpy.ops.wm.save_userpref()"
STAND_IN = """import runpy, sys
sys.argv = [{path!r}, {mode!r}, *sys.argv[1:]]
runpy.run_path({path!r}, run_name="__main__")
"""
_GAP_PX, _FLAT = 5, 30
_ANSWER_SECONDS = 30.0
_SETTLE_SECONDS = 0.15
_DRAWN_SECONDS = 1.0
"""The processor needs a while to draw what has happened."""


def window_root() -> ModuleType:
    """The script ``.ci/window_root.py`` as a module."""
    spec = importlib.util.spec_from_file_location("window_root", REPOSITORY / ".ci" / "window_root.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Box:
    """A rectangle of the screen in pixels from the upper left corner."""

    left: int
    top: int
    width: int
    height: int

    @property
    def middle(self) -> tuple[int, int]:
        """x and y."""
        return self.left + self.width // 2, self.top + self.height // 2


class Desktop:
    """A display with Blender on it; ``clicks`` and ``drops`` count what was done with the mouse. A context manager."""

    def __init__(self, root: Path, user: Path, work: Path, pictures: Path) -> None:
        """Nothing runs before ``start``.

        Args:
            root: the file system Blender runs in, made by ``.ci/window_root.py``.
            user: Blender's user folder, with extensions and preferences.
            work: a folder for this desktop alone; Blender's output goes to ``blender.log`` there.
            pictures: where ``picture`` saves.
        """
        self.clicks = self.drops = 0
        self.work = work
        self._enter = window_root().entered
        self._root, self._user, self._pictures = root, user, pictures
        self._display = self._blender = None
        self.environment = os.environ | {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "BLENDER_USER_RESOURCES": str(user),
        }
        self._glyphs: dict[str, np.ndarray] = {}
        for folder in (user, work, pictures):
            folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Desktop:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def background(self, *arguments: str) -> str:
        """What a Blender without a window printed to its end; it has to end well."""
        command = self._entered("blender", *arguments)
        run = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    def settle_in(self) -> None:
        """Makes the user folder of somebody who has never used the extension."""
        self.background("-b", "--factory-startup", "--python-expr", SETTINGS)

    def install(self, archive: Path) -> None:
        """Installs and enables the extension and allows online access, without a window."""
        self.background("-b", "--python-expr", ALLOW_ONLINE)
        zipped = shutil.copy(archive, self.work)
        self.background("--command", "extension", "install-file", "-r", "user_default", "-e", str(zipped))

    def act(self, mode: str, **environment: str) -> None:
        """Puts ``tests/fake_backend.py`` in the place of the installed extension's backend."""
        fake = REPOSITORY / "tests" / "fake_backend.py"
        (backend,) = self._user.glob("extensions/user_default/vibe_blender/backend")
        (backend / "__main__.py").write_text(STAND_IN.format(path=str(fake), mode=mode), encoding="utf-8")
        self.environment.update(environment, VIBE_BACKEND_PYTHON="/usr/bin/python3")

    def start(self, *arguments: str) -> None:
        """Opens the display and Blender, and waits until Blender answers."""
        size = f"{WIDTH_PX}x{HEIGHT_PX}x24"
        display = self._entered("Xvfb", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp")
        self._display = subprocess.Popen(
            display, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.environment["DISPLAY"] = ":" + self._display.stdout.readline().strip()
        window = ("--window-geometry", "0", "0", str(WIDTH_PX), str(HEIGHT_PX))
        probe = ("--python", str(REPOSITORY / "tests" / "window" / "probe.py"))
        command = self._entered("blender", *window, *arguments, *probe, "--", str(self.work))
        with (self.work / "blender.log").open("wb") as log:
            self._blender = subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.STDOUT)
        self.ask("True")

    def stop(self) -> None:
        """Ends Blender and the display, whatever they are doing."""
        for process in (self._blender, self._display):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
                process.wait()

    @property
    def log(self) -> str:
        """What Blender printed so far."""
        return (self.work / "blender.log").read_text(encoding="utf-8", errors="replace")

    @property
    def process(self) -> subprocess.Popen:
        """Blender."""
        return self._blender

    def ask(self, expression: str, seconds: float = _ANSWER_SECONDS) -> Any:
        """The value of a Python expression in Blender; ``probe.py`` has its names."""
        question, answer = self.work / "question.json", self.work / "answer.json"
        answer.unlink(missing_ok=True)
        unfinished = self.work / "question.tmp"
        unfinished.write_text(json.dumps({"expression": expression}), encoding="utf-8")
        unfinished.replace(question)
        end = time.monotonic() + seconds
        while not answer.exists():
            assert self._blender.poll() is None, f"Blender ended with {self._blender.returncode}:\n{self.log[-3000:]}"
            assert time.monotonic() < end, f"Blender did not answer {expression!r} in {seconds} s:\n{self.log[-3000:]}"
            time.sleep(0.01)
        said = json.loads(answer.read_text(encoding="utf-8"))
        assert "error" not in said, f"{expression}\n{said.get('error')}"
        return said["value"]

    def wait(self, expression: str, seconds: float = 20.0) -> Any:
        """The first true value of an expression in Blender."""
        end = time.monotonic() + seconds
        while not (value := self.ask(expression)):
            if time.monotonic() >= end:
                self.picture("waited_in_vain")
                raise AssertionError(f"{expression} is still {value!r} after {seconds} s\n{self.log[-2000:]}")
            time.sleep(0.05)
        return value

    def region(self, area: str = "VIEW_3D", region: str = "UI") -> Box:
        """Where a region of the main window is."""
        return Box(*self.ask(f"region({area!r}, {region!r})"))

    def picture(self, name: str = "") -> np.ndarray:
        """(height, width, 3) BGR picture of the screen; with a name it is kept as a file for people to look at."""
        if name:
            time.sleep(_DRAWN_SECONDS)
        path = self._pictures / f"{name}.png" if name else self.work / "screen.png"
        self._run("import", "-window", "root", "-depth", "8", str(path))
        return cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)

    def find(self, words: str, inside: Box | None = None, *, sideways: bool = False) -> list[Box]:
        """Every place where the screen shows these words and the label ends with them, from above to below.

        Args:
            words: a label, or the end of one.
            inside: look only here.
            sideways: look for words turned clockwise, as the tabs of a sidebar are.
        """
        inside = inside or Box(0, 0, WIDTH_PX, HEIGHT_PX)
        screen = cv2.cvtColor(self.picture(), cv2.COLOR_BGR2GRAY)
        screen = screen[inside.top : inside.top + inside.height, inside.left : inside.left + inside.width]
        drawn = np.ascontiguousarray(np.rot90(self._drawn(words), -1)) if sideways else self._drawn(words)
        height, width = drawn.shape
        if height > screen.shape[0] or width > screen.shape[1]:
            return []
        alike = np.nan_to_num(cv2.matchTemplate(screen, drawn, cv2.TM_CCOEFF_NORMED), posinf=0.0)
        places = np.argwhere(alike > ALIKE)
        # Where a label goes on, the next word begins about four pixels after.
        after = (slice(0, height), slice(width, width + _GAP_PX))
        ends = [(y, x) for y, x in places.tolist() if sideways or np.ptp(screen[y:, x:][after]) < _FLAT]
        return [Box(inside.left + left, inside.top + top, width, height) for top, left in ends]

    def see(self, words: str, inside: Box | None = None, *, sideways: bool = False, seconds: float = 10.0) -> Box:
        """The lowest of the places that ``find`` has, waiting until there is one: buttons are below their headings."""
        end = time.monotonic() + seconds
        while not (found := self.find(words, inside, sideways=sideways)):
            if time.monotonic() >= end:
                self.picture("not_seen")
                raise AssertionError(f"the screen does not show {words!r}; see not_seen.png")
            time.sleep(0.2)
        return found[-1]

    def click(self, target: str | Box, inside: Box | None = None, *, sideways: bool = False, times: int = 1) -> None:
        """Clicks on words, or in the middle of a box."""
        box = self.see(target, inside, sideways=sideways) if isinstance(target, str) else target
        self.move(box)
        self._run("xdotool", "click", "--repeat", str(times), "--delay", "60", "1")
        self.clicks += 1
        time.sleep(_SETTLE_SECONDS)

    def move(self, box: Box) -> None:
        """Moves the mouse into the middle of a box, in two steps, because widgets want to see it come."""
        x, y = box.middle
        self._run(
            "xdotool", "mousemove", str(x - 3), str(y), "sleep", "0.05", "mousemove", str(x), str(y), "sleep", "0.1"
        )

    def key(self, *keys: str) -> None:
        """Presses keys one after the other, in xdotool's names: ``n``, ``ctrl+z``, ``Return``."""
        self._run("xdotool", "key", "--delay", "60", *keys)
        time.sleep(_SETTLE_SECONDS)

    def type(self, text: str) -> None:
        """Types a text, whatever its letters."""
        self._run("xdotool", "type", "--delay", "15", text)
        time.sleep(_SETTLE_SECONDS)

    def fill(self, field: Box, text: str) -> None:
        """Puts a text into a text field in place of what is there."""
        self.click(field, times=2)
        self.key("ctrl+a")
        self.type(text)
        self.key("Return")

    def drop(self, file: Path, box: Box) -> None:
        """Drags a file from nowhere into the middle of a box."""
        x, y = box.middle
        self._run("python3", str(REPOSITORY / "tests" / "window" / "drag.py"), str(file), str(x), str(y))
        self.drops += 1
        time.sleep(_SETTLE_SECONDS)

    def choose_video(self, video: Path) -> Box:
        """Drops a video on the 3D view and chooses to capture it; the sidebar, at our tab."""
        self.drop(video, self.region("VIEW_3D", "WINDOW"))
        self.click("Capture with VIBE")
        self.wait("region('VIEW_3D', 'UI')[2] > 100")
        sidebar = self.region()
        if not self.find("People", sidebar):
            self.click("VIBE", sidebar, sideways=True)
        self.see("People", sidebar)
        return sidebar

    def place_window(self, title: str, left: int, top: int) -> None:
        """Moves the window with this title: without a window manager it opens partly beside the screen."""
        self._run("xdotool", "search", "--sync", "--name", title, "windowmove", str(left), str(top))
        time.sleep(_SETTLE_SECONDS)

    def put_aside(self, title: str) -> None:
        """Pushes the window with this title off the screen, and goes back to the main window."""
        self.place_window(title, WIDTH_PX, HEIGHT_PX)
        self._run("xdotool", "search", "--name", " - Blender ", "windowfocus")

    def scroll(self, box: Box, steps: int) -> None:
        """Turns the mouse wheel above the middle of a box, downwards for positive steps."""
        self.move(box)
        self._run("xdotool", "click", "--repeat", str(abs(steps)), "--delay", "20", "5" if steps > 0 else "4")
        time.sleep(_SETTLE_SECONDS)

    def _drawn(self, words: str) -> np.ndarray:
        if words not in self._glyphs:
            height, width = self.ask(f"glyphs({words!r})")
            self._glyphs[words] = np.fromfile(self.work / "glyphs.raw", np.uint8).reshape(height, width)
        return self._glyphs[words]

    def _entered(self, *command: str) -> list[str]:
        shown: Sequence[Path] = (REPOSITORY, self._user, self.work, self._pictures)
        return self._enter(self._root, command, shown)

    def _run(self, *command: str) -> None:
        run = subprocess.run(self._entered(*command), env=self.environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}{run.stderr}"
