# SPDX-License-Identifier: MIT
"""Decoded pictures become upright RGB arrays with square pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray


class Upright:
    """Turns decoded pictures into upright RGB arrays with square pixels, all of the first one's size."""

    def __init__(self, stream: VideoStream, first: VideoFrame) -> None:
        aspect = float(stream.sample_aspect_ratio or 1)
        if not 1 / 8 < aspect < 8:
            aspect = 1.0
        self._width = round(first.width * max(aspect, 1.0))
        self._height = round(first.height / min(aspect, 1.0))
        self._reformatter = VideoReformatter()
        # Display matrix [a b u; c d v; x y w] of ISO/IEC 14496-12: x' = a x + c y, y' = b x + d y, fixed point.
        matrix = np.array([65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30], np.int32)
        side_data: Mapping[Any, Any] = first.side_data
        if SideDataType.DISPLAYMATRIX in side_data:
            matrix = np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32)
        a, b, c, d = (float(matrix[n]) for n in (0, 1, 3, 4))
        self._transposed = abs(b) > abs(a)
        self._mirror_x = (c if self._transposed else a) < 0
        self._mirror_y = (b if self._transposed else d) < 0
        self.rotation_deg = round(math.degrees(math.atan2(-b, a))) % 360 if (a or b) else 0
        upright = (self._height, self._width) if self._transposed else (self._width, self._height)
        self.width_px, self.height_px = upright

    def __call__(self, picture: VideoFrame) -> NDArray[np.uint8]:
        """The picture as (H, W, 3) uint8 RGB."""
        # The scaler honours the colour matrix and range the file names, and takes BT.601 where it names none.
        rgb = self._reformatter.reformat(picture, self._width, self._height, "rgb24")
        image: NDArray[Any] = rgb.to_ndarray()
        if self._transposed:
            image = cv2.transpose(image)
        if self._mirror_x or self._mirror_y:
            image = cv2.flip(image, -1 if self._mirror_x and self._mirror_y else int(self._mirror_x))
        return np.ascontiguousarray(image)
