# SPDX-License-Identifier: MIT
"""``vibe prepare``: its arguments, which load nothing, and what it does with them."""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe_blender.contract.errors import CaptureError

if TYPE_CHECKING:
    from backend.flow import FlowMethod
    from backend.training.archive import ClipArchive

    from .preparing import Dataset, Encoder

MODULES = {
    "amass": "amass", "3dpw": "threedpw", "penn-action": "penn_action", "posetrack": "posetrack",
    "mpi-inf-3dhp": "mpi_inf_3dhp", "insta-variety": "insta_variety", "human36m": "human36m",
}  # fmt: skip
"""Module of each dataset by its name on the command line."""
ARCHIVE = "archive"
"""Instead of a dataset's name: an archive whose pictures are to get features or flow."""
RENDERED = "rendered"
"""Instead of a dataset's name: our own, made of motions."""
LANDMARKS = "landmarks"
"""Instead of a checkpoint for features."""
_LEAST_SECONDS = 0.1


def add_prepare_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``vibe prepare``."""
    add = command.add_argument
    add(
        "dataset",
        metavar="DATASET",
        choices=(*MODULES, RENDERED, ARCHIVE),
        help=f"{', '.join(MODULES)}, {RENDERED} or {ARCHIVE}",
    )
    add("raw", metavar="RAW", help=f"its folder as downloaded; {RENDERED}: of motions; {ARCHIVE}: .clips with pictures")
    add(
        "-o", dest="out", metavar="OUT.clips", required=True, help="folder to write; an interrupted one is gone on with"
    )
    add("--split", default="", metavar="NAME", help="part of the dataset, such as train")
    add("--limit", type=_count, metavar="N", help="so many recordings only")
    add("--shortest", type=_count, metavar="FRAMES", help="leave shorter sequences out (16)")
    add("--fps", type=_count, metavar="N", help="thin sequences to about so many frames a second")
    add(
        "--features",
        default="",
        metavar="SPIN.pth.tar",
        help=f"add features, by SPIN's published checkpoint, or {LANDMARKS}: by BlazePose, whose files "
        "`vibe models fetch` gets",
    )
    add("--flow", action="store_true", help="add optical flow of people's crops, which dts-vibe learns from")
    add("--raft", default="", metavar="RAFT.pth", help="flow by RAFT, with weights that torchvision publishes")
    add("--images", action="store_true", help="keep the pictures of people")
    add("--models", default="", metavar="DIR", help="3dpw: SMPL's files, for joints that only its skin tells")
    own = command.add_argument_group(
        RENDERED, "pictures of the mannequin; --limit is the number of scenes"
    ).add_argument
    own("--only", action="append", default=[], metavar="PATTERN", help="motions that may be shown, such as 'CMU/*'")
    own("--exclude", default="", metavar="FILE", help="motions, or frames of them, that must not be shown, a line each")
    own("--backgrounds", default="", metavar="DIR", help="your own pictures, to be behind people")
    own("--set", action="append", default=[], metavar="NAME=NUMBER", help="seed, frames, workers, samples, people, ...")
    command.set_defaults(refuse=command.error)


def prepare(options: argparse.Namespace) -> str:
    """A sentence about the archive that was written.

    Raises:
        CaptureError: as of ``preparing.prepare``, ``archive_copy.add_columns`` or ``flow_networks.load_raft``.
    """
    raw, out = Path(options.raw), Path(options.out)
    if raw.exists() and out.exists() and raw.samefile(out):
        # Before what is told of folders that hold something: its remedy is to delete it.
        raise CaptureError(
            "bad_option", f"{raw} is to be read, and is not written over.", "Name another folder with -o."
        )
    if options.models and options.dataset != "3dpw":
        options.refuse("--models is for 3dpw only")
    if options.dataset != RENDERED and (options.only or options.exclude or options.backgrounds or options.set):
        options.refuse(f"--only, --exclude, --backgrounds and --set are for {RENDERED} only")
    line = _Line()
    if options.dataset == RENDERED:
        archive = _render(options, raw, out, line)
    elif options.dataset == ARCHIVE:
        archive = _copy(options, raw, out, line)
    else:
        from .preparing import Options
        from .preparing import prepare as prepare_dataset

        choices = Options(
            split=options.split, limit=options.limit, shortest=options.shortest or Options.shortest, fps=options.fps,
            images=options.images, body=Path(options.models) if options.models else None,
            networks=_network_files(options),
        )  # fmt: skip
        dataset = find_dataset(options.dataset)
        archive = prepare_dataset(
            dataset, raw, out, choices, _encoder(options),
            lambda state: line.show(state.done, state.total, state.frames), _flow_method(options),
        )  # fmt: skip
    line.end()
    sequences = "1 sequence" if len(archive.sequences) == 1 else f"{len(archive.sequences)} sequences"
    return f"{out}: {len(archive)} frames, {sequences}. {archive.facts.terms}"


def find_dataset(name: str) -> Dataset:
    """A dataset by its name on the command line."""
    dataset: Dataset = importlib.import_module(f".{MODULES[name]}", __package__).DATASET
    return dataset


def _encoder(options: argparse.Namespace) -> Encoder | None:
    """What makes features, None where none are asked for."""
    if not options.features:
        return None
    if options.features == LANDMARKS:
        from backend.training.landmark_features import landmark_encoder

        return landmark_encoder()
    from backend.training.features import spin_encoder

    return spin_encoder(Path(options.features))


def _network_files(options: argparse.Namespace) -> tuple[Path, ...]:
    """The files of the user's that features and flow are made with."""
    named = (options.features if options.features != LANDMARKS else "", options.raft)
    return tuple(Path(name) for name in named if name)


def _flow_method(options: argparse.Namespace) -> FlowMethod | None:
    if options.raft:
        from backend.flow_networks import load_raft

        return load_raft(Path(options.raft))
    if options.flow:
        from backend.flow import Dis

        return Dis()
    return None


def _copy(options: argparse.Namespace, raw: Path, out: Path, line: _Line) -> ClipArchive:
    from backend.training.archive import open_archive

    from .archive_copy import add_columns

    if options.split or options.limit or options.shortest or options.fps:
        options.refuse("--split, --limit, --shortest and --fps are for datasets only")
    flow, encoder = _flow_method(options), _encoder(options)
    if flow is None and encoder is None:
        raise CaptureError(
            "bad_option", "An archive is copied to give it features or flow.", "Add --features or --flow."
        )
    return add_columns(
        open_archive(raw), out, encoder=encoder, flow=flow, images=options.images,
        networks=_network_files(options), progress=line.show,
    )  # fmt: skip


def _render(options: argparse.Namespace, motions: Path, out: Path, line: _Line) -> ClipArchive:
    from .rendered import prepare_rendered, render_options

    if options.features or options.models or options.flow or options.raft:
        options.refuse(
            f"--features, --flow, --raft and --models are not for {RENDERED}; "
            f"`vibe prepare {ARCHIVE}` adds features and flow"
        )
    choices: dict[str, Any] = {"split": options.split or None, "scenes": options.limit, "fps": options.fps}
    choices |= {"shortest": options.shortest, "only": tuple(options.only)}
    choices |= {name: Path(getattr(options, name)) for name in ("exclude", "backgrounds") if getattr(options, name)}
    chosen = render_options(choices, options.set)
    # Workers run where the program is, not where the user is.
    motions = motions.resolve()
    return prepare_rendered(motions, out, chosen, lambda state: line.show(state.done, state.total, state.frames))


def _count(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 1 << 31):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


class _Line:
    """How far it is: one line that is written over on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._bar, self._began, self._shown = sys.stderr.isatty(), time.monotonic(), 0.0
        self._every = _LEAST_SECONDS if self._bar else 100 * _LEAST_SECONDS

    def show(self, done: int, total: int, frames: int) -> None:
        """Shows how many recordings are done, of how many, and the frames so far."""
        now = time.monotonic()
        if now - self._shown < self._every and done < total:
            return
        self._shown = now
        left = round((now - self._began) * (total - done) / max(done, 1))
        text = f"Preparing {done}/{total} recordings, {frames} frames, {left // 60}:{left % 60:02d} left"
        if self._bar:
            text = "\r" + text.ljust(shutil.get_terminal_size().columns - 1)
        print(text, end="" if self._bar else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leaves the line."""
        if self._bar and self._shown:
            print(file=sys.stderr)
