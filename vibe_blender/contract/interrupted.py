# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The job of a capture that was interrupted, out of the take it left, so that it can be resumed as it was begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .errors import CaptureError
from .protocol import Job
from .take_file import TakeWriter, partial_path, read_note

_KEY = "job"
_PART = partial_path(Path("take")).name.removeprefix("take")


def note_job(writer: TakeWriter, job: Job) -> None:
    """Remembers the job in the growing take, its paths absolute: whoever resumes may be in another folder."""
    boxes = str(Path(job.boxes).absolute()) if job.boxes else ""
    writer.note(_KEY, replace(job, video=str(Path(job.video).absolute()), boxes=boxes).to_line())


def interrupted_job(take: Path, models: str) -> Job:
    """The job that goes on with an interrupted capture.

    Args:
        take: the take, or its growing part; both names will do.
        models: folder of the model files now, empty for the backend's default.

    Raises:
        CaptureError: ``nothing_to_resume``, ``video_missing`` or ``take_damaged``.
    """
    final = take.with_name(take.name.removesuffix(_PART)) if take.name.endswith(_PART) else take
    part = partial_path(final)
    line = read_note(part, _KEY) if part.is_file() else None
    if not isinstance(line, str):
        raise CaptureError(
            "nothing_to_resume", f"{final.name} has no interrupted capture to go on with.", "Capture the video again."
        )
    job = Job.from_line(line)
    if not Path(job.video).is_file():
        raise CaptureError(
            "video_missing", f"The video {job.video} is not there any more.", "Put it back, then resume."
        )
    return replace(job, take=str(final.absolute()), models=models, resume=True)


def interrupted_takes(folder: Path, stem: str) -> list[Path]:
    """The interrupted captures in a folder that may be of a video, told by its name without the ending."""
    try:
        return sorted(
            path for path in folder.iterdir() if path.name.startswith(stem) and path.name.endswith(f".take{_PART}")
        )
    except OSError:
        return []
