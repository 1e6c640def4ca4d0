# SPDX-License-Identifier: MIT
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.boxes import BoxedPeople
from backend.crops import REGION_SCALE, Region
from backend.landmarks import BODY_COUNT, CENTRE, POINT_COUNT, TOP, Landmarks
from vibe_blender.contract.errors import CaptureError

PICTURE = np.zeros((480, 640, 3), np.uint8)


@dataclass
class Reader:
    """Sees a body of a hundred pixels at 300, 200, whatever region it is asked to read."""

    score: float = 0.9
    asked: list[tuple[Region, bool]] = field(default_factory=list)

    def read(self, image_rgb: NDArray, region: Region, mirrored: bool = False) -> Landmarks:
        assert image_rgb is PICTURE
        self.asked.append((region, mirrored))
        points = np.full((POINT_COUNT, 2), [300.0, 200.0])
        points[TOP] = [300.0, 150.0]
        ones = np.ones(POINT_COUNT)
        return Landmarks(points, 0 * ones, np.zeros((BODY_COUNT, 3)), ones, ones, self.score)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "boxes é 走.npz"


def good(**changes: object) -> dict[str, object]:
    arrays: dict[str, object] = {
        "frames": np.array([3, 3, 5]),
        "boxes": np.array([[100.0, 120, 40, 90], [300, 200, 80, 60], [104, 120, 40, 90]]),
        "person": np.array([1, 2, 1]),
    }
    return {name: value for name, value in (arrays | changes).items() if value is not None}


def why_not(path: Path) -> str:
    with pytest.raises(CaptureError) as caught:
        BoxedPeople(path, Reader())
    assert caught.value.code == "boxes_unreadable"
    assert path.name in caught.value.message
    assert "numpy.savez" in caught.value.hint
    return caught.value.message


def test_people_are_where_their_boxes_are(path: Path) -> None:
    np.savez(path, **good())
    reader = Reader()
    people = BoxedPeople(path, reader)
    assert [people.update(frame, frame / 30, PICTURE) for frame in (0, 4, 6)] == [[], [], []]
    assert not reader.asked
    assert [seen.person for seen in people.update(3, 0.1, PICTURE)] == [1, 2]
    assert [seen.person for seen in people.update(5, 0.2, PICTURE)] == [1]


def test_the_box_is_looked_at_first_and_then_the_body_in_it(path: Path) -> None:
    np.savez(path, **good())
    reader = Reader()
    (seen,) = BoxedPeople(path, reader).update(5, 0.2, PICTURE)
    (box, _), (body, _), (mirror, mirrored) = reader.asked
    assert box.centre_px.tolist() == [104.0, 120.0]
    assert box.side_px == 90 * REGION_SCALE
    assert body.centre_px.tolist() == seen.landmarks.image_px[CENTRE].tolist() == [300.0, 200.0]
    assert body.side_px == pytest.approx(100 * REGION_SCALE)
    assert seen.region is body is mirror
    assert mirrored
    assert seen.mirrored is not None


def test_the_mirror_image_is_left_out_where_it_is_not_wanted(path: Path) -> None:
    np.savez(path, **good())
    reader = Reader()
    (seen,) = BoxedPeople(path, reader, mirror=False).update(5, 0.2, PICTURE)
    assert seen.mirrored is None
    assert not any(mirrored for _, mirrored in reader.asked)


def test_a_box_without_a_body_in_it_shows_nobody(path: Path) -> None:
    np.savez(path, **good())
    assert BoxedPeople(path, Reader(score=0.4)).update(3, 0.1, PICTURE) == []


@pytest.mark.parametrize(
    ("people", "expected"), [("all", [[1, 2], [1]]), (2, [[1, 2], [1]]), (1, [[1], [1]]), (9, [[1, 2], [1]])]
)
def test_only_as_many_as_are_wanted_those_whose_boxes_cover_the_most(path: Path, people: str | int, expected) -> None:
    np.savez(path, **good())  # 40 x 90 twice is more than 80 x 60 once
    found = BoxedPeople(path, None, people=people)
    assert [[seen.person for seen in found.update(frame, 0.0, PICTURE)] for frame in (3, 5)] == expected


@pytest.mark.parametrize("score", [0.9, 0.4])
def test_exact_boxes_stay_as_they_are_whatever_is_read_in_them(path: Path, score: float) -> None:
    np.savez(path, **good())
    reader = Reader(score=score)
    (seen,) = BoxedPeople(path, reader, exact=True).update(5, 0.2, PICTURE)
    assert seen.extent().tolist() == [104, 120, 40, 90]
    assert (seen.landmarks.visibility > 0).all() == (score > 0.5)
    assert seen.landmarks.visibility.any() == (score > 0.5)
    assert seen.mirrored is None


def test_without_numbers_all_boxes_are_of_one_person(path: Path) -> None:
    np.savez(path, **good(frames=np.array([3, 4, 5], np.uint8), person=None))
    people = BoxedPeople(path, Reader())
    assert [people.update(frame, 0.0, PICTURE)[0].person for frame in (3, 4, 5)] == [1, 1, 1]


def test_no_boxes_at_all_are_nobody(path: Path) -> None:
    np.savez(path, frames=np.zeros(0, int), boxes=np.zeros((0, 4)))
    assert BoxedPeople(path, Reader()).update(0, 0.0, PICTURE) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": np.array([3, 4])},
        {"frames": np.array(3)},
        {"frames": np.array([[3], [4], [5]]), "person": np.ones((3, 1), int)},
        {"frames": np.array([3.0, 4.0, 5.0])},
        {"frames": np.array([True, False, True]), "person": None},
        {"boxes": np.ones((3, 5))},
        {"boxes": np.ones(12)},
        {"person": np.array([1, 2])},
        {"person": np.array([1.0, 2.0, 1.0])},
    ],
    ids=str,
)
def test_arrays_that_do_not_fit_are_refused(path: Path, changes: dict[str, object]) -> None:
    np.savez(path, **good(**changes))
    assert "frames (" in why_not(path)


@pytest.mark.parametrize("value", [0.0, -5.0, np.nan, np.inf])
@pytest.mark.parametrize("column", [2, 3])
def test_boxes_without_a_size_are_refused(path: Path, column: int, value: float) -> None:
    boxes = np.ones((3, 4))
    boxes[1, column] = value
    np.savez(path, **good(boxes=boxes))
    assert "no size" in why_not(path)


def test_people_are_counted_from_one(path: Path) -> None:
    np.savez(path, **good(person=np.array([1, 0, 2])))
    assert "number 0" in why_not(path)


def test_nobody_is_in_two_places_at_once(path: Path) -> None:
    np.savez(path, **good(person=np.array([1, 1, 2])))
    assert "two boxes in one frame" in why_not(path)


@pytest.mark.parametrize("name", ["frames", "boxes"])
def test_both_arrays_must_be_there(path: Path, name: str) -> None:
    np.savez(path, **good(**{name: None}))
    assert name in why_not(path)


class Spy:
    """Unpickling one leaves a mark."""

    ran = False

    def __reduce__(self) -> tuple[object, tuple[()]]:
        return _leave_a_mark, ()


def _leave_a_mark() -> None:
    Spy.ran = True


@pytest.mark.parametrize("name", ["frames", "boxes", "person"])
def test_pickled_objects_are_never_loaded(path: Path, name: str) -> None:
    np.savez(path, **good(**{name: np.array([Spy(), Spy(), Spy()], dtype=object)}))
    assert "allow_pickle" in why_not(path)
    assert not Spy.ran


@pytest.mark.parametrize("content", [b"", b"frames,boxes\n", b"PK\x03\x04 cut off"])
def test_other_files_are_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    why_not(path)


def test_missing_single_and_damaged_files_are_refused(path: Path) -> None:
    why_not(path)
    with path.open("wb") as file:
        np.save(file, np.ones((3, 4)))
    why_not(path)
    np.savez_compressed(path, **good(boxes=np.random.default_rng(0).uniform(1, 9, (3, 4))))
    content = bytearray(path.read_bytes())
    middle = content.index(b"boxes.npy") + 60
    content[middle : middle + 40] = bytes(255 - byte for byte in content[middle : middle + 40])
    path.write_bytes(content)
    why_not(path)
