# SPDX-License-Identifier: MIT
"""Prints how far flow is off where a texture shifts, turns and grows, and how long a pair takes, by preset and scale.

    python tests/benchmarks/flow_presets.py [--textures N] [--raft RAFT.pth]

Crops of 224 pixels, cut from smooth noise of five scales. Figures are mean end-point errors in pixels over the cells
whose counterparts are in the crop; milliseconds are medians, on one thread. RAFT chooses its device.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.flow import CELLS, Dis, FlowMethod, in_cells
from backend.person_crops import SIDE_PX

MOTIONS = ("shift 0.5 -0.25", "shift 3.3 -1.7", "shift -12.4 7.6", "shift 25 10", "turn 2", "turn 10", "grow 1.05",
           "grow 1.2")  # fmt: skip
GRID = np.stack(np.meshgrid(np.arange(SIDE_PX), np.arange(SIDE_PX)), axis=-1).astype(float)
MARGIN_PX = 8


class Preset:
    """DIS with another preset and finest scale."""

    def __init__(self, name: str, finest: int) -> None:
        self.name = f"{name} finest {finest}"
        self._dis = cv2.DISOpticalFlow.create(getattr(cv2, f"DISOPTICAL_FLOW_PRESET_{name}"))
        self._dis.setFinestScale(finest)

    def backward(self, now: np.ndarray, before: np.ndarray) -> np.ndarray:
        """As ``flow.FlowMethod``."""
        greys = ([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) for crop in pair] for pair in zip(now, before, strict=True))
        return np.stack(
            [in_cells(self._dis.calc(*grey, None), *pair) for grey, *pair in zip(greys, now, before, strict=True)]
        )


def motion(name: str) -> np.ndarray:
    """(224, 224, 2) pixels, true backward flow."""
    kind, *numbers = name.split()
    values, middle = [float(number) for number in numbers], (SIDE_PX - 1) / 2
    if kind == "shift":
        return np.broadcast_to(np.array(values), GRID.shape)
    if kind == "turn":
        cosine, sine = np.cos(np.deg2rad(values[0])), np.sin(np.deg2rad(values[0]))
        return (GRID - middle) @ np.array([[cosine, -sine], [sine, cosine]]).T + middle - GRID
    return (GRID - middle) * (values[0] - 1)


def texture(seed: int) -> np.ndarray:
    """(448, 448) grey, smooth noise."""
    random, size = np.random.default_rng(seed), (2 * SIDE_PX, 2 * SIDE_PX)
    levels = np.zeros(size, np.float32)
    for count in (8, 16, 32, 64, 128):
        noise = random.normal(size=(count, count)).astype(np.float32)
        levels += cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC) / count**0.3
    return (levels - levels.min()) / np.ptp(levels) * 255


def seen(levels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(224, 224, 3) RGB: a texture where ``places`` (224, 224, 2) are, counted from the crop's corner in its middle."""
    x, y = np.moveaxis((places + SIDE_PX / 2).astype(np.float32), -1, 0)
    grey = cv2.remap(levels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.repeat(np.clip(grey, 1, 255).astype(np.uint8)[..., None], 3, axis=-1)


def row(method: FlowMethod, textures: int) -> tuple[list[float], float]:
    """Errors by motion, pixels, and milliseconds of a pair."""
    errors, times = [], []
    for name in MOTIONS:
        true = cv2.resize(motion(name).astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        places = cv2.resize((GRID + motion(name)).astype(np.float32), (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        inside = ((places > MARGIN_PX) & (places < SIDE_PX - 1 - MARGIN_PX)).all(axis=-1)
        apart = []
        for seed in range(textures):
            levels = texture(seed)
            now, before = seen(levels, GRID + motion(name)), seen(levels, GRID)
            began = time.perf_counter()
            found = method.backward(now[None], before[None])[0].astype(float).transpose(1, 2, 0)
            times.append(time.perf_counter() - began)
            apart.append(np.linalg.norm(found - true, axis=-1)[inside].mean())
        errors.append(float(np.mean(apart)))
    return errors, 1000 * float(np.median(times))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--textures", type=int, default=3)
    parser.add_argument("--raft", default="")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    methods: list[FlowMethod] = [Dis(threads=1)]
    methods += [Preset(name, finest) for name in ("ULTRAFAST", "FAST", "MEDIUM") for finest in (2, 1, 0)]
    if options.raft:
        from backend.flow_networks import load_raft

        methods.append(load_raft(Path(options.raft)))
    print("| method | " + " | ".join(MOTIONS) + " | ms |\n|" + "---|" * (len(MOTIONS) + 2))
    for method in methods:
        errors, milliseconds = row(method, options.textures)
        print(f"| {method.name} | " + " | ".join(f"{error:.3f}" for error in errors) + f" | {milliseconds:.1f} |")


if __name__ == "__main__":
    main()
