# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of the bodies over the frames they were captured from, several moments side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np

from ..contract.errors import CaptureError
from ..contract.quaternions import Array
from ..contract.take import Video
from ..motion.curves import scene_frames
from .assembly import Assembly
from .camera import frame_rate, set_frame_rate

_TILE_PX = 960
_SAMPLES = 16
_BOUNCES = 1
_SUN_ROTATION = (0.7, 0.2, 0.5)
_SUN_STRENGTH = 2.2
_SKY = (0.3, 0.32, 0.36, 1.0)
_NO_VIDEO = 0.5


def overlay_picture(
    path: Path, assembly: Assembly, video: Video, frames: Sequence[int], scene: bpy.types.Scene, *, start: int
) -> None:
    """Renders the bodies through the take's camera over the video, one tile per frame, into a PNG.

    Args:
        path: of the PNG.
        assembly: from ``assemble``.
        video: where its file cannot be read, the bodies stand on grey.
        frames: video frame numbers.
        scene: the scene the take was assembled in; it stays as it is.
        start: scene frame of the first captured frame.

    Raises:
        CaptureError: ``no_such_frame`` or ``unwritable``.
    """
    times = scene_frames(video.times, frame_rate(scene), start)
    last = video.first_frame + len(times) - 1
    for frame in frames:
        if not video.first_frame <= frame <= last:
            raise CaptureError(
                "no_such_frame",
                f"The take has no frame {frame}.",
                f"Choose frames from {video.first_frame} to {last}.",
            )
    tiles = []
    with tempfile.TemporaryDirectory() as folder:
        for frame in frames:
            index = frame - video.first_frame
            bodies = _bodies(Path(folder), assembly, video, float(times[index]))
            behind = _video_frame(Path(folder), video, float(video.times[index]))
            tiles.append(behind + bodies[..., 3:] * (bodies[..., :3] - behind))
    _write_png(path, np.concatenate(tiles, axis=1))


def _bodies(folder: Path, assembly: Assembly, video: Video, when: float) -> Array:
    """The bodies at a scene frame, (height, width, 4) display values 0..1, straight alpha."""
    with _passing_scene(video) as scene, _daylight(scene):
        scene.collection.children.link(assembly.collection)
        scene.camera = assembly.camera
        scene.render.engine = "CYCLES"
        scene.cycles.device = "CPU"
        scene.cycles.samples = _SAMPLES
        scene.cycles.use_denoising = False
        scene.cycles.max_bounces = _BOUNCES
        scene.render.film_transparent = True
        scene.frame_set(int(np.floor(when)), subframe=when % 1.0)
        return _render(scene, folder / "bodies.png")


def _video_frame(folder: Path, video: Video, seconds: float) -> Array:
    """The video's picture at a time, (height, width, 3) display values 0..1; grey where its file cannot be read."""
    with _passing_scene(video) as scene:
        editor = scene.sequence_editor_create()
        strips = editor.strips if bpy.app.version >= (4, 4, 0) else editor.sequences
        strip = strips.new_movie("video", video.path, 1, 1, fit_method="STRETCH")
        if not strip.fps > 0:
            return np.full((scene.render.resolution_y, scene.render.resolution_x, 3), _NO_VIDEO)
        set_frame_rate(scene, strip.fps)
        # Blender counts movies at a constant rate: the first count that is not before the frame shows it.
        scene.frame_set(1 + int(np.ceil(seconds * strip.fps - 1e-3)))
        return _render(scene, folder / "video.png")[..., :3]


@contextmanager
def _passing_scene(video: Video) -> Iterator[bpy.types.Scene]:
    """A scene of the tile's size that is gone afterwards."""
    scene = bpy.data.scenes.new("VIBE picture")
    try:
        scale = min(1.0, _TILE_PX / max(video.width_px, video.height_px))
        scene.render.resolution_x = round(video.width_px * scale)
        scene.render.resolution_y = round(video.height_px * scale)
        scene.view_settings.view_transform = "Standard"
        yield scene
    finally:
        bpy.data.scenes.remove(scene)


@contextmanager
def _daylight(scene: bpy.types.Scene) -> Iterator[None]:
    """A sun and a sky, gone afterwards."""
    light = bpy.data.lights.new("VIBE sun", "SUN")
    world = bpy.data.worlds.new("VIBE sky")
    try:
        light.energy = _SUN_STRENGTH
        sun = bpy.data.objects.new("VIBE sun", light)
        sun.rotation_euler = _SUN_ROTATION
        scene.collection.objects.link(sun)
        if world.node_tree is None:
            world.use_nodes = True
        background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
        background.inputs["Color"].default_value = _SKY
        scene.world = world
        yield
    finally:
        bpy.data.lights.remove(light)
        bpy.data.worlds.remove(world)


def _render(scene: bpy.types.Scene, path: Path) -> Array:
    """What the scene looks like now, (height, width, 4) display values 0..1, rows from the bottom up."""
    settings = scene.render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "8"
    scene.render.filepath = str(path)
    # The override matters: named as an argument, a scene is rendered at the frame of the window's scene.
    with bpy.context.temp_override(scene=scene):
        bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    try:
        values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(values)
        return values.reshape(image.size[1], image.size[0], 4)
    finally:
        bpy.data.images.remove(image)


def _write_png(path: Path, values: Array) -> None:
    """Saves (height, width, 3) display values 0..1, rows from the bottom up."""
    height, width = values.shape[:2]
    image = bpy.data.images.new("VIBE picture", width, height)
    try:
        opaque = np.concatenate([values, np.ones((height, width, 1))], axis=2)
        image.pixels.foreach_set(opaque.astype(np.float32).ravel())
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
    except RuntimeError as error:
        raise CaptureError(
            "unwritable", f"{path} cannot be written: {error}.", "Choose a folder you may write to."
        ) from error
    finally:
        bpy.data.images.remove(image)
