# SPDX-License-Identifier: MIT
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from backend.crops import Region
from backend.detection import Detection
from backend.landmarks import BODY_COUNT, Landmarks
from backend.tracking import MAX_LOST, SEARCH_EVERY, Observation, PeopleTracker

FPS = 30
WIDTH, HEIGHT = 640, 480
BLUE, RED, GREEN = (20, 40, 200), (200, 30, 30), (40, 160, 40)

_SHAPE = {
    0: (0, -0.42), 11: (0.1, -0.3), 12: (-0.1, -0.3), 13: (0.14, -0.15), 14: (-0.14, -0.15), 15: (0.14, 0),
    16: (-0.14, 0), 23: (0.06, 0), 24: (-0.06, 0), 25: (0.07, 0.22), 26: (-0.07, 0.22), 27: (0.07, 0.45),
    28: (-0.07, 0.45), 33: (0, 0), 34: (0, -0.5),
}  # fmt: skip
STANDING = np.array([_SHAPE.get(number, (0.0, -0.1)) for number in range(39)])
"""(39, 2) sizes from the hips: somebody standing."""


@dataclass
class Body:
    """Somebody on the made stage: where their hips are in each frame (None: away), how tall, in what clothes."""

    hips: Callable[[int], tuple[float, float] | None]
    size: float = 200.0
    clothes: tuple[int, int, int] = BLUE

    def points(self, frame: int) -> np.ndarray | None:
        hips = self.hips(frame)
        return None if hips is None else STANDING * self.size + hips


@dataclass
class Stage:
    """Bodies, the nearest last; plays the detector and the landmark network on pictures it draws itself."""

    bodies: list[Body]
    frame: int = 0
    unseen: set[int] = field(default_factory=set)
    searched: list[int] = field(default_factory=list)
    mirrored: list[int] = field(default_factory=list)

    def draw(self) -> np.ndarray:
        picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        for body in self.bodies:
            points = body.points(self.frame)
            if points is not None:
                x0, y0, x1, y1 = (*points.min(0), *points.max(0))
                left, top, right, bottom = (round(max(edge, 0)) for edge in (x0, y0, x1, y1))
                picture[top:bottom, left:right] = body.clothes
        return picture

    def visible(self) -> list[np.ndarray]:
        """The bodies (39, 2) that none in front covers, the nearest first."""
        seen: list[np.ndarray] = []
        for body in reversed(self.bodies):
            points = body.points(self.frame)
            if points is not None and all(abs(points[33, 0] - other[33, 0]) > 0.3 * body.size for other in seen):
                seen.append(points)
        return seen

    def detect(self, image_rgb: np.ndarray, region: Region | None = None) -> list[Detection]:
        self.searched.append(self.frame)
        found = []
        for points in self.visible():
            inside = region is None or (np.abs(points[33] - region.centre_px) < region.side_px / 2).all()
            if self.frame not in self.unseen and inside and 0 <= points[33, 0] < WIDTH:
                shoulders = points[11:13].mean(0)
                keypoints = np.stack([points[33], points[34], shoulders, points[0]])
                found.append(Detection(0.9, np.zeros(4), keypoints))
        return found

    def read(self, image_rgb: np.ndarray, region: Region, mirrored: bool = False) -> Landmarks:
        if mirrored:
            self.mirrored.append(self.frame)
        near = [
            points for points in self.visible() if np.linalg.norm(points[33] - region.centre_px) < region.side_px / 4
        ]
        if not near:
            return _landmarks(STANDING, 0.0)
        return _landmarks(min(near, key=lambda points: float(np.linalg.norm(points[33] - region.centre_px))), 0.99)

    def play(self, tracker: PeopleTracker, frames: range) -> list[list[Observation]]:
        played = []
        for self.frame in frames:
            played.append(tracker.update(self.frame, self.frame / FPS, self.draw()))
        return played


def _landmarks(points: np.ndarray, score: float) -> Landmarks:
    full = np.ones(39)
    return Landmarks(points, np.zeros(39), np.zeros((BODY_COUNT, 3)), full, full, score)


def still(x: float, y: float = 240.0, *, away: range = range(0)) -> Callable[[int], tuple[float, float] | None]:
    return lambda frame: None if frame in away else (x, y)


def walk(start: float, step: float, y: float = 240.0) -> Callable[[int], tuple[float, float] | None]:
    return lambda frame: (start + step * frame, y)


def track(stage: Stage, **options: object) -> PeopleTracker:
    return PeopleTracker(stage, stage, **{"mirror": False, **options})  # type: ignore[arg-type]


def people(played: list[list[Observation]]) -> list[list[int]]:
    return [[seen.person for seen in frame] for frame in played]


def test_one_person_is_number_one_in_every_frame() -> None:
    stage = Stage([Body(walk(200, 3))])
    played = stage.play(track(stage), range(60))
    assert people(played) == [[1]] * 60
    last = played[-1][0]
    assert last.landmarks.image_px[33] == pytest.approx([377, 240])
    assert last.region.centre_px == pytest.approx([377, 240], abs=20)
    assert last.region.side_px == pytest.approx(1.25 * 200, rel=0.05)


def test_nobody_is_nobody() -> None:
    stage = Stage([])
    assert stage.play(track(stage), range(5)) == [[]] * 5


def test_everybody_has_a_number_of_their_own() -> None:
    stage = Stage([Body(walk(150, 1), clothes=BLUE), Body(walk(450, 1), clothes=RED)])
    played = stage.play(track(stage), range(30))
    assert people(played) == [[1, 2]] * 30
    for frame in played[1:]:
        before = [seen.landmarks.image_px[33, 0] for seen in played[0]]
        now = [seen.landmarks.image_px[33, 0] for seen in frame]
        assert np.array(now) - before == pytest.approx(now[0] - before[0])


def test_who_enters_later_is_found_soon() -> None:
    stage = Stage([Body(still(150)), Body(still(450, away=range(22)), clothes=RED)])
    played = people(stage.play(track(stage), range(60)))
    assert played[21] == [1]
    assert played[22 + SEARCH_EVERY] == [1, 2]
    assert played[-1] == [1, 2]


def test_the_detector_rests_while_people_are_followed() -> None:
    stage = Stage([Body(still(300))])
    stage.play(track(stage), range(100))
    assert sorted(set(stage.searched)) == list(range(0, 100, SEARCH_EVERY))


def test_no_more_people_are_followed_than_wanted() -> None:
    stage = Stage([Body(still(200), 210), Body(still(480), 100, RED)])
    played = stage.play(track(stage, people=1), range(50))
    assert people(played) == [[1]] * 50
    assert {frame[0].landmarks.image_px[33, 0] for frame in played} == {200}
    assert sorted(set(stage.searched)) == list(range(0, 50, SEARCH_EVERY))


@pytest.mark.parametrize("wanted", [0, 1], ids=["the one behind", "the one in front"])
def test_the_one_wanted_is_not_mistaken_for_who_passes_by(wanted: int) -> None:
    sizes = [200.0, 200.0]
    sizes[wanted] = 220.0  # the larger is chosen
    bodies = [Body(walk(100, 4), sizes[0], BLUE), Body(walk(540, -4), sizes[1], RED)]
    stage = Stage(bodies)
    played = stage.play(track(stage, people=1), range(105))
    assert set().union(*people(played)) == {1}
    assert people(played[-1:]) == [[1]]
    for number, frame in enumerate(played):
        for seen in frame:
            assert seen.landmarks.image_px[33, 0] == bodies[wanted].hips(number)[0]  # type: ignore[index]
    assert sum(map(len, played)) > (90 if wanted else 60)


def test_the_largest_is_taken_where_fewer_are_wanted() -> None:
    stage = Stage([Body(still(450), 300, RED), Body(still(100), 120), Body(still(250), 220, GREEN)])
    played = stage.play(track(stage, people=2), range(10))
    assert people(played) == [[1, 2]] * 10
    assert [seen.landmarks.image_px[33, 0] for seen in played[-1]] == pytest.approx([450, 250])


def test_a_small_passer_by_does_not_take_the_place_of_who_is_lost_for_a_moment() -> None:
    stage = Stage([Body(still(550), 60, GREEN), Body(still(250, away=range(20, 30)), 300)])
    played = people(stage.play(track(stage, people=1), range(60)))
    assert played == [[1]] * 20 + [[]] * 10 + [[1]] * 30


def test_who_comes_back_keeps_the_number() -> None:
    stage = Stage([Body(still(150, away=range(20, 80)), 220), Body(still(450), clothes=RED)])
    played = people(stage.play(track(stage), range(110)))
    assert played[19] == [1, 2]
    assert all(frame == [2] for frame in played[20:80])
    assert played[80 + SEARCH_EVERY] == [1, 2]
    assert set().union(*played) == {1, 2}


def test_who_comes_back_in_other_clothes_is_somebody_else() -> None:
    stage = Stage([Body(still(300, away=range(20, 1000))), Body(still(300, away=range(25)), clothes=RED)])
    played = people(stage.play(track(stage), range(60)))
    assert played[10] == [1]
    assert played[-1] == [2]


def test_who_appears_far_away_at_once_is_somebody_else() -> None:
    stage = Stage([Body(still(80, away=range(20, 1000)), 100), Body(still(560, away=range(22)), 100)])
    played = people(stage.play(track(stage), range(40)))
    assert played[10] == [1]
    assert played[-1] == [2]


def test_who_is_lost_for_one_frame_is_found_in_the_next() -> None:
    stage = Stage([Body(still(200, away=range(33, 34))), Body(still(480), clothes=RED)])
    played = people(stage.play(track(stage), range(60)))
    assert [number for number, frame in enumerate(played) if frame != [1, 2]] == [33]


@pytest.mark.parametrize("clothes", [RED, BLUE], ids=["other clothes", "same clothes"])
def test_people_who_pass_each_other_keep_their_numbers(clothes: tuple[int, int, int]) -> None:
    behind, before = Body(walk(100, 4), clothes=BLUE), Body(walk(540, -4), clothes=clothes)
    stage = Stage([behind, before])
    played = stage.play(track(stage), range(105))
    assert set().union(*people(played)) == {1, 2}
    assert people(played[:1]) == people(played[-1:]) == [[1, 2]]
    starts = [seen.landmarks.image_px[33, 0] for seen in played[0]]
    ends = [seen.landmarks.image_px[33, 0] for seen in played[-1]]
    bodies = [behind, before] if starts[0] < starts[1] else [before, behind]
    assert ends == [body.hips(104)[0] for body in bodies]  # type: ignore[index]
    hidden = [number for number, frame in enumerate(played) if len(frame) == 1]
    assert 0 < len(hidden) < 45
    alone = [played[number][0].person for number in hidden]
    assert set(alone) == {bodies.index(before) + 1}, "the one in front is never lost"


def test_two_readings_of_one_body_become_one_person() -> None:
    hips = {"a": 200.0, "b": 420.0}

    def meeting(name: str) -> Callable[[int], tuple[float, float] | None]:
        return lambda frame: (hips[name], 240.0) if frame < 20 or name == "a" else None

    stage = Stage([Body(meeting("a"), 220), Body(meeting("b"), clothes=RED)])
    tracker = track(stage)
    stage.play(tracker, range(20))
    # The network slides from one who left onto the other, far as they are.

    def read(image_rgb: np.ndarray, region: Region, mirrored: bool = False) -> Landmarks:
        body = stage.bodies[0].points(stage.frame)
        assert body is not None
        return _landmarks(body, 0.99)

    stage.read = read  # type: ignore[method-assign]
    assert people(stage.play(tracker, range(20, 50))) == [[1]] * 30


def test_people_whose_readings_changed_places_get_their_numbers_back() -> None:
    left, right = Body(still(200), clothes=BLUE), Body(still(440), clothes=RED)
    stage = Stage([left, right])
    tracker = track(stage)
    before = stage.play(tracker, range(20))[-1]
    left.clothes, right.clothes = right.clothes, left.clothes  # as if both trackers had slid onto the other's body
    after = stage.play(tracker, range(20, 40))[-1]
    assert [seen.person for seen in after] == [1, 2]
    assert [seen.landmarks.image_px[33, 0] for seen in before] == pytest.approx([440, 200])
    assert [seen.landmarks.image_px[33, 0] for seen in after] == pytest.approx([200, 440])


def test_mirror_image_is_read_once_for_each_observation_or_never() -> None:
    stage = Stage([Body(still(300))])
    played = stage.play(track(stage, mirror=True), range(12))
    assert stage.mirrored == list(range(12))
    assert all(seen.mirrored is not None for frame in played for seen in frame)
    plain = Stage([Body(still(300))])
    played = plain.play(track(plain, mirror=False), range(12))
    assert plain.mirrored == []
    assert all(seen.mirrored is None for frame in played for seen in frame)


def test_who_walks_out_of_the_picture_is_let_go() -> None:
    stage = Stage([Body(walk(400, 10))])
    played = people(stage.play(track(stage), range(60)))
    assert played[20] == [1]
    assert played[-1] == []


def test_memory_does_not_grow_with_the_number_of_people_met() -> None:
    chance = np.random.default_rng(0)
    crowd = []
    for number in range(60):
        away = [frame for frame in range(600) if not 10 * number <= frame < 10 * number + 6]
        colour = tuple(chance.integers(0, 255, 3).tolist())
        place = still(float(chance.uniform(80, 560)))
        crowd.append(
            Body(lambda frame, away=set(away), place=place: None if frame in away else place(frame), 180, colour)
        )
    stage = Stage(crowd)
    tracker = track(stage)
    numbers = set().union(*people(stage.play(tracker, range(600))))
    assert len(numbers) > 2 * MAX_LOST
    assert len(tracker._lost) + len(tracker._followed) <= MAX_LOST + 1


def test_half_a_body_is_followed_where_it_is_the_only_one() -> None:
    stage = Stage([Body(still(300, 470), 500)])
    assert people(stage.play(track(stage), range(15))) == [[1]] * 15
