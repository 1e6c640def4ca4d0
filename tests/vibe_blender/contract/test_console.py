# SPDX-License-Identifier: MIT
import pytest

from vibe_blender.contract.console import Console, progress_line
from vibe_blender.contract.protocol import Cancelled, Done, Failed, Frames, Progress, Stage, VideoOpened, Warned


def test_a_progress_line_has_stage_frames_rate_and_time_left() -> None:
    line = progress_line(Progress("watch", 30, 120, 12.34, 7.4), 100)
    assert line.startswith("Watching [")
    assert line.endswith("] 30/120 frames, 12.3/s, 0:07 left")
    bar = line[line.index("[") + 1 : line.index("]")]
    assert bar.count("#") == round(len(bar) / 4)
    assert "2:05 left" in progress_line(Progress("solve", 1, 2, 1.0, 125.0), 100)


@pytest.mark.parametrize("width", [10, 40, 79, 200])
def test_a_progress_line_fits(width) -> None:
    assert len(progress_line(Progress("watch", 30, 120, 12.3, 7.4), width)) <= width


def test_a_length_that_is_not_known_is_left_out() -> None:
    assert progress_line(Progress("watch", 30, 0, 12.3), 100) == "Watching 30 frames, 12.3/s"


def test_off_a_terminal_a_person_gets_sentences(capsys) -> None:
    console = Console()
    for event in (
        VideoOpened("/videos/walk.mp4", 640, 480, 29.97003, 90),
        Stage("watch"),
        Progress("watch", 1, 90, 10.0, 9.0),
        Frames(1, 0, [], [], []),
        Warned("focal_guessed", "The focal length is a guess."),
        Failed("disk_full", "The disk is full.", "Free some space.", "walk.take"),
        Cancelled("walk.take"),
        Done("walk.take", 90, 1),
    ):
        console.emit(event)
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "walk.mp4: 640 x 480, 29.97 a second, 90 frames",
        "Watching ...",
        "Warning: The focal length is a guess.",
        "vibe: The disk is full. Free some space. What was captured is kept in walk.take.",
        "Cancelled. What was captured is kept in walk.take.",
    ]
    assert told.out == "walk.take: 90 frames, 1 person\n"


def test_learning_is_counted_in_steps() -> None:
    assert progress_line(Progress("train", 3, 0, 2.0), 100) == "Learning 3 steps, 2.0/s"


def test_a_sentence_is_said_on_a_line_of_its_own(capsys) -> None:
    Console().say("Hero: Rigify.")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "Hero: Rigify.\n")
