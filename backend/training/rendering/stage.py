# SPDX-License-Identifier: MIT
"""Scenes in Blender: built once, moved from frame to frame, drawn by Cycles on one core."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import bpy
import cv2
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

from vibe_blender.contract.quaternions import Array

from .faults import Picture, smoothed
from .framing import Part
from .labels import Ray
from .looks import OPEN, ROOM
from .materials import REST, picture_surface, sky, surface
from .people import Walker
from .scenes import Scene

_SENSOR_MM = 36.0
_FLOOR_M = 60.0
_NEAR_M, _FAR_M = 0.05, 200.0


class Stage:
    """A scene that can be drawn."""

    def __init__(self, scene: Scene, samples: int, folder: Path) -> None:
        """Clears what Blender holds and builds the scene.

        Args:
            scene: to be drawn.
            samples: of light, per pixel.
            folder: for pictures on their way.
        """
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene, self._file = scene, folder / "drawn.bmp"
        self._blender = bpy.context.scene
        self._people = [
            self._person(number, walker, finishes)
            for number, (walker, finishes) in enumerate(zip(scene.walkers, scene.finishes, strict=True))
        ]
        for number, solid in enumerate(scene.solids):
            vertices, faces = solid.mesh()
            self._mesh(f"solid {number}", vertices, faces, surface(f"solid {number}", solid.finish))
        self._surroundings()
        self._lights()
        self._camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        self._camera.data.sensor_fit, self._camera.data.sensor_width = "HORIZONTAL", _SENSOR_MM
        self._camera.data.clip_start, self._camera.data.clip_end = _NEAR_M, _FAR_M
        self._camera.rotation_mode = "QUATERNION"
        self._add(self._camera)
        self._blender.camera = self._camera
        self._settings(samples)

    def show(self, frame: int, skins: Sequence[Array], ends: Sequence[Array] | None) -> None:
        """Moves everybody and the camera to a frame.

        Args:
            frame: number.
            skins: (V, 3) metres, world, of each person; while the shutter opens, where there is motion blur.
            ends: the same when it closes; None for no motion blur.
        """
        self._blender.cycles.seed = frame
        for number, mesh in enumerate(self._people):
            if ends is None:
                mesh.vertices.foreach_set("co", np.ascontiguousarray(skins[number], np.float32).ravel())
            else:
                for key, skin in zip(mesh.shape_keys.key_blocks, (skins[number], ends[number]), strict=True):
                    key.data.foreach_set("co", np.ascontiguousarray(skin, np.float32).ravel())
            mesh.update()
        shutter = self._scene.shutter / 2 if ends is not None else 0.0
        for key, time in ((1, frame - shutter), (2, frame + shutter)) if ends is not None else ((0, float(frame)),):
            self._camera.matrix_world = Matrix(_camera_at(self._scene.camera.from_world, time).tolist())
            if key:
                self._camera.keyframe_insert("location", frame=key)
                self._camera.keyframe_insert("rotation_quaternion", frame=key)
        if ends is not None:
            self._blender.frame_set(1, subframe=0.5)

    def draw(self, part: Part) -> Picture:
        """(H, W, 3) RGB: what is to be seen of a part of the frame."""
        data, camera = self._camera.data, self._scene.camera
        data.lens = camera.focal_px / part.width * _SENSOR_MM
        width, height = part.size_px
        _, _, frame_width, frame_height = part.box
        data.shift_x = (part.left + frame_width / 2 - camera.size_px[0] / 2) / part.width
        data.shift_y = (camera.size_px[1] / 2 - part.top - frame_height / 2) / part.width
        render = self._blender.render
        render.resolution_x, render.resolution_y = width, height
        bpy.ops.render.render(write_still=True)
        picture = cv2.imdecode(np.fromfile(self._file, np.uint8), cv2.IMREAD_COLOR)
        return smoothed(np.ascontiguousarray(np.asarray(picture, np.uint8)[..., ::-1]))

    def _settings(self, samples: int) -> None:
        blender, render, cycles = self._blender, self._blender.render, self._blender.cycles
        render.engine, cycles.device = "CYCLES", "CPU"
        cycles.samples, cycles.use_adaptive_sampling, cycles.use_denoising = samples, False, False
        cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = 1
        cycles.sample_clamp_direct, cycles.sample_clamp_indirect = 6.0, 2.0
        cycles.caustics_reflective = cycles.caustics_refractive = False
        cycles.use_auto_tile = cycles.use_light_tree = False  # for three lights, the tree costs more than it saves
        render.use_persistent_data = True
        render.threads_mode, render.threads = "FIXED", 1
        render.image_settings.file_format, render.filepath = "BMP", str(self._file)
        render.resolution_percentage = 100
        blender.view_settings.view_transform = "Standard"
        blender.view_settings.exposure = self._scene.light.exposure
        if self._scene.shutter:
            render.use_motion_blur, render.motion_blur_shutter = True, 1.0
            (render if bpy.app.version >= (5, 0, 0) else cycles).motion_blur_position = "CENTER"

    def _add(self, thing: bpy.types.Object) -> None:
        self._blender.collection.objects.link(thing)

    def _mesh(
        self, name: str, vertices: Array, faces: Sequence[Sequence[int]], material: bpy.types.Material
    ) -> bpy.types.Object:
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata(np.asarray(vertices).tolist(), [], faces)
        mesh.materials.append(material)
        thing = bpy.data.objects.new(name, mesh)
        self._add(thing)
        return thing

    def _person(self, number: int, walker: Walker, finishes: dict) -> bpy.types.Mesh:
        dressed, model = walker.dressed, walker.dressed.model
        mesh = bpy.data.meshes.new(f"person {number}")
        mesh.from_pydata(dressed.vertices.tolist(), [], model.quads.tolist())
        for name in model.material_names:
            mesh.materials.append(surface(f"{name} {number}", finishes[name], REST))
        mesh.polygons.foreach_set("material_index", dressed.materials.astype(np.int32))
        mesh.attributes.new(REST, "FLOAT_VECTOR", "POINT").data.foreach_set(
            "vector", np.ascontiguousarray(model.template, np.float32).ravel()
        )
        mesh.shade_smooth()
        thing = bpy.data.objects.new(mesh.name, mesh)
        self._add(thing)
        if self._scene.shutter:
            thing.shape_key_add(name="opens", from_mix=False)
            closes = thing.shape_key_add(name="closes", from_mix=False)
            for frame in (1, 2):
                closes.value = float(frame - 1)
                closes.keyframe_insert("value", frame=frame)
            _make_linear(mesh.shape_keys)
        return mesh

    def _surroundings(self) -> None:
        around, light = self._scene.surroundings, self._scene.light
        corners = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
        floor = self._mesh("floor", corners * _FLOOR_M, [[0, 1, 2, 3]], surface("floor", around.floor))
        floor.location = (*self._scene.centre, 0.0)
        self._blender.world = sky(light)
        if around.kind == OPEN:
            return
        heading = self._scene.heading
        size = (24.0, 9.0) if around.kind == ROOM else (6.0 * around.distance, 4.0 * around.distance)
        if around.picture:
            material = picture_surface("backdrop", around.picture, light.sky + 0.2 * light.sun)
        else:
            material = surface("walls", around.walls)
        turns = [0.0, np.pi / 2] if around.kind == ROOM else [0.0]
        for number, turn in enumerate(turns):
            ahead = np.array(
                [
                    heading[0] * np.cos(turn) - heading[1] * np.sin(turn),
                    heading[0] * np.sin(turn) + heading[1] * np.cos(turn),
                ]
            )
            wall = self._mesh(f"wall {number}", corners * (*size, 1.0), [[0, 1, 2, 3]], material)
            across, up = np.array([ahead[1], -ahead[0], 0.0]), np.array([0.0, 0.0, 1.0])
            placed = np.eye(4)
            placed[:3, :3] = np.stack([across, up, np.cross(across, up)], axis=1)
            placed[:3, 3] = [*(self._scene.centre + ahead * around.distance * (1.0 + 0.5 * number)), size[1] / 2]
            if around.kind != ROOM:
                placed[2, 3] = size[1] / 2 - 0.8 * around.distance
            wall.matrix_world = Matrix(placed.tolist())

    def _lights(self) -> None:
        light = self._scene.light
        if light.sun:
            sun = bpy.data.lights.new("sun", "SUN")
            sun.energy, sun.angle, sun.color = light.sun, light.sun_angle, light.colour
            thing = bpy.data.objects.new("sun", sun)
            thing.rotation_euler = (light.sun_turn[0], 0.0, light.sun_turn[1])
            self._add(thing)
        if light.lamp:
            lamp = bpy.data.lights.new("lamp", "AREA")
            lamp.energy, lamp.size, lamp.color = light.lamp, 1.2, light.colour
            thing = bpy.data.objects.new("lamp", lamp)
            place = np.array(light.lamp_place)
            thing.location = (*(self._scene.centre + place[:2]), place[2])
            ahead = np.array([0, 0, 1.0]) - place
            thing.rotation_mode = "QUATERNION"
            thing.rotation_quaternion = Vector(ahead.tolist()).to_track_quat("-Z", "Y")
            self._add(thing)


def rays_of(scene: Scene, skins: Sequence[Array], frame: int) -> list[Ray]:
    """What rays hit at a frame: each person, and then all solids.

    Args:
        scene: of them.
        skins: (T, V, 3) of each person, metres, world.
        frame: number.
    """
    trees = [
        BVHTree.FromPolygons(skin[frame].tolist(), _listed(walker.dressed.model.quads))
        for walker, skin in zip(scene.walkers, skins, strict=True)
    ]
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    for solid in scene.solids:
        places, sides = solid.mesh()
        faces += [[corner + len(vertices) for corner in side] for side in sides]
        vertices += places.tolist()
    if faces:
        trees.append(BVHTree.FromPolygons(vertices, faces))
    return [_ray(tree) for tree in trees]


def _ray(tree: BVHTree) -> Ray:
    def hit(origin: Array, way: Array, reach: float) -> float | None:
        distance = tree.ray_cast(origin.tolist(), way.tolist(), reach)[3]
        return None if distance is None else float(distance)

    return hit


_LISTS: dict[int, list[list[int]]] = {}


def _listed(quads: NDArray[np.int64]) -> list[list[int]]:
    """The same as lists, made once."""
    if id(quads) not in _LISTS:
        _LISTS[id(quads)] = quads.tolist()
    return _LISTS[id(quads)]


def _camera_at(from_world: Array, time: float) -> Array:
    """(4, 4) Blender's camera, which looks along -z with y up, to world, at a time in frames."""
    time = float(np.clip(time, 0, len(from_world) - 1))
    low = min(int(time), max(0, len(from_world) - 2))
    ends = [Matrix(np.linalg.inv(from_world[min(k, len(from_world) - 1)]).tolist()) for k in (low, low + 1)]
    mixed = np.array(ends[0].lerp(ends[1], time - low))
    return mixed @ np.diag([1.0, -1.0, -1.0, 1.0])


def _make_linear(owner: bpy.types.ID) -> None:
    """Lets all curves of a new action be straight."""
    action = owner.animation_data.action
    curves = (
        action.fcurves
        if hasattr(action, "fcurves")
        else [
            curve
            for layer in action.layers
            for strip in layer.strips
            for bag in strip.channelbags
            for curve in bag.fcurves
        ]
    )
    for curve in curves:
        for key in curve.keyframe_points:
            key.interpolation = "LINEAR"
