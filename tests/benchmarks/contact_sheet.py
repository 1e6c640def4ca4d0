# SPDX-License-Identifier: MIT
"""Draws the bodies of a take over its video, and from the side, for a person to look at.

    python tests/benchmarks/contact_sheet.py TAKE -o SHEET.png [--video VIDEO] [--frames 12 | --at 10,20,30]

Every tile shows a video frame, the same with the skinned body on it, and the body seen from the person's left on a grid
of half a metre. Numbers pass while pictures are wrong: this is the picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from backend.body.model import BodyModel, load  # noqa: E402
from backend.body.skinning import posed_vertices  # noqa: E402
from backend.video import read_frames  # noqa: E402
from vibe_blender.contract.take import Person, Take  # noqa: E402
from vibe_blender.contract.take_file import load_take  # noqa: E402

COLOURS = ((240, 160, 70), (90, 170, 240), (120, 210, 110), (220, 110, 200))
TILE_PX = 300


def draw(image: np.ndarray, vertices: np.ndarray, pixels: np.ndarray, triangles: np.ndarray, colour: tuple) -> None:
    """Fills the triangles from far to near, shaded by how much they face the viewer (vertices: camera frame)."""
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    middle = corners.mean(axis=1)
    facing = -np.sum(normals * middle, axis=1) / np.linalg.norm(middle, axis=1)
    shade = 0.35 + 0.65 * np.clip(0.7 * facing - 0.3 * normals[:, 1], 0, 1)
    order = np.argsort(-middle[:, 2])
    points = np.round(pixels[triangles] * 16).astype(np.int32)
    for index in order[facing[order] > 0]:
        cv2.fillConvexPoly(image, points[index], [float(c * shade[index]) for c in colour], cv2.LINE_AA, 4)


def side_view(person: Person, row: int, world: np.ndarray, triangles: np.ndarray, colour: tuple) -> np.ndarray:
    """(TILE_PX, TILE_PX, 3): the body from its own left, floor and grid drawn."""
    tile = np.full((TILE_PX, TILE_PX, 3), 245, np.uint8)
    joints = person.joints()[row]
    left = (joints[1] - joints[2]) * [1, 1, 0]
    left /= max(np.linalg.norm(left), 1e-6)
    ahead = np.cross(left, [0, 0, 1.0])
    origin = np.array([person.root[row, 0], person.root[row, 1], 0.0])
    scale = TILE_PX / 2.4

    def pixel(points: np.ndarray) -> np.ndarray:
        across = (points - origin) @ -ahead
        return np.stack([TILE_PX / 2 + across * scale, TILE_PX * 0.92 - points[:, 2] * scale], axis=1)

    for step in np.arange(0.0, 2.5, 0.5):
        y = int(TILE_PX * 0.92 - step * scale)
        cv2.line(tile, (0, y), (TILE_PX, y), (120, 120, 120) if step == 0 else (215, 215, 215), 2 if step == 0 else 1)
    eye = np.stack([(world - origin) @ -ahead, -world[:, 2] + 1.0, 5.0 - (world - origin) @ left], axis=1)
    draw(tile, eye, pixel(world), triangles, colour)
    return tile


def tiles(take: Take, frame: int, image: np.ndarray, body: BodyModel) -> np.ndarray:
    """One row of the sheet: the frame, the frame with bodies, side views of at most two people."""
    drawn = image.copy()
    sides = []
    for number, person in enumerate(take.people):
        found = np.flatnonzero(person.frames == frame)
        if not len(found):
            continue
        row, colour = int(found[0]), COLOURS[number % len(COLOURS)]
        world = posed_vertices(body, person.betas, person.rotations[row : row + 1], person.root[row : row + 1])[0]
        draw(drawn, take.camera.to_camera(world), take.camera.project(world), body.triangles, colour)
        sides.append(side_view(person, row, world, body.triangles, colour))
    mixed = cv2.addWeighted(drawn, 0.75, image, 0.25, 0)
    size = (round(TILE_PX * image.shape[1] / image.shape[0]), TILE_PX)
    sides = sides[:2] or [np.full((TILE_PX, TILE_PX, 3), 245, np.uint8)]
    row_image = np.concatenate(
        [cv2.resize(picture, size, interpolation=cv2.INTER_AREA) for picture in (image, mixed)] + sides[:1], 1
    )
    cv2.putText(row_image, str(frame), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 0), 2)
    return row_image


def main() -> None:
    """Reads the command line and writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("take", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--video", type=Path)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--at", type=str)
    arguments = parser.parse_args()
    take = load_take(arguments.take)
    body = load(REPOSITORY / "vibe_blender" / "assets" / "mannequin.npz")
    count, first = len(take.video.times), take.video.first_frame
    wanted = [int(n) for n in arguments.at.split(",")] if arguments.at else []
    wanted = wanted or [first + round(i * (count - 1) / max(arguments.frames - 1, 1)) for i in range(arguments.frames)]
    rows = [
        tiles(take, frame.index, np.ascontiguousarray(frame.image), body)
        for frame in read_frames(arguments.video or take.video.path, min(wanted), max(wanted) + 1)
        if frame.index in wanted
    ]
    columns = 2
    while len(rows) % columns:
        rows.append(np.full_like(rows[0], 255))
    sheet = np.concatenate([np.concatenate(rows[i : i + columns], 1) for i in range(0, len(rows), columns)])
    encoded = cv2.imencode(arguments.output.suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
    encoded.tofile(arguments.output)


if __name__ == "__main__":
    main()
