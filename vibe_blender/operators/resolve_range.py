# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture a stretch of a take again, with the settings of now, and blend it in."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import bpy

from .. import session
from ..aims import Patch
from ..contract.errors import CaptureError
from ..contract.take_file import load_take
from ..places import backend, models_folder
from ..scene.takes import TakeRecord, locate
from .active import has_editable_take, named_take
from .capture import backend_ready, estimator_ready
from .licence import CaptureButton

_CONTEXT = 10
"""Frames captured before and after the range, so that the motion at its ends knows where it comes from and goes."""


class VIBE_OT_resolve_range(CaptureButton, bpy.types.Operator):
    """Capture these frames of the take again, with the settings above, and blend the new motion in"""

    bl_idname = "vibe.resolve_range"
    bl_label = "Re-solve Range"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return backend_ready(cls) and has_editable_take(cls, context) and estimator_ready(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Starts the backend on the stretch."""
        settings, chosen = context.scene.vibe, named_take("", context)
        record = chosen.record
        path = locate(record, bpy.data.filepath)
        take = load_take(path)
        first, last = _video_range(record, settings.resolve_first, settings.resolve_last)
        if not os.access(path.parent, os.W_OK):
            raise CaptureError(
                "take_unwritable",
                f"The new take goes beside {path.name}, and {path.parent} cannot be written.",
                "Move the take where you may write, and open it there.",
            )
        folder = Path(tempfile.mkdtemp(prefix="vibe-range-"))
        job = replace(
            settings.job(Path(record.video), folder / f"{path.stem}.take", models_folder(settings.estimator)),
            start=max(first - _CONTEXT, record.first_frame),
            end=min(last + _CONTEXT, record.first_frame + record.frame_count - 1) + 1,
            focal_mm=None,
            focal_px=take.camera.focal_px,  # or the two stretches would not fit together
            people="all",  # matched with those of the take
        )
        aim = Patch(chosen.collection.session_uid, path, first, last, settings.resolve_blend)
        try:
            session.start(job, backend(), context.scene, aim)
        except CaptureError:
            aim.withdraw(Path(job.take), None)
            raise


def _video_range(record: TakeRecord, first: int, last: int) -> tuple[int, int]:
    """Scene frames as frames of the video, inside the take."""
    rate = record.fps / record.scene_fps
    low = record.first_frame + round((first - record.start) * rate)
    high = record.first_frame + round((last - record.start) * rate)
    low, high = max(low, record.first_frame), min(high, record.first_frame + record.frame_count - 1)
    if high < low:
        raise CaptureError(
            "bad_range", f"Frames {first} to {last} of the timeline are not in the take.", "Choose frames of the take."
        )
    return low, high


CLASSES = (VIBE_OT_resolve_range,)
