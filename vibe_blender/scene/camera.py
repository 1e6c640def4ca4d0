# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that filmed the take, with the video behind what it sees."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from ..contract.errors import CaptureError
from ..contract.quaternions import Array, continuous, from_matrices
from ..contract.take import Camera, Video
from ..motion.curves import movie_offsets
from ..motion.settings import CameraPath
from .animation import CONSTANT, LINEAR, assign_action, curves_of, new_action, write_curve
from .ownership import made_by_us
from .video_facts import facts

FULL_FRAME_MM = 36.0
_CLIP_M = (0.05, 1000.0)
_PATH_GROUP = "Camera Path"


def add_camera(name: str, camera: Camera, video: Video, collection: bpy.types.Collection) -> bpy.types.Object:
    """A camera object that projects as the take's camera, at the video's size.

    The long side of the picture falls on 36 mm, so its focal length reads as a full-frame lens, upright or not.
    """
    data = bpy.data.cameras.new(name)
    eye = bpy.data.objects.new(name, data)
    collection.objects.link(eye)
    data.clip_start, data.clip_end = _CLIP_M
    aim_camera(eye, camera, video)
    return eye


def aim_camera(eye: bpy.types.Object, camera: Camera, video: Video) -> None:
    """Lets a camera object project as the take's camera, at the video's size."""
    data, long_side = eye.data, max(video.width_px, video.height_px)
    data.sensor_fit = "AUTO"
    data.sensor_width = FULL_FRAME_MM
    data.lens = camera.focal_px / long_side * FULL_FRAME_MM
    # A shift moves the window over the picture: the centre of projection goes the other way, and y points up.
    data.shift_x = (video.width_px / 2 - camera.centre_px[0]) / long_side
    data.shift_y = (camera.centre_px[1] - video.height_px / 2) / long_side
    # Blender's cameras look along -z with y up, OpenCV's along z with y down.
    eye.matrix_world = Matrix((np.linalg.inv(camera.from_world) @ np.diag([1.0, -1.0, -1.0, 1.0])).tolist())


def follow_path(eye: bpy.types.Object, path: CameraPath, camera: Camera, video: Video, frames: Array) -> None:
    """Lets a camera object move as the camera that filmed did.

    Args:
        eye: from ``add_camera``.
        path: in the take's world, metres.
        camera: of the take, for the principal point where the path has none.
        video: the take's.
        frames: (N,) scene frames of the video's frames.
    """
    places = path.to_world @ np.diag([1.0, -1.0, -1.0, 1.0])
    turns = continuous(from_matrices(places[:, :3, :3]))
    long_side = max(video.width_px, video.height_px)
    centres = np.broadcast_to(camera.centre_px if path.centre_px is None else path.centre_px, (len(frames), 2))
    eye.rotation_mode = "QUATERNION"
    _animate(eye, {("location", axis): places[:, axis, 3] for axis in range(3)}
             | {("rotation_quaternion", axis): turns[:, axis] for axis in range(4)}, frames)  # fmt: skip
    lens = {
        ("lens", 0): path.focal_px / long_side * FULL_FRAME_MM,
        ("shift_x", 0): (video.width_px / 2 - centres[:, 0]) / long_side,
        ("shift_y", 0): (centres[:, 1] - video.height_px / 2) / long_side,
    }
    _animate(eye.data, lens, frames)


def stay_put(eye: bpy.types.Object) -> None:
    """Takes back what ``follow_path`` did, but for where the camera is now."""
    for owner in (eye, eye.data):
        action = owner.animation_data.action if owner.animation_data else None
        if action is not None and made_by_us(action):
            curves = curves_of(action).fcurves
            for curve in [curve for curve in curves if curve.group is not None and curve.group.name == _PATH_GROUP]:
                if curve.data_path == "rotation_quaternion":
                    owner.rotation_mode = "XYZ"
                curves.remove(curve)
            if not len(curves):
                bpy.data.actions.remove(action)


def _animate(owner: bpy.types.ID, values: dict[tuple[str, int], Array], frames: Array) -> None:
    """Adds curves to what moves the owner, or to a new action where that is not ours."""
    action = owner.animation_data.action if owner.animation_data else None
    if action is None or not made_by_us(action):
        action = new_action(owner, owner.name)
        assign_action(owner, action)
    straight = np.full(len(frames), LINEAR, np.uint8)
    for (path, index), numbers in values.items():
        write_curve(action, path, index, _PATH_GROUP, frames, numbers, straight)


def add_backdrop(eye: bpy.types.Object, video: Video, *, fps: float, start: int) -> str:
    """Shows the video behind the camera's picture, in step with the scene; why it cannot, or nothing.

    Args:
        eye: from ``add_camera``.
        video: its file may have moved since the capture.
        fps: frames per second of the scene.
        start: scene frame of the first captured frame.
    """
    try:
        movie = facts(Path(video.path))
    except CaptureError as error:
        return f"The video is not behind the camera: {error.message}"
    image = bpy.data.images.load(video.path, check_existing=True)
    data = eye.data
    data.show_background_images = True
    backdrop = data.background_images.new()
    backdrop.image, backdrop.alpha, backdrop.display_depth, backdrop.frame_method = image, 1.0, "BACK", "STRETCH"
    offsets = movie_offsets(video.times, movie.fps, fps)
    user = backdrop.image_user
    user.frame_start, user.frame_duration, user.frame_offset = start, len(offsets), int(offsets[0])
    if np.any(offsets != offsets[0]):
        action = new_action(data, data.name)
        steps = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - 1))
        path = "background_images[0].image_user.frame_offset"
        constant = np.full(len(steps), CONSTANT, np.uint8)
        write_curve(action, path, 0, "Video", start + steps, offsets[steps], constant)
        assign_action(data, action)
    if (movie.width_px, movie.height_px) != (video.width_px, video.height_px):
        return (
            f"Blender {bpy.app.version_string} shows {Path(video.path).name} unturned behind the camera: "
            "use Blender 4.5 or newer for videos filmed upright."
        )
    return ""


def match_scene(scene: bpy.types.Scene, eye: bpy.types.Object, video: Video, *, start: int) -> None:
    """Gives the scene the video's size and length, and makes ``eye`` its camera."""
    scene.camera = eye
    scene.render.resolution_x, scene.render.resolution_y = video.width_px, video.height_px
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x = scene.render.pixel_aspect_y = 1.0
    length = (video.times[-1] - video.times[0]) * frame_rate(scene)
    scene.frame_start, scene.frame_end = start, start + int(np.ceil(length - 1e-3))
    scene.frame_set(start)


def look_through_camera() -> None:
    """Turns every 3D view of the file to the scene's camera, so that who opens it sees the body over the video."""
    for screen in bpy.data.screens:
        for area in screen.areas:
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"


def set_frame_rate(scene: bpy.types.Scene, fps: float) -> None:
    """Plays the scene at ``fps``, which need not be whole."""
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps


def frame_rate(scene: bpy.types.Scene) -> float:
    """Frames per second of the scene."""
    return scene.render.fps / scene.render.fps_base
