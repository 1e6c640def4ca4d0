# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (the repository comes first)
"""How long a slider of the clean-up takes until the curves are written and the pose is evaluated anew.

    python tests/benchmarks/cleanup_live.py [FRAMES ...]                         in bpy, without a window
    VIBE_WINDOW_ROOT=DIR python tests/benchmarks/cleanup_live.py [FRAMES ...]    in a Blender with a window

Every slider is moved a few times; the median of each is printed.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.fake_backend import small_take
from vibe_blender.contract.take_file import save_take

SLIDERS = {
    "smoothing_cutoff_hz": (3.0, 5.0, 7.0),
    "smoothing_keep_fast": (0.2, 0.4, 0.6),
    "strength_arms": (0.5, 1.5, 2.0),
    "feet_strength": (0.3, 0.6, 0.9),
    "feet_ease_s": (0.05, 0.1, 0.2),
    "root_heading_rad": (0.1, 0.2, 0.3),
    "root_mode": ("in_place", "line", "full"),
    "root_scale": (1.1, 1.2, 1.0),
    "view_pitch_rad": (0.01, 0.02, 0.0),
    "view_focal_scale": (1.1, 1.2, 1.0),
    "show_raw": (True, False, True),
}
MOVE = (
    "(lambda began: (setattr(bpy.context.scene.vibe.active_take.vibe_cleanup, {name!r}, {value!r}), "
    "bpy.context.view_layer.update(), __import__('time').perf_counter() - began)[-1])"
    "(__import__('time').perf_counter())"
)


def table(ask: Callable[[str], float], frames: int) -> None:
    """Moves each slider and prints how long that took."""
    print(f"{frames} frames x 24 joints")
    slowest = 0.0
    for name, values in SLIDERS.items():
        seconds = statistics.median(ask(MOVE.format(name=name, value=value)) for value in values)
        slowest = max(slowest, seconds)
        print(f"  {name:22} {1000 * seconds:7.1f} ms")
    print(f"  slowest                {1000 * slowest:7.1f} ms", flush=True)


def headless(frames: int, folder: Path) -> None:
    """In this Python's bpy."""
    import bpy

    import vibe_blender
    from vibe_blender import places

    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.preferences.addons.new().module = places.ADDON_ID
    if not hasattr(bpy.types.Scene, "vibe"):
        vibe_blender.register()
    bpy.ops.vibe.open_take(filepath=str(save_take(small_take(count=frames), folder / f"{frames}.take")))
    print(f"bpy {bpy.app.version_string}", end=", ")
    table(lambda text: eval(text, {"bpy": bpy}), frames)


def in_window(counts: list[int], folder: Path) -> None:
    """In a Blender of its own, the sidebar open."""
    from tests.window.desktop import Desktop

    build = [sys.executable, str(REPOSITORY / ".ci" / "build_extension.py"), "-o", str(folder)]
    subprocess.run(build, check=True, capture_output=True)
    with Desktop(
        Path(os.environ["VIBE_WINDOW_ROOT"]), folder / "user", folder / "work", folder / "pictures"
    ) as desktop:
        desktop.settle_in()
        desktop.install(next(folder.glob("*.zip")))
        desktop.start()
        desktop.move(desktop.region("VIEW_3D", "WINDOW"))
        desktop.key("n")
        desktop.wait("region('VIEW_3D', 'UI')[2] > 100")
        desktop.click("VIBE", desktop.region(), sideways=True)
        for frames in counts:
            path = save_take(small_take(count=frames), folder / "work" / f"{frames}.take")
            desktop.ask(f"bpy.ops.vibe.open_take(filepath={str(path)!r}) and 1", 120.0)
            name = path.stem
            desktop.ask(f"setattr(bpy.context.scene.vibe, 'active_take', bpy.data.collections[{name!r}])")
            time.sleep(2.0)
            print(f"Blender {desktop.ask('bpy.app.version_string')}", end=", ")
            table(lambda text: desktop.ask(text, 120.0), frames)


def main(counts: list[int]) -> None:
    """Prints a table for each number of frames."""
    folder = Path(tempfile.mkdtemp(prefix="vibe-cleanup-"))
    try:
        if os.environ.get("VIBE_WINDOW_ROOT"):
            in_window(counts, folder)
        else:
            for frames in counts:
                headless(frames, folder)
        sys.stdout.flush()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [1000, 10000])
    os._exit(0)  # bpy takes its time, or crashes, on the way out
