# SPDX-License-Identifier: MIT
"""Renders the sample, walk.mp4 with walk.gt.npz: the mannequin, dressed, walks across a plain set on captured motion.

    python tests/data/make_sample.py MOTION.npz -o tests/data/walk.mp4

MOTION is a file in AMASS's layout at 30 frames a second; the sample in the repository shows trial 007_06 of the CMU
Graphics Lab Motion Capture Database (mocap.cs.cmu.edu, free for all uses; created with funding from NSF EIA-0196217).
The truth is exact by construction and has the keys that ``vibe evaluate`` reads. Needs bpy 4.5.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import bpy
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend.body.model import load  # noqa: E402
from backend.body.skinning import posed_vertices  # noqa: E402
from vibe_blender.contract.quaternions import continuous, from_axis_angles  # noqa: E402
from vibe_blender.contract.skeleton import JOINT_COUNT, JOINT_NAMES  # noqa: E402
from vibe_blender.contract.take import Camera, Person, Take, Video  # noqa: E402
from vibe_blender.scene.assembly import assemble  # noqa: E402
from vibe_blender.scene.camera import match_scene, set_frame_rate  # noqa: E402

MANNEQUIN = REPOSITORY / "vibe_blender" / "assets" / "mannequin.npz"
SIZE, FOCAL_PX, FPS = (640, 360), 600.0, 30.0
EYE, TARGET = np.array([4.3, -6.3, 1.45]), np.array([0.2, -2.0, 0.85])
COLOURS = {
    "skin": (0.50, 0.30, 0.21), "hair": (0.03, 0.02, 0.015), "shirt": (0.10, 0.22, 0.55),
    "trousers": (0.05, 0.05, 0.06), "shoes": (0.75, 0.74, 0.72), "lips": (0.38, 0.16, 0.13),
    "eyes": (0.03, 0.025, 0.02),
    "ground": (0.32, 0.31, 0.28), "wall": (0.52, 0.50, 0.46),
}  # fmt: skip
CONTACT_HEIGHT_M, CONTACT_SPEED = 0.03, 0.45


def camera() -> Camera:
    """A level-headed camera at EYE that looks at TARGET."""
    forward = (TARGET - EYE) / np.linalg.norm(TARGET - EYE)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack([right, np.cross(forward, right), forward])
    from_world = np.eye(4)
    from_world[:3, :3], from_world[:3, 3] = turn, -turn @ EYE
    return Camera(FOCAL_PX, np.array(SIZE) / 2, from_world)


def walker(motion: Path) -> tuple[Person, np.ndarray]:
    """The person, soles on the floor, and the skin (T, V, 3), metres, world frame."""
    body = load(MANNEQUIN)
    with np.load(motion, allow_pickle=False) as stored:
        poses, path = stored["poses"].reshape(-1, JOINT_COUNT, 3), stored["trans"].astype(float)
    count = len(poses)
    rotations = continuous(from_axis_angles(poses.astype(float)))
    rest_joints = body.joint_template
    root = path + rest_joints[0]
    skin = posed_vertices(body, np.zeros(10), rotations, root)
    lowest = skin[..., 2].min(axis=1)
    kernel = np.hanning(9) / np.hanning(9).sum()
    lift = -np.convolve(np.pad(lowest, 4, mode="edge"), kernel, mode="valid")
    root[:, 2] += lift
    skin[..., 2] += lift[:, None]
    person = Person(
        id=1, frames=np.arange(count), rotations=rotations, root=root, contacts=contacts(body.joint_template, skin),
        confidence=np.ones(count), boxes=np.zeros((count, 4)), rest_joints=rest_joints, betas=np.zeros(10),
        keypoints=np.zeros((count, 0, 3)),
    )  # fmt: skip
    return person, skin


def contacts(rest_joints: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """(T, 2) 0 or 1: a point of the left, the right sole is near the floor and slow."""
    rest = load(MANNEQUIN).template
    sole = rest[:, 1] < rest[:, 1].min() + 0.02
    found = []
    for side in (rest[:, 0] > 0, rest[:, 0] < 0):
        points = skin[:, sole & side]
        speed = np.linalg.norm(np.gradient(points, 1 / FPS, axis=0), axis=-1)
        found.append(((points[..., 2] < CONTACT_HEIGHT_M) & (speed < CONTACT_SPEED)).any(axis=1))
    return np.stack(found, axis=1).astype(float)


def dress(body: bpy.types.Object) -> None:
    """Gives every face the material that the mannequin's file names."""
    with np.load(MANNEQUIN, allow_pickle=False) as stored:
        names, faces = [str(name) for name in stored["material_names"]], stored["material"]
    body.data.materials.clear()
    for name in names:
        body.data.materials.append(material(name, COLOURS.get(name, (0.4, 0.4, 0.4))))
    body.data.polygons.foreach_set("material_index", faces.astype(np.int32))
    body.data.update()


def material(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    """A dull surface."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    shader.inputs["Roughness"].default_value = 0.75
    return made


def build_set(scene: bpy.types.Scene) -> None:
    """A floor, a wall behind, sun and sky."""
    for name, place, turn in (("ground", (0, 0, 0), (0, 0, 0)), ("wall", (-3.2, 3.0, 0), (math.pi / 2, 0, 0.62))):
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata([(-30, -30, 0), (30, -30, 0), (30, 30, 0), (-30, 30, 0)], [], [(0, 1, 2, 3)])
        mesh.materials.append(material(name, COLOURS[name]))
        thing = bpy.data.objects.new(name, mesh)
        thing.location, thing.rotation_euler = place, turn
        scene.collection.objects.link(thing)
    light = bpy.data.lights.new("sun", "SUN")
    light.energy, light.angle = 3.0, 0.05
    sun = bpy.data.objects.new("sun", light)
    sun.rotation_euler = (0.75, 0.25, 0.5)
    scene.collection.objects.link(sun)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.62, 0.70, 0.82, 1.0)
    scene.world.node_tree.nodes["Background"].inputs[1].default_value = 0.8


def render(take: Take, target: Path, samples: int, every: int) -> None:
    """Writes the video, frame by frame through the compressor."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    set_frame_rate(scene, FPS)
    made = assemble(take, scene, "sample", start=0)
    match_scene(scene, made.camera, take.video, start=0)
    dress(made.actors[0].body)
    build_set(scene)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = samples, False, 1
    scene.render.use_persistent_data = True
    scene.render.film_transparent = False
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    with tempfile.TemporaryDirectory() as folder, av.open(str(target), "w") as container:
        stream = container.add_stream("h264", rate=Fraction(30), options={"crf": "20", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for frame in range(0, len(take.video.times), every):
            scene.frame_set(frame)
            scene.render.filepath = str(Path(folder) / "frame.png")
            bpy.ops.render.render(write_still=True)
            with av.open(scene.render.filepath) as picture:
                image = next(picture.decode(video=0)).to_ndarray(format="rgb24")
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def write_truth(take: Take, skin: np.ndarray, target: Path) -> None:
    """Writes joints, camera and contacts beside the video."""
    (person,) = take.people
    joints, count = person.joints(), len(person.frames)
    image, pixels = take.camera.project(joints), take.camera.project(skin)
    inside = ((image >= 0) & (image < SIZE)).all(axis=-1)
    intrinsics = np.array([[FOCAL_PX, 0, SIZE[0] / 2], [0, FOCAL_PX, SIZE[1] / 2], [0, 0, 1]])
    np.savez_compressed(
        target,
        fps=FPS,
        size=np.array(SIZE),
        n_people=1,
        joint_names=np.array(JOINT_NAMES),
        K=np.tile(intrinsics, (count, 1, 1)),
        T_cam_from_world=np.tile(take.camera.from_world, (count, 1, 1)),
        joints_world_0=joints.astype(np.float32),
        joints_cam_0=take.camera.to_camera(joints).astype(np.float32),
        joints2d_0=image.astype(np.float32),
        joint_inside_0=inside,
        visible_0=inside.mean(axis=1) >= 0.5,
        bbox_0=np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1).astype(np.float32),
        foot_contact_0=person.contacts > 0.5,
        root_world_0=joints[:, 0].astype(np.float32),
        height_0=1.72,
    )


def main() -> None:
    """Reads the command line and writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("motion", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--every", type=int, default=1, help="render only every so many frames, to try things out")
    options = parser.parse_args()
    person, skin = walker(options.motion)
    times = np.arange(len(person.frames)) / FPS
    take = Take(Video("", *SIZE, FPS, times), camera(), (person,))
    render(take, options.output, options.samples, options.every)
    write_truth(take, skin, options.output.with_suffix(".gt.npz"))


if __name__ == "__main__":
    main()
