# SPDX-License-Identifier: MIT
"""The command line, ``vibe``: arguments in, exit status out; every error becomes an event and one line."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from vibe_blender.contract.arguments import add_capture_arguments, add_cleanup_arguments, job_from
from vibe_blender.contract.console import Console
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Cancelled, Done, Failed, Job, Progress
from vibe_blender.contract.version import VERSION

from .ending import CANCELLED, DONE, FAILED, Session, interrupt_cancels
from .event_stream import EventStream, standard_output_for_events
from .explain.command import add_explain_arguments, explain
from .packages import require_package
from .training.prepare.command import add_prepare_arguments

# Before numpy is imported: the fit solves many small systems, on which the threads of BLAS only wait for each other and
# for the landmark network's (measured nine times slower).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 done, 1 failed, 2 wrong arguments, 130 cancelled."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what an old Windows console cannot show
    options = _parser().parse_args(arguments)
    with _session(events=getattr(options, "events", False)) as session:
        try:
            status: int = options.command(options, session)
            sys.stdout.flush()
            return status
        except CaptureError as error:
            take = getattr(error, "take", None)
            take = session.kept_take() if take is None else take
            failure = Failed(error.code, error.message, error.hint, take)
        except KeyboardInterrupt:
            return session.end(Cancelled(session.kept_take()), CANCELLED)
        except BrokenPipeError:  # whoever read has read enough, such as `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
            return FAILED
        except Exception as error:  # the one broad catch of the backend: nobody above it could say what went wrong
            traceback.print_exc(file=sys.stderr)
            failure = _unexpected(error, session.kept_take())
        return session.end(failure, FAILED)


def _unexpected(error: Exception, take: str) -> Failed:
    if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] not in ("backend", "vibe_blender"):
        return Failed(
            "package_missing",
            f"The Python package {error.name} is not installed.",
            "Repair the backend, or run `vibe doctor` for a remedy.",
            take,
        )
    return Failed(
        "internal",
        f"The program failed unexpectedly ({type(error).__name__}: {error}).",
        "Please report it, with the log above.",
        take,
    )


@contextlib.contextmanager
def _session(events: bool) -> Iterator[Session]:
    cancelled = threading.Event()
    if not events:
        yield Session(Console(), cancelled)
        return
    with standard_output_for_events() as descriptor:
        yield Session(EventStream(descriptor, cancelled), cancelled)


def capture(options: argparse.Namespace, session: Session) -> int:
    """``vibe capture``: a video becomes a take."""
    job = job_from(options, Path(options.video), Path(options.take))
    # Its own words back to the user: this process runs where they typed them.
    return _run(replace(job, video=options.video, take=options.take), session)


def work(options: argparse.Namespace, session: Session) -> int:
    """``vibe job``: does the one job on standard input, until that input is closed."""
    line = sys.stdin.buffer.readline().decode("utf-8", "replace")
    if not line.strip():
        raise CaptureError("bad_job", "There is no job on standard input.", "Send one as a line of JSON.")
    job = Job.from_line(line)
    # Reads the descriptor itself: a thread that waits inside Python's buffer would hold its lock at exit.
    descriptor = sys.stdin.fileno()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 4096):
                pass
        session.cancelled.set()

    threading.Thread(target=watch, name="stdin", daemon=True).start()
    return _run(job, session)


def _run(job: Job, session: Session) -> int:
    session.end_in_time()
    with interrupt_cancels(session.cancelled):
        from vibe_blender.contract.kept_take import KeptTake

        _spare_other_files(Path(job.take))
        session.kept = KeptTake(Path(job.take))
        from . import pipeline

        try:
            captured = pipeline.run(job, session.outlet.emit, session.cancelled)
        except pipeline.Cancelled as stop:
            return session.end(Cancelled(stop.take), CANCELLED)
    return session.end(Done(str(captured.take), captured.frames, captured.people), DONE)


def _spare_other_files(take: Path) -> None:
    """A slip of the hand, such as the video's own name after ``-o``, must not cost the user a file."""
    if take.is_dir():
        raise CaptureError("take_unwritable", f"{take} is a folder.", "Name a file in it, such as walk.take.")
    if take.is_file() and take.stat().st_size:
        with take.open("rb") as file:
            header = file.read(72)
            # An SQLite file says at byte 68 whose it is; a take that was never finished may be too short to.
            if header[:16] != b"SQLite format 3\0" or header[68:72] not in (b"VIBE", b""):
                raise CaptureError(
                    "take_unwritable", f"{take} is there already and is no take.", "Choose another name for the take."
                )


def info(options: argparse.Namespace, session: Session) -> int:
    """``vibe info``: what is in a take."""
    from vibe_blender.contract.take_file import load_take

    from .summary import summarise

    summary = summarise(load_take(Path(options.take)))
    print(summary.to_json() if options.json else summary.to_text())
    return DONE


def export(options: argparse.Namespace, session: Session) -> int:
    """``vibe export``: a take becomes a plain .npz."""
    from vibe_blender.contract.take_file import load_take

    from . import exporting
    from .published_smoothing import PublishedOneEuro

    given = {name: value for name in ("min_cutoff", "beta") if (value := getattr(options, name)) is not None}
    if options.one_euro and options.format != "smpl":
        options.refuse("--one-euro is VIBE's own smoothing, of the poses of --format smpl only")
    if given and not options.one_euro:
        options.refuse("--min-cutoff and --beta are those of --one-euro, which is not asked for")
    if options.models and options.format != "smpl":
        options.refuse("--models is for the vertices and joints of --format smpl only")
    smoothing = PublishedOneEuro(**given) if options.one_euro else None
    take = load_take(Path(options.take))
    body = exporting.open_body(Path(options.models)) if options.models else None
    print(exporting.export(take, Path(options.out), options.format, options.person, smoothing, body))
    return DONE


def evaluate(options: argparse.Namespace, session: Session) -> int:
    """``vibe evaluate``: how far a take is from the truth."""
    from vibe_blender.contract.take_file import load_take
    from vibe_blender.motion.cleanup import clean
    from vibe_blender.motion.settings import RAW
    from vibe_blender.motion.settings_text import cleanup_from

    from . import evaluation

    take = clean(load_take(Path(options.take)), cleanup_from(options, RAW))
    report = evaluation.evaluate(take, Path(options.truth))
    print(report.to_json() if options.json else report.to_text())
    return DONE


def train(options: argparse.Namespace, session: Session) -> int:
    """``vibe train``: a configuration and clip archives become a network."""
    require_package("torch", "Training")
    from .training.trainer import train as train_network

    trained = train_network(Path(options.config), Console())
    if trained is not None:  # of several processes, one speaks
        measured = f", error {trained.error_mm:.1f} mm" if math.isfinite(trained.error_mm) else ""
        print(f"{trained.network}{measured}")
    return DONE


def test(options: argparse.Namespace, session: Session) -> int:
    """``vibe test``: networks on clip archives, beside what others published."""
    require_package("torch", "`vibe test`")
    from .training.testing import compare

    report = compare(Path(options.config))
    print(report.to_json() if options.json else report.to_text())
    return DONE


def list_models(options: argparse.Namespace, session: Session) -> int:
    """``vibe models list``: of each estimator's files what they are, where from, the licence, and which are there."""
    from .model_list import list_files, to_json, to_text
    from .models import default_folder

    folder = Path(options.models) if options.models else default_folder()
    listed = list_files(folder)
    print(to_json(listed) if options.json else to_text(listed, folder))
    return DONE


def import_models(options: argparse.Namespace, session: Session) -> int:
    """``vibe models import``: a user's SMPL pickle becomes an .npz, which every part of the program reads safely."""
    from .models import default_folder
    from .published import import_body

    folder = Path(options.models) if options.models else default_folder()
    print(import_body(Path(options.path), folder))
    return DONE


def fetch_models(options: argparse.Namespace, session: Session) -> int:
    """``vibe models fetch``: puts the missing model files where they belong."""
    from .models import default_folder, fetch

    began = time.monotonic()

    def received(done: int, total: int) -> None:
        session.outlet.emit(Progress("fetch", done, total, rate=done / max(time.monotonic() - began, 1e-3)))

    fetch(
        Path(options.models) if options.models else default_folder(),
        lambda step: print(step, file=sys.stderr, flush=True),
        Path(options.source) if options.source else None,
        received if options.events else None,
    )
    return DONE


def verify_models(options: argparse.Namespace, session: Session) -> int:
    """``vibe models verify``: whether every model file is whole, told by its sha256."""
    from .models import default_folder, locate
    from .published import no_folder

    folder = Path(options.models) if options.models else default_folder()
    files = locate(folder)
    for item, _, state in files:
        print(f"{item.name}: {state}")
    wrong = [item.name for item, _, state in files if state != "verified"]
    if wrong:
        missing = no_folder((folder, default_folder())) if options.models else ""
        raise CaptureError(
            "models_not_verified",
            f"{missing}Not as they should be: {', '.join(wrong)} in {folder}.",
            "Run `vibe models fetch`.",
        )
    return DONE


def prepare(options: argparse.Namespace, session: Session) -> int:
    """``vibe prepare``: a dataset as it was downloaded becomes a clip archive."""
    require_package("torch", "`vibe prepare`")
    from .training.prepare.command import prepare as prepared

    print(prepared(options))
    return DONE


def doctor(options: argparse.Namespace, session: Session) -> int:
    """``vibe doctor``: what this computer has for a capture, and what to do about each problem."""
    from .doctor import diagnose

    diagnosis = diagnose(Path(options.models) if options.models else None)
    print(diagnosis.to_json() if options.json else diagnosis.to_text())
    return DONE if diagnosis.capture_works else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vibe", description="Turns a video into SMPL motion for Blender.")
    parser.add_argument("--version", action="version", version=f"vibe {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_capture(commands.add_parser("capture", help="video to take"))
    job = commands.add_parser("job", help="do the one job on standard input, as the add-on asks for it")
    job.set_defaults(command=work, events=True)

    command = commands.add_parser("info", help="what is in a take")
    command.set_defaults(command=info)
    command.add_argument("take", metavar="TAKE")
    command.add_argument("--json", action="store_true", help="as JSON")

    command = commands.add_parser("export", help="take to a plain .npz")
    command.set_defaults(command=export)
    command.add_argument("take", metavar="TAKE")
    command.add_argument("out", metavar="OUT.npz")
    command.add_argument("--format", choices=("joints", "amass", "smpl"), required=True)
    command.add_argument("--person", type=int, metavar="ID", help="whom, where there are several")
    command.add_argument(
        "--models", default="", metavar="DIR",
        help="smpl: folder of SMPL's and the regressors' files, to add vertices and joints",
    )  # fmt: skip
    command.add_argument("--one-euro", action="store_true", help="smpl: smooth the poses as VIBE's demo does")
    command.add_argument("--min-cutoff", type=_not_negative, metavar="C", help="of --one-euro, instead of 0.004")
    command.add_argument("--beta", type=_not_negative, metavar="B", help="of --one-euro, instead of 0.7")
    command.set_defaults(refuse=command.error)

    command = commands.add_parser("evaluate", help="compare a take with the truth")
    command.set_defaults(command=evaluate)
    command.add_argument("take", metavar="TAKE")
    command.add_argument("--truth", required=True, metavar="TRUTH.npz")
    command.add_argument("--json", action="store_true", help="as JSON")
    add_cleanup_arguments(command, "the take as it is")

    command = commands.add_parser("train", help="clip archives to a network of your own")
    command.set_defaults(command=train)
    command.add_argument("config", metavar="CONFIG.toml", help="what to learn, from what; run again, it goes on")

    command = commands.add_parser("test", help="networks on clip archives, beside published figures")
    command.set_defaults(command=test)
    command.add_argument("config", metavar="CONFIG.toml", help="which networks, on which archives")
    command.add_argument("--json", action="store_true", help="as JSON")

    command = commands.add_parser("explain", help="what TCMR or DTS-VIBE attended to in a clip, as a picture")
    command.set_defaults(command=explain)
    add_explain_arguments(command)

    _add_models(commands.add_parser("models", help="the network files: list, fetch, import, verify"))

    command = commands.add_parser("prepare", help="a dataset as downloaded, to a clip archive for training")
    command.set_defaults(command=prepare)
    add_prepare_arguments(command)

    command = commands.add_parser("doctor", help="is everything here that a capture needs?")
    command.set_defaults(command=doctor)
    command.add_argument("--models", default="", metavar="DIR", help="folder of the model files")
    command.add_argument("--json", action="store_true", help="as JSON")
    return parser


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 0")
    return value


def _add_capture(command: argparse.ArgumentParser) -> None:
    command.set_defaults(command=capture)
    add = command.add_argument
    add("video", metavar="VIDEO")
    add("-o", dest="take", metavar="TAKE", required=True, help="where to write the take")
    add_capture_arguments(command)
    add("--events", action="store_true", help="print events, one JSON object a line, instead of a progress bar")


def _add_models(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="list|fetch|import|verify")
    for name, function, text in (
        ("list", list_models, "which files there are, their licences, and where they lie"),
        ("fetch", fetch_models, "download the missing ones"),
        ("import", import_models, "convert an SMPL body in a .pkl, or in a folder, to a safe .npz"),
        ("verify", verify_models, "check them by their sha256"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(command=function)
        command.add_argument("--models", default="", metavar="DIR", help="folder of the model files")
        if name == "import":
            command.add_argument("path", metavar="PATH", help="SMPL's .pkl, or the folder it is in")
        if name == "list":
            command.add_argument("--json", action="store_true", help="as JSON")
        if name == "fetch":
            command.add_argument(
                "--from", dest="source", default="", metavar="PLACE", help="a wheel or a folder already here"
            )
            command.add_argument("--events", action="store_true", help="print events: progress in bytes, errors")


if __name__ == "__main__":
    sys.exit(main())
