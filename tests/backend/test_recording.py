# SPDX-License-Identifier: MIT
from __future__ import annotations

import contextlib
import sqlite3
import weakref
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.crops import Region
from backend.estimators.encodings import Encoded
from backend.estimators.keypoints import Evidence, Readings
from backend.landmarks import BODY_COUNT, POINT_COUNT, Landmarks
from backend.recording import Recording
from backend.tracking import Observation
from tests.fake_backend import small_take
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take_file import TakeWriter, load_take, partial_path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out é.take"


def landmarks(random: np.random.Generator) -> Landmarks:
    return Landmarks(
        image_px=random.uniform(0, 900, (POINT_COUNT, 2)),
        depth_px=random.normal(size=POINT_COUNT),
        world=random.normal(size=(BODY_COUNT, 3)),
        visibility=random.uniform(size=POINT_COUNT),
        presence=random.uniform(0.6, 1, POINT_COUNT),
        score=0.9,
    )


def observation(person: int, seed: int, *, mirrored: bool = True) -> Observation:
    random = np.random.default_rng([person, seed])
    region = Region(np.array([480.0, 270.0]), float(random.uniform(100, 300)), 0.1)
    return Observation(person, region, landmarks(random), landmarks(random) if mirrored else None)


PRESENCE = {1: [*range(7, 40), *range(55, 77)], 2: list(range(30, 77)), 5: [76]}
"""In which frames of 7 to 76 each person is seen: with a gap, late, at the very end."""


def fill(recording: Recording, frames: range, *, mirrored: bool = True) -> None:
    for frame in frames:
        seen = [observation(person, frame, mirrored=mirrored) for person, there in PRESENCE.items() if frame in there]
        recording.add(frame, frame / 29.97, seen)


def parts(evidence: Evidence) -> list[NDArray]:
    readings = [reading for reading in (evidence.straight, evidence.mirrored) if reading is not None]
    arrays = [getattr(reading, name) for reading in readings for name in Readings.__dataclass_fields__]
    return [evidence.frames, evidence.times, evidence.boxes, *arrays]


def same(one: Recording, other: Recording) -> bool:
    """Whether two recordings are the same to the last bit."""
    if (one.times, one.first_frame, one.people()) != (other.times, other.first_frame, other.people()):
        return False
    pairs = [(parts(one.evidence(person)), parts(other.evidence(person))) for person in one.people()]
    return all(
        len(a) == len(b) and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        for a, b in pairs
    )


def test_what_is_recorded_is_what_was_seen() -> None:
    recording = Recording()
    fill(recording, range(7, 77))
    assert (recording.first_frame, recording.next_frame, len(recording.times)) == (7, 77, 70)
    assert recording.people() == [1, 2, 5]
    assert recording.people(10) == [1, 2]
    for person, there in PRESENCE.items():
        assert recording.frame_count(person) == len(there)
        evidence = recording.evidence(person)
        assert evidence.frames.tolist() == there
        assert evidence.times.tolist() == [frame / 29.97 for frame in there]
    evidence = recording.evidence(1)
    seen = observation(1, 55)
    row = PRESENCE[1].index(55)
    assert np.allclose(evidence.straight.image_px[row], seen.landmarks.image_px[:BODY_COUNT], rtol=1e-6)
    assert np.allclose(evidence.straight.world[row], seen.landmarks.world, rtol=1e-6)
    assert seen.mirrored is not None
    assert evidence.mirrored is not None
    assert np.allclose(evidence.mirrored.visibility[row], seen.mirrored.visibility[:BODY_COUNT], rtol=1e-6)
    assert evidence.straight.side_px[row] == pytest.approx(seen.region.side_px, rel=1e-6)


def test_a_stretch_of_evidence_is_that_part_of_the_whole() -> None:
    recording = Recording()
    fill(recording, range(7, 77))
    whole, stretch = parts(recording.evidence(1)), parts(recording.evidence(1, slice(20, 41)))
    assert all(np.array_equal(a[20:41], b) for a, b in zip(whole, stretch, strict=True))
    assert recording.evidence(1, slice(20, 41)).frames.tolist() == PRESENCE[1][20:41]


@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize("stretch", [1, 13, 30, 200])
def test_what_was_saved_in_stretches_comes_back_bit_for_bit(path: Path, stretch: int, mirrored: bool) -> None:
    recording = Recording()
    with TakeWriter(path) as writer:
        for start in range(7, 77, stretch):
            fill(recording, range(start, min(start + stretch, 77)), mirrored=mirrored)
            recording.save(writer)
    with TakeWriter(path, keep=True) as writer:
        restored = Recording.restored(writer)
    assert same(recording, restored)
    assert (restored.evidence(1).mirrored is not None) == mirrored


def test_a_restored_recording_goes_on_as_if_nothing_had_happened(path: Path) -> None:
    whole, first = Recording(), Recording()
    fill(whole, range(7, 77))
    with TakeWriter(path) as writer:
        fill(first, range(7, 35))
        first.save(writer)
    with TakeWriter(path, keep=True) as writer:
        second = Recording.restored(writer)
        second.save(writer)
        fill(second, range(second.next_frame, 77))
        second.save(writer)
        second.save(writer)
    assert same(second, whole)
    with TakeWriter(path, keep=True) as writer:
        assert same(Recording.restored(writer), whole)


def test_frames_in_which_nobody_is_seen_are_recorded_too(path: Path) -> None:
    recording = Recording()
    for frame in range(3, 9):
        recording.add(frame, frame / 25, [])
    with TakeWriter(path) as writer:
        recording.save(writer)
        restored = Recording.restored(writer)
    assert restored.people() == []
    assert (restored.first_frame, restored.next_frame) == (3, 9)
    assert restored.times == recording.times


def test_nothing_saved_is_nothing_restored(path: Path) -> None:
    with TakeWriter(path) as writer:
        restored = Recording.restored(writer)
        assert (restored.times, restored.people(), restored.next_frame) == ([], [], 0)
        restored.save(writer)
        assert writer.names(0) == []


def test_solved_frames_beside_the_evidence_are_not_taken_for_it(path: Path) -> None:
    recording = Recording()
    fill(recording, range(7, 40))
    with TakeWriter(path) as writer:
        recording.save(writer)
        writer.extend(small_take())
        assert same(Recording.restored(writer), recording)
    assert load_take(partial_path(path)).status == "partial"


def encoded(count: int, seed: int) -> Encoded:
    random = np.random.default_rng(seed)
    return Encoded(1, random.normal(size=(count, 2048)).astype(np.float32), random.uniform(size=(count, 4)))


def test_of_what_is_long_only_the_end_stays_in_memory(path: Path) -> None:
    recording, kept, squares = Recording(), [], []
    features = np.zeros((70, 2048), np.float32)
    with TakeWriter(path) as writer:
        for first in range(0, 70, 10):
            for frame in range(first, first + 10):
                recording.add(frame, frame / 25, [observation(1, frame)])
            new = encoded(10, first)
            features[first : first + 10] = new.features
            squares.append(new.squares)
            kept.append(weakref.ref(new.features))
            recording.keep(new)
            del new
            recording.save(writer)
        there = [made() is not None for made in kept]
        assert there == [False] * 4 + [True] * 3  # the last stretch and 16 frames before it, which are of two
        for some in (recording, Recording.restored(writer)):
            whole = some.encodings(1)
            assert np.array_equal(whole.features[0:70], features)
            assert np.array_equal(whole.squares, np.concatenate(squares))
            for rows in (slice(3, 9), slice(40, 48), slice(62, 70)):
                assert np.array_equal(whole.features[rows], features[rows])
                assert np.array_equal(some.encodings(1, rows).features[0 : rows.stop - rows.start], features[rows])


def test_features_that_a_take_has_lost_are_damage(path: Path) -> None:
    recording = Recording()
    with TakeWriter(path) as writer:
        for first in (0, 10):
            for frame in range(first, first + 10):
                recording.add(frame, frame / 25, [observation(1, frame)])
            recording.keep(encoded(10, first))
            recording.save(writer)
    with contextlib.closing(sqlite3.connect(partial_path(path))) as database:
        assert database.execute("DELETE FROM arrays WHERE name = 'features' AND chunk = 1").rowcount == 1
        database.commit()
    with TakeWriter(path, keep=True) as writer, pytest.raises(CaptureError) as caught:
        Recording.restored(writer).encodings(1, slice(5, 15))
    assert caught.value.code == "take_damaged"


def test_evidence_is_kept_in_single_precision(path: Path) -> None:
    recording = Recording()
    fill(recording, range(7, 77))
    with TakeWriter(path) as writer:
        recording.save(writer)
        kinds = {name: writer.evidence(1, name) for name in writer.names(1)}
    readings = {name: rows for name, rows in kinds.items() if name not in ("frame", "time")}
    assert len(readings) == 8
    assert {rows.dtype for rows in readings.values() if rows is not None} == {np.dtype(np.float32)}
    row_bytes = sum(rows[0].nbytes for rows in readings.values() if rows is not None)
    assert row_bytes == 4 * (2 * BODY_COUNT * (2 + 3 + 1) + 1 + 4)


def test_the_box_goes_around_the_landmarks_that_are_likely_in_the_picture() -> None:
    seen = observation(1, 0)
    points = seen.landmarks.image_px
    points[:BODY_COUNT] = np.random.default_rng(0).uniform([100, 50], [200, 400], (BODY_COUNT, 2))
    points[0], points[1], points[20] = (100, 50), (200, 400), (5000, -700)
    points[BODY_COUNT:] = -9000
    seen.landmarks.presence[20] = 0.1
    recording = Recording()
    recording.add(0, 0.0, [seen])
    assert recording.evidence(1).boxes.tolist() == [[150.0, 225.0, 100.0, 350.0]]


def test_where_hardly_a_landmark_is_likely_the_box_goes_around_them_all() -> None:
    seen = observation(1, 0)
    seen.landmarks.presence[:] = 0.0
    seen.landmarks.image_px[:BODY_COUNT] = np.linspace([10, 20], [30, 60], BODY_COUNT)
    recording = Recording()
    recording.add(0, 0.0, [seen])
    assert np.allclose(recording.evidence(1).boxes, [[20.0, 40.0, 20.0, 40.0]])
