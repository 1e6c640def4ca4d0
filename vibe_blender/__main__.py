# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's flow without a window: a video or a take becomes a .blend, or a file for another program, and a picture.

``python -m vibe_blender VIDEO_OR_TAKE --save OUT.blend`` with pip's bpy, or inside Blender
``blender -b -P vibe_blender/__main__.py -- VIDEO_OR_TAKE --save OUT.blend``. With ``--target RIG.blend`` a character
takes over the motion.
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

from .casting import Piece, is_folder, pieces_from
from .client.process import CaptureLost, CaptureProcess
from .contract.arguments import add_capture_arguments, add_cleanup_arguments, add_retarget_arguments, job_from
from .contract.console import Console
from .contract.errors import CaptureError
from .contract.protocol import LAST_EVENTS, Cancelled, Done, Failed, Job, Warned
from .contract.take_file import load_take
from .motion.export_settings import add_export_arguments, export_from
from .motion.settings import Cleanup
from .motion.settings_text import cleanup_from

DONE, FAILED, CANCELLED = 0, 1, 130
_POLL_SECONDS = 0.2
_FORMATS = ("blend", "fbx", "glb", "gltf", "bvh", "usdc", "usdz", "npz")
_SQLITE = b"SQLite format 3\0"


class Stopped(Exception):
    """The user stopped the capture; the argument is the take that was kept, or empty."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 done, 1 failed, 130 cancelled; wrong arguments end the program with 2."""
    options = _parser().parse_args(arguments)
    console = Console()
    failed: list[Piece] = []
    try:
        pieces = pieces_from(options)
        settings = _check(options, pieces)
        for source in dict.fromkeys(piece.source for piece in pieces):
            made = [piece for piece in pieces if piece.source == source]
            failed += _make(made, options, settings, console, alone=len(pieces) == 1)
    except CaptureError as error:
        console.emit(_failure(error))
        return FAILED
    except (KeyboardInterrupt, Stopped) as stop:
        console.emit(Cancelled(str(stop)))
        return CANCELLED
    return FAILED if failed else DONE


def _make(
    pieces: list[Piece], options: argparse.Namespace, settings: Cleanup, console: Console, *, alone: bool
) -> list[Piece]:
    """Makes all files of one video or take, and returns those that could not be made.

    Args:
        pieces: the files.
        options: of the command line.
        settings: of the clean-up.
        console: hears of them.
        alone: there is only one file: what goes wrong with it is raised.
    """
    from .building import build

    source, failed = pieces[0].source, []
    try:
        path = source if _is_take(source) else _capture(options, pieces[0], console)
        take = load_take(path)
        for warning in take.warnings if path == source else ():
            console.emit(Warned("take", warning))
    except CaptureError as error:
        if alone:
            raise
        console.emit(_failure(error, source.name))
        return pieces
    for piece in pieces:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # Blender's operators report there
                written = build(piece, options, settings, take, path, console)
            print(*written, sep="\n")
        except CaptureError as error:
            if alone:
                raise
            console.emit(_failure(error, piece.save.stem))
            failed.append(piece)
    return failed


def _failure(error: CaptureError, what: str = "") -> Failed:
    """An error as the console tells it.

    Args:
        error: what went wrong.
        what: with which of several files.
    """
    kept = error.take if isinstance(error, CaptureLost) else ""
    return Failed(error.code, f"{what}: {error.message}" if what else error.message, error.hint, kept)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vibe_blender",
        description="Turns a video, or a take of one, into animation of an armature of its own, or of your characters.",
    )
    add = parser.add_argument
    add("source", type=_path, nargs="+", metavar="VIDEO_OR_TAKE")
    add(
        "--save",
        type=_path,
        required=True,
        metavar="OUT",
        help="file to write: .blend, .fbx, .glb, .bvh, .usd or .npz; or a folder, for each take with each target",
    )
    add("--format", choices=_FORMATS, default="blend", help="of the files in a folder (default: %(default)s)")
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
    add_retarget_arguments(parser)
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


def _check(options: argparse.Namespace, pieces: Sequence[Piece]) -> Cleanup:
    """Finds what would fail after a long capture before it starts; the clean-up that is asked for."""
    settings = cleanup_from(options, Cleanup())
    export_from(options)
    try:
        from .scene.exporting.destination import check_destination, check_writable
        from .stored_maps import read_map
    except ImportError as error:
        raise CaptureError(
            "bpy_missing",
            f"Blender's Python module cannot be loaded: {error}.",
            "Install bpy into this Python, or run this file inside Blender with `blender -b -P`.",
        ) from error
    for piece in pieces:
        if not piece.source.is_file():
            raise CaptureError("video_missing", f"There is no file {piece.source}.", "Check the path.")
        for role in piece.roles:
            if not role.rig.is_file():
                raise CaptureError("rig_missing", f"There is no file {role.rig}.", "Check the path.")
            if role.bone_map is not None:
                read_map(role.bone_map)
        check_destination(piece.save)
    if options.picture is not None:
        if options.picture.suffix.lower() != ".png":
            raise CaptureError(
                "bad_picture", f"The picture {options.picture} is no PNG file.", "Give it a name that ends in .png."
            )
        check_writable(options.picture)
    return settings


def _is_take(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE or path.suffix == ".take"


def _capture(options: argparse.Namespace, piece: Piece, console: Console) -> Path:
    """Runs the backend and returns the take it made."""
    beside = options.save / piece.source.stem if is_folder(options.save) else options.save
    take = options.take or beside.with_suffix(".take")
    python = options.backend_python or Path(os.environ.get("VIBE_BACKEND_PYTHON", sys.executable))
    descriptor, name = tempfile.mkstemp(prefix="vibe-", suffix=".log")
    os.close(descriptor)
    log = Path(name)
    made = _follow(job_from(options, piece.source, take), python, log, console)
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
