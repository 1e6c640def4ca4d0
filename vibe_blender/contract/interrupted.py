# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The job of a capture that was interrupted, out of the take it left, so that it can be resumed as it was begun."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from .errors import CaptureError
from .protocol import Job
from .take_file import TakeWriter, final_path, is_growing, partial_path, read_note, take_stem

_KEY = "job"
_NAME = re.compile(r"(?P<stem>.+?)(?: (?P<number>[1-9]\d{0,8}))?(?P<ending>\.take\.part)", re.DOTALL)


def note_job(writer: TakeWriter, job: Job) -> None:
    """Remembers the job in the growing take, its paths absolute: whoever resumes may be in another folder."""
    boxes, network = (str(Path(path).absolute()) if path else "" for path in (job.boxes, job.network))
    writer.note(_KEY, replace(job, video=str(Path(job.video).absolute()), boxes=boxes, network=network).to_line())


def interrupted_job(take: Path, models: str, networks: Mapping[str, str] = MappingProxyType({})) -> Job:
    """The job that goes on with an interrupted capture.

    Args:
        take: the take, or its growing part; both names will do.
        models: folder of the model files now, empty for the backend's default.
        networks: by estimator, the file of the network of their own that the user has chosen now, if any. The one noted
            may be elsewhere on this machine; the backend knows it again by what is in it, and refuses another.

    Raises:
        CaptureError: ``nothing_to_resume``, ``take_in_use``, ``video_missing``, ``boxes_missing``,
            ``network_missing``, ``take_damaged``, ``take_newer``, or what ``Job`` says of a job that makes no sense.
    """
    final = final_path(take)
    part = partial_path(final)
    if is_growing(final):
        raise CaptureError("take_in_use", f"{final.name} is being captured now.", "Wait until it is done, or stop it.")
    job = _noted_job(part) if part.is_file() else None
    if job is None:
        raise CaptureError(
            "nothing_to_resume", f"{final.name} has no interrupted capture to go on with.", "Capture the video again."
        )
    video, boxes = Path(job.video), Path(job.boxes)
    if not video.is_file():
        raise CaptureError("video_missing", f"The video {video} is not there any more.", "Put it back, then resume.")
    # The file may be a stranger's: it must not make us open whatever path it names.
    if job.boxes and not (boxes.parent in (video.parent, final.absolute().parent) and boxes.is_file()):
        raise CaptureError(
            "boxes_missing",
            f"The boxes {boxes} are not beside the video or the take.",
            "Resume it on the command line with the same `--boxes`, or capture the video again.",
        )
    known = (video.parent, final.absolute().parent, *([Path(models).absolute()] if models else []))
    network = _network(job, known, networks.get(job.estimator, ""))
    return replace(job, take=str(final.absolute()), models=models, network=network, resume=True)


def _network(job: Job, known: Sequence[Path], chosen: str) -> str:
    """The file of the job's network: the noted one in a known folder, else the one that is chosen."""
    noted = Path(job.network)
    if not job.network or (noted.parent in known and noted.is_file()):
        return job.network
    if chosen and Path(chosen).is_file():
        return chosen
    raise CaptureError(
        "network_missing",
        f"The network {noted} is not beside the video, the take or the model files.",
        "Choose it as Own Network of its estimator, then resume; or resume on the command line with `--network`.",
    )


def interrupted_takes(folder: Path, video: Path) -> list[Path]:
    """The growing parts in a folder that interrupted captures of a video left, and nobody writes now.

    Only those are opened whose names ``free_take_path`` gives to takes of this video.

    Args:
        folder: where takes go.
        video: the video, absolute.
    """
    stem, found = _as_compared(take_stem(video.stem)), []
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    for name in names:
        number = _number(name, stem)
        path = folder / name
        if number and not is_growing(path) and _is_of(path, video):
            found.append((number, path))
    return [path for _, path in sorted(found)]


def _number(name: str, stem: str) -> int:
    """Which of the takes of a video a file would be by its name, 0 where of none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return 0
    if _as_compared(name.removesuffix(match["ending"])) == stem:
        return 1
    return int(match["number"] or 0) if _as_compared(match["stem"]) == stem else 0


def _is_of(part: Path, video: Path) -> bool:
    try:
        job = _noted_job(part)
    except CaptureError:
        return False
    return job is not None and _as_compared(job.video) == _as_compared(str(video.absolute()))


def _noted_job(part: Path) -> Job | None:
    line = read_note(part, _KEY)
    return Job.from_line(line, noted=True) if isinstance(line, str) else None


def _as_compared(path: str) -> str:
    """A path as the system takes it: on Windows case does not matter, and on a Mac two ways to write an é do not."""
    return unicodedata.normalize("NFC", os.path.normcase(os.path.normpath(path)))
