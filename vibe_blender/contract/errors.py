# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The one error both halves show to a person: what went wrong, why, and the remedy."""

from __future__ import annotations


class CaptureError(Exception):
    """A failure the user can act on.

    Attributes:
        code: short stable name, such as ``video_missing``; scripts and tests compare it.
        message: what went wrong and why, one sentence.
        hint: what to do about it, one sentence; may be empty.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
