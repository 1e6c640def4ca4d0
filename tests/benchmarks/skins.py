# SPDX-License-Identifier: MIT
"""Simple bodies on any mapped rig, skinned to it, on which twists, knees and the way a head looks can be seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from vibe_blender.contract.quaternions import Array  # noqa: E402

AROUND = 16
SIDES = ("left", "right")
COLOURS = ((0.62, 0.63, 0.66), (0.16, 0.36, 0.72), (0.9, 0.42, 0.08))
"""Of the right half and the trunk, of the left half, and of the stripe: in front, on backs of hands, on top of feet."""
BLEND = 0.12
"""Metres over which skin goes over from one bone to the next."""


@dataclass
class _Body:
    """A mesh as it grows: points, faces with their colours, and weights by bone."""

    points: list[Array] = field(default_factory=list)
    faces: list[tuple[int, ...]] = field(default_factory=list)
    colours: list[int] = field(default_factory=list)
    weights: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    def tube(
        self, spine: Array, radii: Array, front: Array, bones: Sequence[Sequence[tuple[str, float]]], colour: int
    ) -> None:
        """Adds a closed tube.

        Args:
            spine: (R, 3) its middle.
            radii: (R, 2) across and along ``front``.
            front: (3,) where its stripe looks.
            bones: for each ring the bones that carry it, with their weights.
            colour: of what is no stripe.
        """
        ways = np.gradient(spine, axis=0)
        first = len(self.points)
        angles = np.arange(AROUND) / AROUND * 2 * np.pi
        for middle, way, (wide, deep), held in zip(spine, ways, radii, bones, strict=True):
            ahead = front - way * (front @ way) / (way @ way)
            ahead = ahead / np.linalg.norm(ahead)
            across = np.cross(way, ahead) / np.linalg.norm(way)
            ring = middle + deep * np.cos(angles)[:, None] * ahead + wide * np.sin(angles)[:, None] * across
            for point in ring:
                for bone, weight in held:
                    self.weights.setdefault(bone, []).append((len(self.points), weight))
                self.points.append(point)
        for ring in range(len(spine) - 1):
            for side in range(AROUND):
                after = (side + 1) % AROUND
                low, high = first + ring * AROUND, first + (ring + 1) * AROUND
                self.faces.append((low + side, low + after, high + after, high + side))
                self.colours.append(2 if side in (AROUND - 1, 0) else colour)
        for ring, order in ((0, -1), (len(spine) - 1, 1)):
            start = first + ring * AROUND
            self.faces.append(tuple(range(start, start + AROUND))[::order])
            self.colours.append(colour)


def add_skin(armature: Any, parts: dict[str, Sequence[str]], collection: Any) -> Any:
    """A mesh on an armature that stands upright at rest and looks along -y; its child.

    Args:
        armature: the object, life-size in the world.
        parts: for parts of the body the bones that deform, from the body outwards.
        collection: receives the mesh.
    """
    import bpy

    matrix = np.array(armature.matrix_world, float)
    bones = armature.data.bones

    def head(part: str) -> Array:
        return (matrix @ [*bones[parts[part][0]].head_local, 1.0])[:3]

    body = _Body()
    _add_trunk(body, parts, {bone.name: (matrix @ [*bone.head_local, 1.0])[:3] for bone in bones}, head)
    for number, side in enumerate(SIDES):
        _add_arm(body, parts, head, side, 1 - number)
        _add_leg(body, parts, head, side, 1 - number)
    mesh = bpy.data.meshes.new(f"{armature.name} skin")
    points = np.array(body.points) - matrix[:3, 3]
    mesh.from_pydata(np.linalg.solve(matrix[:3, :3], points.T).T.tolist(), [], body.faces)
    mesh.polygons.foreach_set("material_index", body.colours)
    mesh.polygons.foreach_set("use_smooth", [True] * len(body.faces))
    for material in materials():
        mesh.materials.append(material)
    skin = bpy.data.objects.new(mesh.name, mesh)
    collection.objects.link(skin)
    skin.parent = armature
    for name, held in body.weights.items():
        group = skin.vertex_groups.new(name=name)
        for vertex, weight in held:
            group.add([vertex], weight, "ADD")
    skin.modifiers.new("Armature", "ARMATURE").object = armature
    return skin


def materials() -> list[Any]:
    """One to each of ``COLOURS``."""
    import bpy

    found = []
    for number, colour in enumerate(COLOURS):
        name = f"skin {number}"
        material = bpy.data.materials.get(name)
        if material is None:
            material = bpy.data.materials.new(name)
            if material.node_tree is None:
                material.use_nodes = True
            shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
            shader.inputs["Base Color"].default_value = (*colour, 1.0)
            shader.inputs["Roughness"].default_value = 0.8
        found.append(material)
    return found


def _add_trunk(body: _Body, parts: dict[str, Sequence[str]], heads: dict[str, Array], head: Any) -> None:
    """Hips, belly and chest in one tube, a neck, and a head with a nose."""
    front, up = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    hips = (head("left_hip") + head("right_hip")) / 2
    shoulders = (head("left_shoulder") + head("right_shoulder")) / 2
    top = parts["neck"][0]
    chain = [*parts["pelvis"], *parts["spine"], top]
    marks = np.array([heads[name][2] for name in chain])
    low, high = hips - 0.06 * up, heads[top] - 0.02 * up
    at = np.linspace(0.0, 1.0, 25)
    spine = low + at[:, None] * (high - low)
    broad = 0.5 * np.linalg.norm(head("left_shoulder") - head("right_shoulder"))
    wide = np.interp(at, [0, 0.1, 0.4, 0.75, 0.95, 1], [0.07, 0.15, 0.12, 0.95 * broad, 0.7 * broad, 0.05])
    deep = np.interp(at, [0, 0.1, 0.4, 0.75, 0.95, 1], [0.05, 0.11, 0.09, 0.12, 0.09, 0.05])
    body.tube(
        spine, np.stack([wide, deep], 1), front, [_carriers(chain[:-1], marks[:-1], ring[2]) for ring in spine], 0
    )
    for number, side in enumerate(SIDES):
        end = head(f"{side}_shoulder")
        spine = np.linspace(shoulders + 0.25 * (end - shoulders), end, 5)
        held = [[(parts[f"{side}_collar"][0], 1.0)]] * 5
        body.tube(spine, np.tile([0.055, 0.06], (5, 1)), front, held, 1 - number)
    base = head("head")
    neck = [*parts["neck"], parts["head"][0]]
    marks = np.array([heads[name][2] for name in neck])
    spine = np.linspace(heads[top] - 0.05 * up, base + 0.03 * up, 8)
    body.tube(spine, np.tile([0.06, 0.065], (8, 1)), front, [_carriers(neck, marks, ring[2]) for ring in spine], 0)
    skull, alone = parts["head"][0], [[(parts["head"][0], 1.0)]]
    at = np.linspace(-1.0, 1.0, 12)
    spine = base + up * (0.11 + 0.13 * at[:, None]) + 0.015 * front
    round_ = np.sqrt(np.clip(1.02 - at**2, 0.0, 1.0))
    body.tube(spine, np.stack([0.075 * round_, 0.095 * round_], 1), front, alone * 12, 0)
    nose = base + 0.1 * up + 0.1 * front
    spine = np.linspace(nose, nose + 0.055 * front, 4)
    body.tube(
        spine, np.array([[0.022, 0.03], [0.018, 0.025], [0.012, 0.015], [0.003, 0.004]]), up, [[(skull, 1.0)]] * 4, 2
    )


def _add_arm(body: _Body, parts: dict[str, Sequence[str]], head: Any, side: str, colour: int) -> None:
    """An arm whose stripe is in front, and a hand with a thumb whose stripe is on its back."""
    front, up = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    joints = [head(f"{side}_{joint}") for joint in ("shoulder", "elbow", "wrist")]
    _add_limb(body, parts, [f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist")], joints, front, colour,
              [0.055, 0.048, 0.042, 0.04, 0.03])  # fmt: skip
    way = joints[2] - joints[1]
    way = way / np.linalg.norm(way)
    back = up - way * (up @ way)
    back = back / np.linalg.norm(back) if np.linalg.norm(back) > 0.1 else np.sign(joints[0][0]) * np.eye(3)[0]
    held = [[(parts[f"{side}_wrist"][0], 1.0)]]
    spine = joints[2] + np.linspace(0.0, 0.17, 8)[:, None] * way
    wide = np.array([0.028, 0.04, 0.045, 0.046, 0.044, 0.04, 0.032, 0.015])
    body.tube(spine, np.stack([wide, np.full(8, 0.016)], 1), back, held * 8, colour)
    thumb = joints[2] + 0.05 * way
    spine = np.linspace(thumb + 0.02 * front, thumb + 0.075 * front + 0.04 * way, 5)
    body.tube(spine, np.array([[0.016, 0.016]] * 4 + [[0.008, 0.008]]), back, held * 5, colour)


def _add_leg(body: _Body, parts: dict[str, Sequence[str]], head: Any, side: str, colour: int) -> None:
    """A leg whose stripe and kneecap are in front, and a foot whose stripe is on top."""
    front, up = np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    joints = [head(f"{side}_{joint}") for joint in ("hip", "knee", "ankle")]
    _add_limb(body, parts, [f"{side}_{joint}" for joint in ("hip", "knee", "ankle")], joints, front, colour,
              [0.085, 0.07, 0.056, 0.056, 0.04])  # fmt: skip
    knee = joints[1] + 0.045 * front
    spine = np.linspace(knee + 0.03 * up, knee - 0.035 * up, 5)
    cap = np.array([[0.015, 0.012], [0.032, 0.026], [0.036, 0.03], [0.03, 0.024], [0.012, 0.01]])
    body.tube(spine, cap, front, [[(parts[f"{side}_knee"][0], 1.0)]] * 5, 2)
    ball = head(f"{side}_foot")
    way = (ball - joints[2]) * [1.0, 1.0, 0.0]
    way = way / np.linalg.norm(way)
    sole = ball[2] - 0.012
    heel = joints[2] - 0.06 * way
    ends = [np.array([*heel[:2], sole + 0.04]), np.array([*joints[2][:2], sole + 0.05]), ball, ball + 0.075 * way]
    high = [0.04, 0.05, 0.03, 0.015]
    spine, tall = [], []
    for first in range(3):
        for share in np.linspace(0.0, 1.0, 5)[: 5 if first == 2 else 4]:
            middle = ends[first] + share * (ends[first + 1] - ends[first])
            tall.append(high[first] + share * (high[first + 1] - high[first]))
            spine.append([*middle[:2], max(sole, 0.0) + tall[-1]])
    foot, toes = parts[f"{side}_ankle"][0], parts[f"{side}_foot"][0]
    held = [[(foot, 1.0)]] * 8 + [[(toes, 0.5), (foot, 0.5)]] + [[(toes, 1.0)]] * 4
    wide = np.interp(np.arange(13), [0, 4, 8, 10, 12], [0.03, 0.036, 0.046, 0.045, 0.02])
    body.tube(np.array(spine), np.stack([wide, tall], 1), up, held, colour)


def _add_limb(
    body: _Body,
    parts: dict[str, Sequence[str]],
    names: list[str],
    joints: list[Array],
    front: Array,
    colour: int,
    thick: list[float],
) -> None:
    """An upper and a lower tube in one; bones in line share the length of theirs."""
    lengths = np.linalg.norm(np.diff(joints, axis=0), axis=1)
    total = float(lengths.sum())
    marks, chain = [], []
    for part, start, length in zip(names, (0.0, lengths[0]), lengths, strict=False):
        for number, bone in enumerate(parts[part]):
            chain.append(bone)
            marks.append(start + length * number / len(parts[part]))
    chain.append(parts[names[2]][0])
    marks.append(total)
    at = np.linspace(0.0, total, 41)
    spine = np.stack(
        [np.interp(at, [0.0, lengths[0], total], [point[axis] for point in joints]) for axis in range(3)], 1
    )
    at, spine = (
        np.concatenate([[at[0] - 0.5 * thick[0]], at]),
        np.concatenate([[spine[0] - 0.5 * thick[0] * (joints[1] - joints[0]) / lengths[0]], spine]),
    )
    radii = np.interp(
        at,
        [-0.5 * thick[0], 0.0, 0.5 * lengths[0], lengths[0], lengths[0] + 0.3 * lengths[1], total],
        [0.4 * thick[0], *thick],
    )
    body.tube(
        spine, np.stack([radii, radii], 1), front, [_carriers(chain, np.array(marks), place) for place in at], colour
    )


def _carriers(chain: Sequence[str], marks: Array, at: float) -> list[tuple[str, float]]:
    """Which bones of a chain carry a place along it: one, or where one follows another, both."""
    share = np.clip((at - marks[1:]) / BLEND + 0.5, 0.0, 1.0)
    weights = np.concatenate([[1.0], share]) - np.concatenate([share, [0.0]])
    return [(bone, float(weight)) for bone, weight in zip(chain, weights, strict=True) if weight > 1e-3]
