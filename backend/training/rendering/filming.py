# SPDX-License-Identifier: MIT
"""A scene from its plan to a file of labels and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.body import model
from backend.training.prepare.tracks import Track, with_boxes
from vibe_blender.contract.quaternions import Array

from .faults import as_jpeg, spoiled
from .framing import surroundings
from .labels import tracks_of
from .plans import Job, Shot
from .scenes import Scene, draw_scene
from .stage import Stage, rays_of


class Filming:
    """Renders scenes, one after another."""

    def __init__(self, folder: Path) -> None:
        """Takes a folder for pictures on their way."""
        self._folder = folder
        self._bodies: dict[str, tuple[model.BodyModel, NDArray[np.float32]]] = {}

    def film(self, job: Job) -> None:
        """Renders a scene into its file, which is there once all of it is.

        Raises:
            CaptureError: ``dataset_broken``, ``body_missing`` or ``body_broken``.
        """
        if job.shot.body not in self._bodies:
            body = model.load(Path(job.shot.body))
            flat = body.pose_directions.transpose(2, 0, 1).reshape(body.pose_directions.shape[2], -1)
            self._bodies[job.shot.body] = body, np.ascontiguousarray(flat, np.float32)
        scene = draw_scene(job.shot, job.plan, *self._bodies[job.shot.body])
        skins = [walker.skin(np.arange(job.plan.count, dtype=float)) for walker in scene.walkers]
        tracks = tracks_of(scene, job.shot.places, skins, lambda frame: rays_of(scene, skins, frame))
        known = np.ones(job.plan.count, bool)
        pieces = [piece for track in tracks for piece in with_boxes(track, known) if len(piece) >= job.shot.shortest]
        held: dict[str, NDArray[Any]] = {"names": np.array([piece.name for piece in pieces], dtype=str)}
        pictures = self._pictures(job.shot, scene, skins, pieces)
        for number, (piece, jpegs) in enumerate(zip(pieces, pictures, strict=True)):
            for column, values in piece.arrays.items():
                held[f"{number} {column}"] = values
            held[f"{number} lengths"] = np.array([len(jpeg) for jpeg in jpegs])
            held[f"{number} bytes"] = np.frombuffer(b"".join(jpegs), np.uint8)
        target = Path(job.target)
        part = target.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **held)
        part.replace(target)

    def _pictures(self, shot: Shot, scene: Scene, skins: list[Array], pieces: list[Track]) -> list[list[bytes]]:
        """JPEGs of each piece's frames; adds ``picture_boxes`` to the pieces."""
        jpegs: list[list[bytes]] = [[] for _ in pieces]
        boxes: list[list[Array]] = [[] for _ in pieces]
        if not pieces:
            return jpegs
        random = np.random.default_rng(scene.noise_seed)
        stage = Stage(scene, shot.samples, self._folder)
        for frame in sorted({int(frame) for piece in pieces for frame in piece.arrays["frames"]}):
            opens, closes = [skin[frame] for skin in skins], None
            if scene.shutter:
                times = np.array([frame - scene.shutter / 2, frame + scene.shutter / 2])
                both = [walker.skin(times) for walker in scene.walkers]
                opens, closes = [pair[0] for pair in both], [pair[1] for pair in both]
            stage.show(frame, opens, closes)
            for number, piece in enumerate(pieces):
                row = frame - int(piece.arrays["frames"][0])
                if not 0 <= row < len(piece):
                    continue
                part = surroundings(piece.arrays["boxes"][row], scene.camera.size_px, shot.picture_px)
                jpegs[number].append(b"" if part is None else as_jpeg(spoiled(stage.draw(part), scene.faults, random)))
                boxes[number].append(np.zeros(4) if part is None else part.box)
        for number, piece in enumerate(pieces):
            arrays = {**piece.arrays, "picture_boxes": np.array(boxes[number], np.float32)}
            pieces[number] = replace(piece, arrays=arrays)
        return jpegs
