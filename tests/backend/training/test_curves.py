# SPDX-License-Identifier: MIT
"""What is written of a run while it learns, and what of it stays when the run goes on from an earlier step."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from backend.training.curves import BOARD, LINES, Curves
from backend.training.measuring import Figures, Measured, Sample
from backend.training.state import Progress
from backend.training.trainer import Step
from vibe_blender.contract import protocol
from vibe_blender.contract.console import Console


class Told(Console):
    """Keeps what a person would be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[protocol.Event] = []
        self.said: list[str] = []

    def emit(self, event: protocol.Event) -> None:
        self.events.append(event)

    def say(self, text: str) -> None:
        self.said.append(text)


class FakeWriter:
    """TensorBoard's writer as far as it is used."""

    made: "list[FakeWriter]" = []  # noqa: RUF012, UP037

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step, self.closed = folder, purge_step, False
        self.scalars: dict[tuple[str, int], float] = {}
        self.images: dict[tuple[str, int], np.ndarray] = {}
        FakeWriter.made.append(self)

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.scalars[tag, global_step] = scalar_value

    def add_image(self, tag: str, img_tensor: np.ndarray, global_step: int, *, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.images[tag, global_step] = img_tensor

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def board(monkeypatch) -> type[FakeWriter]:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(FakeWriter, "made", [])
    return FakeWriter


@pytest.fixture
def no_board(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)


def found(total: float = 1.5) -> Step:
    return Step({"joints_2d": 0.1, "total": total}, 0.5, 0.2, 0.9)


def measured() -> Measured:
    figures = Figures(30, 90.0, 57.5, math.nan, 3.0, 12.5, 9.0)
    body = np.random.default_rng(0).normal(size=(16, 14, 3))
    return Measured({"3dpw": figures}, figures, (Sample("3dpw", body, body + 0.1),))


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / LINES).read_text(encoding="utf-8").splitlines()]


def run_through(folder: Path, progress: Progress, until: tuple[int, int], console: Console | None) -> Curves:
    """Two epochs of three steps, from where the run is; ``until`` is not reached."""
    curves = Curves(folder, progress, (2, 3), console)
    for epoch in range(progress.epoch, 2):
        for step in range(progress.step if epoch == progress.epoch else 0, 3):
            if (epoch, step) >= until:
                return curves
            curves.step(epoch, step, found(epoch + step / 10))
        curves.epoch(epoch, measured(), 5e-5, (0.1, 2.0))
    return curves


def test_every_step_and_epoch_is_a_line(tmp_path, no_board) -> None:
    told = Told()
    run_through(tmp_path / "run", Progress(), (9, 0), told).close()
    found_lines = lines(tmp_path / "run")
    assert len(found_lines) == 8
    assert found_lines[1] == {
        "epoch": 0, "step": 1, "joints_2d": 0.1, "total": 0.1, "discriminator": 0.5, "made_up": 0.2, "real": 0.9,
    }  # fmt: skip
    epoch = found_lines[3]
    assert epoch["measured"]["3dpw"]["pa_mpjpe_mm"] == 57.5
    assert epoch["measured"]["mean"]["pve_mm"] is None
    assert (epoch["rate"], epoch["waited_s"], epoch["learned_s"]) == (5e-5, 0.1, 2.0)
    assert "Epoch 2 of 2: PA-MPJPE 57.5 mm, acceleration error 12.5 mm/frame^2" in told.said
    last = told.events[-1]
    assert (last.stage, last.done, last.total) == ("train", 6, 6)


@pytest.mark.parametrize("progress", [Progress(0, 0), Progress(0, 2), Progress(0, 3), Progress(1, 0), Progress(1, 2)])
@pytest.mark.parametrize("torn", [b"", b'{"epoch": 1, "st', b"\xff\n", b"[1]\n"])
def test_a_run_that_goes_on_has_the_lines_of_one_that_never_ended(tmp_path, no_board, progress, torn) -> None:
    run_through(tmp_path / "whole", Progress(), (9, 0), Told())
    run_through(tmp_path / "broken", Progress(), (1, 2), Told())
    with (tmp_path / "broken" / LINES).open("ab") as file:
        file.write(torn)
    run_through(tmp_path / "broken", progress, (9, 0), Told())
    assert lines(tmp_path / "broken") == lines(tmp_path / "whole")


def test_tensorboard_gets_curves_and_drawn_poses(tmp_path, board) -> None:
    told = Told()
    run_through(tmp_path, Progress(), (9, 0), told).close()
    writer = board.made[0]
    assert writer.folder == str(tmp_path / BOARD)
    assert writer.scalars["learning/total", 1] == 0.0
    assert writer.scalars["learning/real", 6] == 0.9
    assert writer.scalars["3dpw/pa_mpjpe_mm", 3] == 57.5
    assert ("3dpw/pve_mm", 3) not in writer.scalars
    assert writer.images["3dpw/poses", 6].dtype == np.uint8
    assert writer.closed
    assert not any("TensorBoard" in text for text in told.said)


def test_tensorboard_forgets_the_steps_that_are_taken_again(tmp_path, board) -> None:
    run_through(tmp_path, Progress(1, 2), (9, 0), Told())
    assert board.made[0].purge_step == 6  # the fifth step, 5, is done; the sixth is to come


def test_without_tensorboard_it_is_said_once_what_to_do(tmp_path, no_board) -> None:
    told = Told()
    run_through(tmp_path, Progress(), (9, 0), told)
    assert [text for text in told.said if "TensorBoard" in text] == [told.said[0]]
    assert "pip install tensorboard" in told.said[0]


def test_processes_that_do_not_lead_write_nothing(tmp_path, board) -> None:
    run_through(tmp_path / "run", Progress(), (9, 0), None).close()
    assert not (tmp_path / "run").exists()
    assert board.made == []


def test_an_epoch_without_measures_has_a_line(tmp_path, no_board) -> None:
    curves = Curves(tmp_path, Progress(), (1, 1), Told())
    curves.epoch(0, None, 1e-3, (0.0, 0.0))
    assert lines(tmp_path)[0]["measured"] == {}
