# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes as they were captured, read from their files once and kept while they are worked on."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.take import Take
from ..contract.take_file import load_take
from .takes import TakeRecord, locate

_MOST_BYTES = 512 << 20
"""An hour of one person at 30 frames a second is 220 MB, most of it landmarks that the clean-up has no use for."""

_State = tuple[Path, int, int]
_kept: OrderedDict[_State, Take] = OrderedDict()
"""By file, moment of its last change and size; used last comes last."""


def raw_take(record: TakeRecord) -> Take:
    """What was captured.

    Args:
        record: of a take in the open file.

    Raises:
        CaptureError: ``take_missing`` and what ``load_take`` raises.
    """
    path = locate(record, bpy.data.filepath)
    try:
        facts = path.stat()
    except OSError as error:
        raise CaptureError("take_missing", f"{path} cannot be read: {error.strerror}.", "Locate the take.") from error
    state = path, facts.st_mtime_ns, facts.st_size
    if state not in _kept:
        _kept[state] = load_take(path)
        while len(_kept) > 1 and sum(map(_size, _kept.values())) > _MOST_BYTES:
            _kept.popitem(last=False)
    _kept.move_to_end(state)
    return _kept[state]


def forget() -> None:
    """Gives the memory back."""
    _kept.clear()


def _size(take: Take) -> int:
    parts = [vars(part) for person in take.people for part in (person, person.words) if part is not None]
    return sum(value.nbytes for values in parts for value in values.values() if isinstance(value, np.ndarray))
