# SPDX-License-Identifier: MIT
"""``vibe explain``: its arguments, which load nothing, and what it does with them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.ending import DONE, Session
from backend.packages import require_package
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Progress

if TYPE_CHECKING:
    from backend.networks.dts_vibe import DtsVibe
    from backend.networks.tcmr import Tcmr
    from backend.published import PublishedFiles

    from .clips import Clip
    from .drawing import Picture

_LEAST_SECONDS = 1e-3


@dataclass(frozen=True)
class _Explained:
    """A picture, and the numbers in it by their names."""

    picture: Picture
    numbers: dict[str, Any]


@dataclass(frozen=True)
class _Looking:
    """A network that attends to something, and how many frames its windows have."""

    network: Tcmr | DtsVibe
    frames: int


def add_explain_arguments(command: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``vibe explain``."""
    add = command.add_argument
    add("clip", metavar="IN", help="a take captured by tcmr, dts-vibe or vibe, or a clip archive (.clips)")
    add("-o", dest="out", metavar="OUT.png", required=True, help="the picture to write")
    add("--network", default="", metavar="FILE", help="a network of `vibe train`, instead of TCMR's published one")
    add("--models", default="", metavar="DIR", help="folder of the published files")
    add("--person", type=int, metavar="ID", help="whom, where a take has several")
    add("--sequence", default="", metavar="NAME", help="which, where an archive has several")
    add("--frame", type=int, metavar="N", help="dts-vibe: the window around this frame; without it, the clip's middle")
    add("--numbers", default="", metavar="OUT.npz", help="write the numbers, too")


def explain(options: argparse.Namespace, session: Session) -> int:
    """``vibe explain``: what a network attended to in a clip, as a picture.

    Raises:
        CaptureError: of what is missing, or not what it should be.
    """
    require_package("torch", "`vibe explain`")
    from backend import models
    from backend.networks.tcmr import Tcmr
    from backend.published import find_published

    out, numbers = Path(options.out), Path(options.numbers) if options.numbers else None
    _check_names(out, numbers)
    files = find_published(*([Path(options.models)] if options.models else []), models.default_folder())
    clip = _clip(options, files)
    own = _network(clip, Path(options.network) if options.network else None, files)
    began = time.monotonic()

    def progress(done: int, total: int) -> None:
        session.outlet.emit(
            Progress("features", done, total, rate=done / max(time.monotonic() - began, _LEAST_SECONDS))
        )

    if isinstance(own.network, Tcmr):
        if options.frame is not None:
            raise CaptureError("bad_setting", "--frame is for DTS-VIBE; of TCMR all frames are drawn.", "Leave it out.")
        explained = _branches(clip, own.network, own.frames, progress)
    else:
        window = window_around(clip, options.frame, own.frames)
        explained = _maps(clip, own.network, window, progress)
    _write(out, _png(explained.picture))
    if numbers is not None:
        _write(numbers, _npz(explained.numbers))
    print(out)
    return DONE


def _clip(options: argparse.Namespace, files: PublishedFiles) -> Clip:
    from .clips import ArchiveClip, TakeClip

    path = Path(options.clip)
    if path.is_dir():
        if options.person is not None:
            raise CaptureError("bad_setting", "--person is for takes.", "Name a sequence of the archive by --sequence.")
        return ArchiveClip(path, options.sequence)
    if options.sequence:
        raise CaptureError("bad_setting", "--sequence is for clip archives.", "Name a person of the take by --person.")
    return TakeClip(path, options.person, files)


def _network(clip: Clip, path: Path | None, files: PublishedFiles) -> _Looking:
    """The network that is to look, which has to know the clip's features and attend to something."""
    from backend.checkpoints import load_tcmr
    from backend.networks.dts_vibe import DtsVibe
    from backend.networks.tcmr import WINDOW, Tcmr
    from backend.own_networks import Architecture, OwnNetwork, read_own
    from backend.published import require

    from .clips import TakeClip

    if path is None:
        if isinstance(clip, TakeClip) and clip.estimator == "dts-vibe":
            raise CaptureError(
                "network_missing",
                "Nobody publishes DTS-VIBE's weights, so its network has to be named.",
                "Name the file that the take was captured by with --network.",
            )
        (tcmr,) = require(files, "tcmr")
        network = load_tcmr(tcmr, files.spin, files.mean_params)
        own = OwnNetwork(network, Architecture("tcmr"), "spin", WINDOW)
    else:
        own = read_own(path)
    name = own.architecture.name
    if not isinstance(own.network, Tcmr | DtsVibe):
        raise CaptureError(
            "no_attention",
            f"{path} is a network of the kind {name}, which has no attention over time.",
            "TCMR and DTS-VIBE have: name a file of such a network with --network.",
        )
    dts_vibe = own.architecture.dts_vibe
    if isinstance(own.network, DtsVibe) and (dts_vibe.temporal, dts_vibe.regressor) == ("gru", "iterative"):
        raise CaptureError(
            "no_attention", f"{path} is a DTS-VIBE without a transformer, which attends to nothing.", "Name another."
        )
    if own.features != clip.kind:
        raise CaptureError(
            "features_other",
            f"{clip.name} has features of the kind {clip.kind}, and the {name} network knows those of {own.features}.",
            "Name a network that has learned from such features, or another clip.",
        )
    return _Looking(own.network, own.frames)


def _branches(clip: Clip, network: Tcmr, length: int, progress: Callable[[int, int], None]) -> _Explained:
    """TCMR: how much past, all and future frames count, over the whole clip."""
    import numpy as np

    from backend.estimators.windowed.speaking import runs
    from backend.networks.attending import branch_weights

    from .drawing import draw_branches, shown_rows

    rows, parts = shown_rows(clip.frames), list(runs(clip.frames))
    features, _ = clip.read(slice(0, len(clip.frames)), rows, flow=False, progress=progress)
    weights = np.concatenate([branch_weights(network, features[run], length) for run in parts])
    title = f"TCMR's attention, {clip.name}, frames {clip.frames[0]} to {clip.frames[-1]}"
    shown = [(int(clip.frames[row]), clip.picture(row)) for row in rows]
    past, everything, future = weights.T
    picture = draw_branches(title, clip.frames, weights, parts, shown)
    return _Explained(picture, {"frames": clip.frames, "past": past, "all": everything, "future": future})


def _maps(clip: Clip, network: DtsVibe, window: slice, progress: Callable[[int, int], None]) -> _Explained:
    """DTS-VIBE: who looks at whom in a window."""
    from backend.networks.attending import maps

    from .drawing import draw_maps, shown_rows

    frames = clip.frames[window]
    rows = shown_rows(frames)
    shown_at = [window.start + row for row in rows]
    features, flow = clip.read(window, shown_at, flow=network.flow_stream is not None, progress=progress)
    attended = maps(network, features, flow)
    parts = {"encoder": attended.encoder, "regressor": attended.regressor}
    there = {name: part for name, part in parts.items() if part is not None}
    title = f"DTS-VIBE's attention, {clip.name}, frames {frames[0]} to {frames[-1]}"
    shown = [(int(clip.frames[row]), clip.picture(row)) for row in shown_at]
    named = {f"{name.capitalize()}, {len(part)} layers of {part.shape[1]} heads": part for name, part in there.items()}
    return _Explained(draw_maps(title, frames, named, shown), {"frames": frames, **there})


def window_around(clip: Clip, frame: int | None, length: int) -> slice:
    """Where in a clip the window is that has a frame in its middle, or nearly so at an end; gaps are ends, too.

    Args:
        clip: of one person.
        frame: its number; None for the middle of the longest part without a gap.
        length: of the window; a shorter part is one window.

    Raises:
        CaptureError: ``no_such_frame``.
    """
    from backend.estimators.windowed.speaking import runs

    parts = list(runs(clip.frames))
    if frame is None:
        run = max(parts, key=lambda part: part.stop - part.start)
        row = (run.start + run.stop) // 2
    else:
        found = (clip.frames == frame).nonzero()[0]
        if not len(found):
            there = ", ".join(f"{clip.frames[part.start]} to {clip.frames[part.stop - 1]}" for part in parts[:5])
            more = " and others" if len(parts) > 5 else ""
            raise CaptureError("no_such_frame", f"{clip.name} has no frame {frame}.", f"There are {there}{more}.")
        row = int(found[0])
        run = next(part for part in parts if part.start <= row < part.stop)
    first = max(run.start, min(row - length // 2, run.stop - length))
    return slice(first, min(first + length, run.stop))


def _check_names(out: Path, numbers: Path | None) -> None:
    """A slip of the hand, such as the take's own name after ``-o``, must not cost the user a file."""
    for path, ending in ((out, ".png"), (numbers, ".npz")):
        if path is not None and path.suffix.lower() != ending:
            raise CaptureError("bad_setting", f"{path} does not end in {ending}.", f"Name a file such as a{ending}.")


def _png(picture: Picture) -> bytes:
    import cv2

    told, data = cv2.imencode(".png", picture[..., ::-1])
    assert told  # of pixels in memory
    return data.tobytes()


def _npz(arrays: dict[str, Any]) -> bytes:
    import io

    import numpy as np

    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CaptureError(
            "picture_unwritable", f"{path} cannot be written: {error.strerror}.", "Choose another place."
        ) from error
