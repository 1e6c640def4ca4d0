# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture a video, go on with an interrupted capture, cancel the running one."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import bpy
from bpy.props import StringProperty

from .. import availability, installing, session
from ..aims import NewTake, collections_of
from ..contract.errors import CaptureError
from ..contract.interrupted import interrupted_job
from ..contract.protocol import Job
from ..contract.take_file import free_take_path, release_take_path
from ..places import backend, models_folder, published_folder, takes_folder
from ..properties import NETWORK_FIELDS
from ..scene.takes import take_record
from .active import named_take
from .licence import CaptureButton


def backend_ready(operator: type[bpy.types.Operator]) -> bool:
    """Whether a capture can be started at all; tells the user why not."""
    if session.current() is not None:
        operator.poll_message_set("A capture is running already")
        return False
    if installing.running() is not None:
        operator.poll_message_set("The backend is being installed")
        return False
    if not installing.ready():
        operator.poll_message_set("Install the backend first")
        return False
    return True


def estimator_ready(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """Whether the estimator of the settings can be used, as far as is known; tells the user why not."""
    settings = context.scene.vibe
    reason = availability.obstacle(settings.estimator, settings.network_path())
    if reason:
        operator.poll_message_set(reason)
    return not reason


class VIBE_OT_capture(CaptureButton, bpy.types.Operator):
    """Read the video and turn the people in it into animated armatures. Blender can be used meanwhile"""

    bl_idname = "vibe.capture"
    bl_label = "Capture"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if not backend_ready(cls):
            return False
        if context.scene.vibe.video_path() is None:
            cls.poll_message_set("Choose a video first")
            return False
        return estimator_ready(cls, context)

    def run(self, context: bpy.types.Context) -> None:
        """Starts the backend."""
        settings = context.scene.vibe
        video = settings.video_path()
        if not video.is_file():
            raise CaptureError("video_missing", f"There is no video {video}.", "Choose it again.")
        if settings.use_range and settings.end and settings.end <= settings.start:
            raise CaptureError("bad_range", "The range ends before it begins.", "Correct it, or switch it off.")
        take = free_take_path(_writable_takes_folder(context, video), video.stem)
        try:
            job = settings.job(video, take, models_folder(settings.estimator))
            session.start(job, backend(), context.scene, NewTake(settings.scene_start))
        except CaptureError:
            release_take_path(take)
            raise


class VIBE_OT_resume_capture(CaptureButton, bpy.types.Operator):
    """Go on with an interrupted capture where it stopped, with the capture settings it was begun with"""

    bl_idname = "vibe.resume_capture"
    bl_label = "Resume"

    take: StringProperty(  # type: ignore[valid-type]
        name="Take", description="Of the active take, where none is named", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        return backend_ready(cls)

    def run(self, context: bpy.types.Context) -> None:
        """Starts the backend with the job that was interrupted."""
        job = self._job(context)
        if reason := availability.obstacle(job.estimator, Path(job.network) if job.network else None):
            raise CaptureError("estimator_unavailable", f"{reason}.", "The panel Capture says what to do about it.")
        former = [take_record(collection) for collection in collections_of(Path(job.take), context.scene)]
        start = next((record.start for record in former if record is not None), context.scene.vibe.scene_start)
        session.start(job, backend(), context.scene, NewTake(start))

    def estimator(self, context: bpy.types.Context) -> str:
        """That of the interrupted capture; what is wrong with that, ``run`` says."""
        with contextlib.suppress(CaptureError):
            return self._job(context).estimator
        return ""

    def _job(self, context: bpy.types.Context) -> Job:
        """The job as it was begun, with the files of this machine: a take may come from another."""
        path = self.take or named_take("", context).record.path
        chosen = {name: str(context.scene.vibe.network_path(name) or "") for name in NETWORK_FIELDS}
        job = interrupted_job(Path(bpy.path.abspath(path)), str(published_folder() or ""), chosen)
        return replace(job, models=models_folder(job.estimator))


class VIBE_OT_cancel_capture(bpy.types.Operator):
    """Stop the capture. What was found is kept and can be resumed"""

    bl_idname = "vibe.cancel_capture"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Says why not."""
        if session.current() is None:
            cls.poll_message_set("No capture is running")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Asks for the end."""
        running = session.current()
        if running is not None:
            running.cancel()
        return {"FINISHED"}


class VIBE_OT_dismiss(bpy.types.Operator):
    """Take this message away"""

    bl_idname = "vibe.dismiss"
    bl_label = "Dismiss"

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Forgets it."""
        session.tell(None)
        installing.forget_failure()
        return {"FINISHED"}


def _writable_takes_folder(context: bpy.types.Context, video: Path) -> Path:
    folder = takes_folder(context, video)
    if not os.access(folder, os.W_OK) and folder.exists():
        raise CaptureError(
            "take_unwritable",
            f"Nothing can be written in {folder}.",
            "Choose another folder for takes in this add-on's preferences.",
        )
    return folder


CLASSES = (VIBE_OT_capture, VIBE_OT_resume_capture, VIBE_OT_cancel_capture, VIBE_OT_dismiss)
