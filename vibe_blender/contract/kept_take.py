# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What a capture leaves when it ends early, told the same by the backend and by whoever started it."""

from __future__ import annotations

from pathlib import Path

from .take_file import has_solved_frames, partial_path


class KeptTake:
    """Knows what there is to open of a capture that ended early, however it ended; made before the capture begins."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = _changed(path)

    def find(self) -> str:
        """The path that ``load_take`` opens, empty where nothing of this capture was kept.

        That is the finished file where the capture wrote it, else the growing one where frames of it are solved.
        """
        if self.finished:
            return str(self._path)
        part = partial_path(self._path)
        if not has_solved_frames(part):
            return ""
        return str(part if self._path.exists() else self._path)

    @property
    def finished(self) -> bool:
        """Whether somebody has put a finished file in the take's place since the capture began."""
        now = _changed(self._path)
        return now is not None and now != self._before


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
