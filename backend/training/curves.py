# SPDX-License-Identifier: MIT
"""How a run goes, for people: a file of JSON lines, TensorBoard's curves and drawn poses, a bar in the terminal."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vibe_blender.contract import protocol
from vibe_blender.contract.console import Console

from .drawing import draw_clip
from .measuring import Measured
from .state import Progress

if TYPE_CHECKING:
    from .trainer import Step

LINES, BOARD = "curves.jsonl", "tensorboard"
_AFTER = 1 << 62
"""Where the line of an epoch is: after all of its steps."""
_NO_BOARD = (
    "TensorBoard's curves are not written: its package is not installed (pip install tensorboard). "
    f"All numbers are in {LINES}."
)


class Board(Protocol):
    """What is used of TensorBoard's writer."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Adds a point to a curve."""

    def add_image(self, tag: str, img_tensor: Any, global_step: int, *, dataformats: str) -> None:
        """Adds a picture."""

    def close(self) -> None:
        """Writes what is left."""


class Curves:
    """Told of each step and epoch; of several processes, the one that leads writes."""

    def __init__(self, folder: Path, progress: Progress, steps: tuple[int, int], console: Console | None) -> None:
        """Begins where a run is: what the files say of later steps, which are to be taken again, is cut off.

        Args:
            folder: of the run; it is made.
            progress: of the run.
            steps: epochs of the whole run, and steps of each.
            console: shows a person how far it is; None in processes that do not lead: nothing is written.
        """
        self._epochs, self._steps = steps
        self._console = console
        self._began, self._first = time.monotonic(), progress.epoch * self._steps + progress.step
        if console is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._path = folder / LINES
            _cut_back(self._path, progress)
            self._board = _board(folder / BOARD, self._first)
            if self._board is None:
                console.say(_NO_BOARD)

    def step(self, epoch: int, number: int, found: Step) -> None:
        """Takes up what a step found."""
        if self._console is None:
            return
        said = {"discriminator": found.discriminator, "made_up": found.made_up, "real": found.real}
        values = {**found.losses, **{name: value for name, value in said.items() if value is not None}}
        self._line({"epoch": epoch, "step": number, **values})
        done = epoch * self._steps + number + 1
        for name, value in values.items():
            if self._board is not None:
                self._board.add_scalar(f"learning/{name}", value, done)
        rate = (done - self._first) / max(time.monotonic() - self._began, 1e-6)
        total = self._epochs * self._steps
        self._console.emit(protocol.Progress("train", done, total, rate, (total - done) / rate))

    def epoch(self, epoch: int, measured: Measured | None, rate: float, times: tuple[float, float]) -> None:
        """Takes up what an epoch came to.

        Args:
            epoch: its number.
            measured: on the archives for validation.
            rate: of the generator's Adam.
            times: seconds that learning waited for clips, and that it took.
        """
        if self._console is None:
            return
        figures = {} if measured is None else {**measured.archives, "mean": measured.mean}
        archives = {name: _numbers(asdict(one)) for name, one in figures.items()}
        waited_s, learned_s = times
        spent = {"waited_s": waited_s, "learned_s": learned_s}
        self._line({"epoch": epoch, "rate": rate, "measured": archives, **spent})
        done = (epoch + 1) * self._steps
        if self._board is not None:
            self._board.add_scalar("learning/rate", rate, done)
            for archive, numbers in archives.items():
                for name, value in numbers.items():
                    if value is not None:
                        self._board.add_scalar(f"{archive}/{name}", value, done)
            for sample in measured.samples if measured is not None else ():
                picture = draw_clip(sample.said, sample.true)
                self._board.add_image(f"{sample.archive}/poses", picture, done, dataformats="HWC")
        if measured is not None:
            mean = measured.mean
            self._console.say(
                f"Epoch {epoch + 1} of {self._epochs}: PA-MPJPE {mean.pa_mpjpe_mm:.1f} mm, "
                f"acceleration error {mean.acceleration_error_mm_per_frame2:.1f} mm/frame^2"
            )

    def close(self) -> None:
        """Writes what is left."""
        if self._console is not None and self._board is not None:
            self._board.close()

    def _line(self, record: Mapping[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _cut_back(path: Path, progress: Progress) -> None:
    """Leaves of a file what it says of steps before a run's next one; a line that was not finished goes, too."""
    if not path.exists():
        return
    kept = []
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            record = json.loads(line)
            place = (record["epoch"], record.get("step", _AFTER))
            if not line.endswith(b"\n") or place >= (progress.epoch, progress.step):
                break
        except (ValueError, KeyError, TypeError, AttributeError):
            break
        kept.append(line)
    passing = path.with_name(f".{path.name}.new")
    passing.write_bytes(b"".join(kept))
    passing.replace(path)


def _board(folder: Path, first: int) -> Board | None:
    """TensorBoard's writer, which forgets what it was told of steps after ``first``; None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    board: Board = SummaryWriter(str(folder), purge_step=first + 1)
    return board


def _numbers(record: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as JSON has them: a measure of nothing is null."""
    return {name: None if math.isnan(value) else value for name, value in record.items()}
