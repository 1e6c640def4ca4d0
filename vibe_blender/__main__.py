# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's flow without a window: a video or a take becomes a .blend, or a file for another program, and a picture.

``python -m vibe_blender VIDEO_OR_TAKE --save OUT.blend`` with pip's bpy, or inside Blender
``blender -b -P vibe_blender/__main__.py -- VIDEO_OR_TAKE --save OUT.blend``.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # Blender runs files, not packages
    import runpy

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    runpy.run_module("vibe_blender", run_name="__main__")  # ends the program

import argparse
import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .client.process import CaptureLost, CaptureProcess
from .contract.arguments import add_capture_arguments, add_cleanup_arguments, job_from
from .contract.console import Console
from .contract.errors import CaptureError
from .contract.protocol import LAST_EVENTS, Cancelled, Done, Failed, Job, Warned
from .contract.take import Take
from .contract.take_file import load_take
from .motion.cleanup import cleaned
from .motion.export_settings import add_export_arguments, export_from
from .motion.settings import Cleanup
from .motion.settings_text import cleanup_from

if TYPE_CHECKING:
    from .scene.exporting.checking import Places

DONE, FAILED, CANCELLED = 0, 1, 130
_FIRST_FRAME = 1
_POLL_SECONDS = 0.2
LARGEST_MM = 1.0
_SQLITE = b"SQLite format 3\0"


class Stopped(Exception):
    """The user stopped the capture; the argument is the take that was kept, or empty."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 done, 1 failed, 130 cancelled; wrong arguments end the program with 2."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        settings = _check(options)
        if _is_take(options.source):
            path, take = options.source, load_take(options.source)
            for warning in take.warnings:
                console.emit(Warned("take", warning))
        else:
            path = _capture(options, console)
            take = load_take(path)
        with contextlib.redirect_stdout(io.StringIO()):  # Blender's operators report there
            written = _build(options, settings, take, path, console)
        print(*written, sep="\n")
    except CaptureError as error:
        kept = error.take if isinstance(error, CaptureLost) else ""
        console.emit(Failed(error.code, error.message, error.hint, kept))
        return FAILED
    except (KeyboardInterrupt, Stopped) as stop:
        console.emit(Cancelled(str(stop)))
        return CANCELLED
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vibe_blender", description="Turns a video, or a take of one, into an animated armature."
    )
    add = parser.add_argument
    add("source", type=_path, metavar="VIDEO_OR_TAKE")
    add(
        "--save",
        type=_path,
        required=True,
        metavar="OUT",
        help="file to write: .blend, .fbx, .glb, .bvh, .usd or .npz",
    )
    add("--scene-fps", type=_scene_fps, metavar="match|F", help="frames per second of the scene (default: the video's)")
    add("--picture", type=_path, metavar="OUT.png", help="also render the bodies over the video")
    add("--picture-frames", type=_frames, metavar="F,F,…", help="at these video frames (default: one in the middle)")
    add("--take", type=_path, metavar="TAKE", help="where the take of a video goes (default: beside --save)")
    add(
        "--backend-python",
        type=Path,
        metavar="PYTHON",
        help="Python that captures (default: $VIBE_BACKEND_PYTHON, or this one)",
    )
    add_capture_arguments(parser)
    add_cleanup_arguments(parser, "as in the panel")
    add_export_arguments(parser)
    return parser


def _path(text: str) -> Path:
    """Absolute, because Blender has a folder of its own for what is relative."""
    return Path(text).absolute()


def _scene_fps(text: str) -> float | None:
    """None for the video's own rate."""
    if text == "match":
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1.0 <= value <= 1000.0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither `match` nor a number from 1 to 1000")
    return value


def _frames(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of frame numbers such as 10,50,90") from error


def _check(options: argparse.Namespace) -> Cleanup:
    """Finds what would fail after a long capture before it starts; the clean-up that is asked for."""
    settings = cleanup_from(options, Cleanup())
    export_from(options)
    try:
        from .scene.exporting.destination import check_destination, check_writable
    except ImportError as error:
        raise CaptureError(
            "bpy_missing",
            f"Blender's Python module cannot be loaded: {error}.",
            "Install bpy into this Python, or run this file inside Blender with `blender -b -P`.",
        ) from error
    check_destination(options.save)
    if options.picture is not None:
        if options.picture.suffix.lower() != ".png":
            raise CaptureError(
                "bad_picture", f"The picture {options.picture} is no PNG file.", "Give it a name that ends in .png."
            )
        check_writable(options.picture)
    if not options.source.is_file():
        raise CaptureError("video_missing", f"There is no file {options.source}.", "Check the path.")
    return settings


def _is_take(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE or path.suffix == ".take"


def _capture(options: argparse.Namespace, console: Console) -> Path:
    """Runs the backend and returns the take it made."""
    take = options.take or options.save.with_suffix(".take")
    python = options.backend_python or Path(os.environ.get("VIBE_BACKEND_PYTHON", sys.executable))
    descriptor, name = tempfile.mkstemp(prefix="vibe-", suffix=".log")
    os.close(descriptor)
    log = Path(name)
    made = _follow(job_from(options, options.source, take), python, log, console)
    log.unlink(missing_ok=True)
    return made


def _follow(job: Job, python: Path, log: Path, console: Console) -> Path:
    """Shows the events of a capture until it ends; the first Ctrl-C asks for a tidy end, the second ends at once."""
    with CaptureProcess(job, python, log) as process:
        try:
            _show(process, console)
        except KeyboardInterrupt:
            print("\nStopping. What was captured is kept.", file=sys.stderr, flush=True)
            process.cancel()
            _show(process, console)
    match process.last:
        case Done(take=take):
            return Path(take)
        case Cancelled(take=take):
            raise Stopped(take)
        case Failed(code=code, message=message, hint=hint, take=take):
            raise CaptureLost(code, message, hint, take)
    raise AssertionError("a capture ends with one of three events")


def _show(process: CaptureProcess, console: Console) -> None:
    while process.last is None:
        for event in process.wait(_POLL_SECONDS):
            if not isinstance(event, LAST_EVENTS):
                console.emit(event)


def _build(options: argparse.Namespace, settings: Cleanup, take: Take, path: Path, console: Console) -> list[Path]:
    """Fills a new file with the take, cleaned up, and returns the files written."""
    import bpy

    from .cleanup_kept import cleanup_registered, set_cleanup
    from .scene.assembly import assemble
    from .scene.camera import look_through_camera, match_scene, set_frame_rate
    from .scene.exporting.saving import save, subject_of
    from .scene.picture import overlay_picture

    if not take.people:
        raise CaptureError("nobody", "There is nobody in the take.", "Capture a video in which people are seen whole.")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    set_frame_rate(scene, options.scene_fps or take.video.fps)
    assembly = assemble(take, scene, Path(take.video.path).stem, start=_FIRST_FRAME, path=path)
    match_scene(scene, assembly.camera, take.video, start=_FIRST_FRAME)
    look_through_camera()
    for warning in assembly.warnings:
        console.emit(Warned("scene", warning))
    with cleanup_registered():
        set_cleanup(assembly.collection, settings)
        subjects = [subject_of(actor.armature, scene) for actor in assembly.actors]
        people = [actor.person for actor in assembly.actors]
        shown = cleaned(take, settings).take if options.save.suffix.lower() == ".npz" else None
        exported = save(options.save, scene, subjects, export_from(options), take=shown, people=people)
    if options.check:
        _compare(exported)
    written = list(dict.fromkeys(places.path for places in exported))
    if options.picture is not None:
        seen = take.people[0].frames
        frames = options.picture_frames or (int(seen[len(seen) // 2]),)
        overlay_picture(options.picture, assembly, take.video, frames, scene, start=_FIRST_FRAME)
        written.append(options.picture)
    return written


def _compare(exported: list[Places]) -> None:
    """Says how far files that are read back are from what was exported.

    Raises:
        CaptureError: ``check_failed``, or ``check_off`` where that is too far.
    """
    from .scene.exporting.saving import check_written

    found = check_written(exported)
    if found is None:
        return
    print(found, file=sys.stderr, flush=True)
    if found.largest_mm > LARGEST_MM:
        raise CaptureError("check_off", f"Not all joints are where they were: {found}", "Try another format.")


def _keep_standard_output() -> None:
    """Gives standard output to this program alone: Blender prints there, from C, whatever it does."""
    sys.stdout.flush()
    ours = os.dup(1)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    sys.stdout = os.fdopen(ours, "w", encoding="utf-8", errors="backslashreplace", buffering=1)


def _arguments() -> list[str]:
    """This program's own arguments; inside Blender those after ``--``."""
    inside_blender = "bpy" in sys.modules and sys.modules["bpy"].app.binary_path
    if not inside_blender:
        return sys.argv[1:]
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _leave(status: int) -> None:
    """Ends the program with this status, which pip's bpy sometimes turns into a crash while it is torn down."""
    bpy = sys.modules.get("bpy")
    if bpy is None or bpy.app.binary_path:
        sys.exit(status)
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    _keep_standard_output()
    _leave(main(_arguments()))
