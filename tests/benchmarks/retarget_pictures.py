# SPDX-License-Identifier: MIT
"""Draws the picture of docs/retargeting.md: a captured dance and four characters that took it over.

    python tests/benchmarks/retarget_pictures.py --take dance.take -o docs/retargeting.jpg [--frames F,F,F,F]

The left half of each character is blue. Orange is in front of arms, legs and trunk, on the back of hands and on top of
feet.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skins import add_skin

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

import bpy  # noqa: E402

from tests.characters import character, posed_as  # noqa: E402
from tests.characters_blender import add_character, add_rigify, remove_rigify  # noqa: E402
from vibe_blender.cleanup_kept import cleanup_registered, set_cleanup  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402
from vibe_blender.motion.mapping.mapping import map_bones  # noqa: E402
from vibe_blender.motion.retargeting.settings import Retarget  # noqa: E402
from vibe_blender.motion.settings import Cleanup  # noqa: E402
from vibe_blender.scene.assembly import assemble  # noqa: E402
from vibe_blender.scene.camera import set_frame_rate  # noqa: E402
from vibe_blender.scene.retargeting.rigs import read_rig  # noqa: E402
from vibe_blender.scene.retargeting.transfer import retargeting  # noqa: E402
from vibe_blender.scene.steps import run_through  # noqa: E402

WIDTH_PX, HEIGHT_PX, SAMPLES = 1500, 440, 24
SPACING_M, VIEW_DEG, FROM_ABOVE_DEG, MARGIN = 1.35, 25.0, 7.0, 0.4
DEFORMING = {
    "pelvis": ("DEF-spine",), "spine": ("DEF-spine.001", "DEF-spine.002", "DEF-spine.003"),
    "neck": ("DEF-spine.004", "DEF-spine.005"), "head": ("DEF-spine.006",),
    **{
        f"{side}_{part}": tuple(f"DEF-{bone}.{side[0].upper()}{more}" for more in bones)
        for side in ("left", "right")
        for part, bone, bones in (
            ("collar", "shoulder", ("",)), ("shoulder", "upper_arm", ("", ".001")), ("elbow", "forearm", ("", ".001")),
            ("wrist", "hand", ("",)), ("hip", "thigh", ("", ".001")), ("knee", "shin", ("", ".001")),
            ("ankle", "foot", ("",)), ("foot", "toe", ("",)),
        )
    },
}  # fmt: skip
"""The bones of Rigify's rig that deform, which are not its controls."""


@dataclass(frozen=True)
class Shown:
    """One of the row: its name and its armature."""

    name: str
    armature: Any


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--take", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--frames", type=lambda text: [int(part) for part in text.split(",")], default=[55, 110, 150, 170]
    )
    parser.add_argument("--view", type=float, default=VIEW_DEG, help="degrees from the front")
    parser.add_argument("--width", type=int, default=1300, help="pixels of the picture")
    arguments = parser.parse_args()
    row = stage(arguments.take)
    tiles = [picture(row, frame, arguments.view) for frame in arguments.frames]
    sheet = np.concatenate([labels([one.name for one in row]), *tiles])
    scale = arguments.width / sheet.shape[1]
    sheet = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    options = [cv2.IMWRITE_JPEG_QUALITY, 84] if arguments.output.suffix == ".jpg" else []
    arguments.output.write_bytes(cv2.imencode(arguments.output.suffix, sheet, options)[1].tobytes())


def stage(path: Path) -> list[Shown]:
    """Source and targets in the current file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, take = bpy.context.scene, load_take(path)
    _, rigify = add_rigify(scene)
    remove_rigify()
    set_frame_rate(scene, take.video.fps)
    assembly = assemble(take, scene, "dance", start=int(take.people[0].frames[0]), path=path.absolute())
    with cleanup_registered():
        set_cleanup(assembly.collection, Cleanup())
    source = assembly.actors[0].armature
    targets = [
        Shown("Mixamo", add_character(posed_as(character("Mixamo"), "T"), scene.collection)),
        Shown("Unreal, A-pose", add_character(posed_as(character("Unreal 5"), "A"), scene.collection)),
        Shown("Rigify", rigify),
        Shown("MPFB", add_character(character("MPFB"), scene.collection)),
    ]
    bpy.context.view_layer.update()
    for shown in targets:
        bone_map = map_bones(read_rig(shown.armature))
        print(shown.name, "is", bone_map.rig, "missing:", bone_map.missing())
        parts = {entry.part: entry.bones for entry in bone_map.parts}
        add_skin(shown.armature, DEFORMING if shown.name == "Rigify" else parts, scene.collection)
        outcome = run_through(retargeting(source, shown.armature, bone_map, Retarget(twist=1.0)))
        print(*outcome.warnings, *outcome.switches, sep="\n")
    light(scene)
    return [Shown("captured", source), *targets]


def light(scene: Any) -> None:
    """A sun, a sky, a floor with lines every half metre, and an eye without perspective."""
    sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
    sun.data.energy, sun.rotation_euler, sun.data.angle = 2.0, (0.6, 0.25, 0.4), 0.15
    scene.collection.objects.link(sun)
    scene.world = bpy.data.worlds.new("sky")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    background = next(node for node in scene.world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.4, 0.42, 0.45, 1.0)
    for name, size, height, colour in (("floor", 40.0, 0.0, (0.5, 0.5, 0.5)), ("line", 0.0, 0.0005, (0.3, 0.3, 0.3))):
        data = bpy.data.meshes.new(name)
        strips = [(-size, size, -size, size)] if size else []
        for step in np.arange(-10.0, 10.01, 0.5) if not size else ():
            strips += [(-10.0, 10.0, step - 0.004, step + 0.004), (step - 0.004, step + 0.004, -10.0, 10.0)]
        points = [(x, y, height) for a, b, c, d in strips for x, y in ((a, c), (b, c), (b, d), (a, d))]
        data.from_pydata(points, [], [tuple(range(4 * n, 4 * n + 4)) for n in range(len(strips))])
        material = bpy.data.materials.new(name)
        if material.node_tree is None:
            material.use_nodes = True
        shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        shader.inputs["Base Color"].default_value = (*colour, 1.0)
        shader.inputs["Roughness"].default_value = 0.9
        data.materials.append(material)
        scene.collection.objects.link(bpy.data.objects.new(name, data))
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    eye.data.type = "ORTHO"
    scene.collection.objects.link(eye)
    scene.camera = eye
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", SAMPLES
    scene.cycles.max_bounces, scene.cycles.use_denoising = 2, False
    scene.render.resolution_x, scene.render.resolution_y = WIDTH_PX, HEIGHT_PX
    scene.view_settings.view_transform = "Standard"


def picture(row: list[Shown], frame: int, degrees: float) -> np.ndarray:
    """All of a row at a frame, seen from so many degrees beside the source's front."""
    scene, source = bpy.context.scene, row[0].armature
    scene.frame_set(frame)
    hips = source.matrix_world @ source.pose.bones["pelvis"].head
    left, right = (source.matrix_world @ source.pose.bones[f"{side}_hip"].head for side in ("left", "right"))
    across = np.array(left - right)
    yaw = np.arctan2(across[1], across[0]) + np.radians(degrees)
    beside, towards = np.array([np.cos(yaw), np.sin(yaw), 0.0]), np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    for number, shown in enumerate(row[1:], 1):
        shown.armature.location = np.array(source.location) + number * SPACING_M * beside
    middle = np.array([hips.x, hips.y, 0.0]) + 0.5 * (len(row) - 1) * SPACING_M * beside + [0.0, 0.0, 0.94]
    tilt = np.radians(FROM_ABOVE_DEG)
    eye = scene.camera
    eye.location = middle + 12.0 * (np.cos(tilt) * towards + [0.0, 0.0, np.sin(tilt)])
    eye.rotation_euler = (np.pi / 2 - tilt, 0.0, yaw)
    bpy.data.objects["sun"].rotation_euler.z = yaw + 0.5
    eye.data.ortho_scale = (len(row) + MARGIN) * SPACING_M
    bpy.context.view_layer.update()
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = str(Path(folder) / "row.png")
        bpy.ops.render.render(write_still=True)
        return cv2.imdecode(np.fromfile(scene.render.filepath, np.uint8), cv2.IMREAD_COLOR)


def labels(names: list[str]) -> np.ndarray:
    """A strip with the name of each of the row."""
    image = np.full((44, WIDTH_PX, 3), 255, np.uint8)
    for number, name in enumerate(names):
        size = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.75, 1)[0][0]
        x = round((number + 0.5 + MARGIN / 2) / (len(names) + MARGIN) * image.shape[1] - size / 2)
        cv2.putText(image, name, (x, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.75, (40, 40, 40), 1, cv2.LINE_AA)
    return image


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # Rigify's classes and Python's end do not go together in Blender as a module
