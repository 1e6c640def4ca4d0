# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera that moved while it filmed, read for every frame of a take: an object of the scene, or a solved clip."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.take import Video
from ..motion.curves import scene_frames
from ..motion.settings import CameraPath

_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""Blender's cameras look along -z with y up, ours along z with y down."""
_SAME_SHAPE = 0.01


def scene_camera_path(
    scene: bpy.types.Scene, eye: bpy.types.Object, video: Video, *, fps: float, start: float
) -> CameraPath:
    """The path of a camera object: animated, on a parent, held by constraints, or driven by a solved movie clip.

    Everything is read in a scene of its own that is gone afterwards, so the user's frame does not move, and only what
    the camera depends on is evaluated. The picture is taken to fill what the camera shows.

    Args:
        scene: that the camera belongs to.
        eye: a camera object.
        video: the take's.
        fps: frames per second of the scene when the take's keys were placed, which may be another now.
        start: scene frame of the first captured frame.

    Raises:
        CaptureError: ``no_camera`` for another object, or one whose lens is no pinhole; ``camera_mismatch`` where the
            scene's picture has another shape than the video's.
    """
    if eye.type != "CAMERA" or eye.data.type != "PERSP":
        raise CaptureError("no_camera", f"{eye.name} is no camera with perspective.", "Choose the camera that filmed.")
    _check_shape(scene, video)
    places, lenses = [], []
    with _own_scene(scene, eye) as own:
        for frame in scene_frames(video.times, fps, start).tolist():
            whole = int(np.floor(frame))
            own.frame_set(whole, subframe=frame - whole)
            there = eye.evaluated_get(own.view_layers[0].depsgraph)
            places.append(np.array(there.matrix_world))
            lenses.append(_lens(there.data, video))
    focal, centre = np.array([lens[0] for lens in lenses]), np.array([lens[1:] for lens in lenses])
    solved = any(constraint.type == "CAMERA_SOLVER" and not constraint.mute for constraint in eye.constraints)
    return CameraPath(_rigid(np.array(places) @ _TO_OPENCV), focal, centre, None if solved else 1.0)


def tracked_camera_path(clip: bpy.types.MovieClip, video: Video) -> CameraPath:
    """The path that Blender's motion tracker solved, in the tracker's own world, of unknown scale and without a floor.

    Args:
        clip: of the video of the take, its camera solved.
        video: the take's.

    Raises:
        CaptureError: ``camera_unsolved`` where a frame of the take has no solved camera; ``camera_mismatch`` for a clip
            of another size.
    """
    tracking = clip.tracking
    if (clip.size[0], clip.size[1]) != (video.width_px, video.height_px):
        raise CaptureError(
            "camera_mismatch",
            f"{clip.name} is {clip.size[0]} x {clip.size[1]}, the take's video {video.width_px} x {video.height_px}.",
            "Track the video that was captured.",
        )
    frames = np.rint(video.times * clip.fps).astype(int) + 1
    cameras = tracking.reconstruction.cameras
    solved = tracking.reconstruction.is_valid and {camera.frame for camera in cameras}
    missing = [frame for frame in frames.tolist() if not solved or frame not in solved]
    if missing:
        raise CaptureError(
            "camera_unsolved",
            f"{clip.name} has no solved camera in {len(missing)} of {len(frames)} frames, the first is {missing[0]}.",
            "Track and solve it over the whole range of the take.",
        )
    places = np.array([cameras.matrix_from_frame(frame=int(frame)) for frame in frames])
    camera = tracking.camera
    x, y = camera.principal_point_pixels
    centre = np.tile([x, video.height_px - y], (len(frames), 1))
    return CameraPath(_rigid(places @ _TO_OPENCV), np.full(len(frames), camera.focal_length_pixels), centre, None)


@contextmanager
def _own_scene(scene: bpy.types.Scene, eye: bpy.types.Object) -> Iterator[bpy.types.Scene]:
    """A scene that has the camera and the time of another, and nothing else."""
    own = bpy.data.scenes.new("Camera path")
    try:
        own.collection.objects.link(eye)
        own.camera = eye
        own.active_clip = scene.active_clip
        for name in ("fps", "fps_base", "frame_map_old", "frame_map_new"):
            setattr(own.render, name, getattr(scene.render, name))
        yield own
    finally:
        bpy.data.scenes.remove(own)


def _check_shape(scene: bpy.types.Scene, video: Video) -> None:
    render = scene.render
    width, height = (
        size * aspect
        for size, aspect in (
            (render.resolution_x, render.pixel_aspect_x),
            (render.resolution_y, render.pixel_aspect_y),
        )
    )
    if abs(width / height * video.height_px / video.width_px - 1.0) > _SAME_SHAPE:
        raise CaptureError(
            "camera_mismatch",
            f"The scene's picture is {render.resolution_x} x {render.resolution_y}, the video's {video.width_px} x "
            f"{video.height_px}: what the camera shows is not what was filmed.",
            "Give the scene the video's resolution.",
        )


def _lens(data: bpy.types.Camera, video: Video) -> tuple[float, float, float]:
    """Focal length and principal point x and y in pixels of the video."""
    upright = data.sensor_fit == "VERTICAL" or (data.sensor_fit == "AUTO" and video.height_px > video.width_px)
    side = video.height_px if upright else video.width_px
    sensor = data.sensor_height if data.sensor_fit == "VERTICAL" else data.sensor_width
    # A shift moves the window over the picture: the centre of projection goes the other way, and y points up.
    x, y = video.width_px / 2 - data.shift_x * side, video.height_px / 2 + data.shift_y * side
    return data.lens / sensor * side, x, y


def _rigid(transforms: Array) -> Array:
    """The transforms (N, 4, 4) without any scale or shear of a parent."""
    left, _, right = np.linalg.svd(transforms[:, :3, :3])
    rigid = transforms.copy()
    rigid[:, :3, :3] = left @ right
    return rigid
