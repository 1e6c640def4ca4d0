# SPDX-License-Identifier: MIT
import random

import pytest

pytest.importorskip("bpy")

from vibe_blender.text_view import columns_of, wrapped


def test_words_stay_whole_where_they_fit() -> None:
    assert wrapped("The video is not behind the camera.", 12) == ["The video is", "not behind", "the camera."]
    assert wrapped("", 12) == wrapped("  \n", 12) == []
    assert wrapped("two\nlines", 12) == ["two lines"]


def test_a_letter_of_east_asia_is_as_wide_as_two() -> None:
    assert columns_of("walk") == 4
    assert columns_of("走る") == 4
    assert columns_of("e\u0301") == 1
    assert wrapped("摄像机后面没有视频", 8) == ["摄像机后", "面没有视", "频"]


def test_what_does_not_fit_a_line_is_broken() -> None:
    assert wrapped("See /media/somebody/videos/walk.mp4", 16) == ["See /media/someb", "ody/videos/walk.", "mp4"]
    assert wrapped("走走", 1) == ["走", "走"]


@pytest.mark.parametrize("letters", ["abc  ", "走る視 ", "aé走👩 \u200d"])
def test_nothing_is_lost_and_no_line_is_too_long(letters) -> None:
    chance = random.Random(5)
    for columns in (2, 7, 16, 40):
        text = "".join(chance.choices(letters, k=200))
        lines = wrapped(text, columns)
        assert all(columns_of(line) <= columns for line in lines)
        assert "".join("".join(lines).split()) == "".join(text.split())
