# SPDX-License-Identifier: MIT
"""BlazePose's landmark network: one person's region becomes 33 body landmarks in the picture and in metres.

Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose tracking"; constants of mediapipe 0.10.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from backend.crops import Region, to_image, to_upright, unmirror, warp
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array

LANDMARK_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index",
    "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel",
    "left_foot_index", "right_foot_index",
)  # fmt: skip
BODY_COUNT = len(LANDMARK_NAMES)
POINT_COUNT = 39
"""The body's 33, the two that place the next region (its centre, its top), four that MediaPipe does not use."""
CENTRE, TOP = 33, 34
MIRROR = (0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(k + 1 if k % 2 else k - 1 for k in range(11, 33)), *range(33, 39))
"""Point k of a body is point MIRROR[k] of its mirror image."""
CROP_SIZE = 256

_KERNEL = 7
_MIN_CONFIDENCE = 0.5
_POINTS, _SCORE, _HEAT, _WORLD = (1, 195), (1, 1), (1, 64, 64, POINT_COUNT), (1, 117)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """What the network reads in one region.

    Attributes:
        image_px: (39, 2) pixels, image frame; refined on the heat maps.
        depth_px: (39,) pixels along the viewing ray, smaller is nearer, 0 at the middle of the hips.
        world: (33, 3) metres in the axes of the upright picture (x right, y down, z away from the camera along the ray
            through the region), origin between the hips.
        visibility: (39,) 0..1, inside the region and not hidden.
        presence: (39,) 0..1, inside the region.
        score: 0..1, a body was there at all.
    """

    image_px: Array
    depth_px: Array
    world: Array
    visibility: Array
    presence: Array
    score: float


class LandmarkModel:
    """The landmark network, ready to read regions."""

    def __init__(self, model_path: Path, threads: int) -> None:
        self._interpreter = Interpreter(model_content=_without_segmentation(model_path), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {tuple(output["shape"]): output["index"] for output in self._interpreter.get_output_details()}
        self._outputs = [outputs[shape] for shape in (_POINTS, _SCORE, _HEAT, _WORLD)]

    def read(self, image_rgb: np.ndarray, region: Region, mirrored: bool = False) -> Landmarks:
        """What the network sees in one region, in the straight picture's terms.

        Args:
            image_rgb: (H, W, 3) uint8.
            region: where the person is.
            mirrored: show the network the mirror image; the answer is turned back, so both readings can be averaged.
        """
        return self._read_crop(warp(image_rgb, region, CROP_SIZE, mirrored), region, mirrored)

    def read_both(self, image_rgb: np.ndarray, region: Region) -> tuple[Landmarks, Landmarks]:
        """The straight and the mirrored reading of one region, cut out once."""
        crop = warp(image_rgb, region, CROP_SIZE)
        return self._read_crop(crop, region, False), self._read_crop(cv2.flip(crop, 1), region, True)

    def _read_crop(self, crop: np.ndarray, region: Region, mirrored: bool) -> Landmarks:
        np.multiply(crop, np.float32(1 / 255), out=self._interpreter.tensor(self._input)()[0])
        self._interpreter.invoke()
        points, score, heat, world = (self._interpreter.tensor(index)()[0] for index in self._outputs)
        points = points.reshape(POINT_COUNT, 5).astype(float)
        points[:, :2] = refine(points[:, :2], heat)
        world = world.reshape(-1, 3)[:BODY_COUNT].astype(float)
        if mirrored:
            points = unmirror(points, CROP_SIZE)[list(MIRROR)]
            world = (world * (-1.0, 1.0, 1.0))[list(MIRROR[:BODY_COUNT])]
        return Landmarks(
            image_px=to_image(points[:, :2], region, CROP_SIZE),
            depth_px=points[:, 2] * (region.side_px / CROP_SIZE),
            world=to_upright(world, region),
            visibility=_sigmoid(points[:, 3]),
            presence=_sigmoid(points[:, 4]),
            score=float(score[0]),
        )


def refine(points: Array, heat: np.ndarray) -> Array:
    """Points moved to the middle of their heat map's peak, where it is clear (RefineLandmarksFromHeatmapCalculator).

    Args:
        points: (K, 2) pixels of the crop.
        heat: (h, w, K) logits of each point lying in that cell.

    Returns:
        (K, 2) pixels of the crop.
    """
    height, width, count = heat.shape
    cell_px = CROP_SIZE / np.array([width, height])
    cell = (points / cell_px).astype(int)
    reach = np.arange(_KERNEL) - _KERNEL // 2
    columns, rows = cell[:, :1] + reach, cell[:, 1:] + reach
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    window = heat[
        rows.clip(0, height - 1)[:, :, None], columns.clip(0, width - 1)[:, None, :], np.arange(count)[:, None, None]
    ]
    weights = _sigmoid(window.astype(float)) * inside
    clear = (weights.max((1, 2)) >= _MIN_CONFIDENCE) & (cell >= 0).all(1) & (cell < (width, height)).all(1)
    total = np.maximum(weights.sum((1, 2)), 1e-9)
    column = (weights.sum(1) * columns).sum(1) / total
    row = (weights.sum(2) * rows).sum(1) / total
    return np.where(clear[:, None], np.stack([column, row], 1) * cell_px, points)


def _without_segmentation(model_path: Path) -> bytes:
    """The network without the branch that paints a silhouette: nothing reads it and it takes two fifths of the time."""
    if not model_path.is_file():
        raise CaptureError(
            "model_missing",
            f"The landmark network is not at {model_path}.",
            "Fetch it with `vibe models fetch`, or name its folder with --models.",
        )
    content = model_path.read_bytes()
    if content[4:8] != b"TFL3":
        raise CaptureError(
            "model_broken",
            f"{model_path} is not a TensorFlow Lite model.",
            "Delete it and fetch it again with `vibe models fetch`.",
        )
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    graph.outputs = [
        index for index in graph.outputs if tuple(graph.tensors[index].shape) in (_POINTS, _SCORE, _HEAT, _WORLD)
    ]
    maker = {tensor: operator for operator in graph.operators for tensor in operator.outputs}
    wanted, needed = list(graph.outputs), set()
    while wanted:
        operator = maker.get(wanted.pop())
        if operator is not None and id(operator) not in needed:
            needed.add(id(operator))
            wanted.extend(operator.inputs)
    graph.operators = [operator for operator in graph.operators if id(operator) in needed]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _sigmoid(logits: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -100.0, 100.0)))
