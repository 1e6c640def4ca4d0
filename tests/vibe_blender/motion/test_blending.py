# SPDX-License-Identifier: MIT
from dataclasses import fields, replace

import numpy as np
import pytest

from tests.fake_backend import small_take, walking_person
from vibe_blender.contract import quaternions
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.take import Camera, NetworkWords, Person, Take
from vibe_blender.motion.blending import blend_range

COUNT = 60
TIMED = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")


def rows(person: Person, keep: np.ndarray) -> Person:
    """Some of the person's frames."""
    return replace(person, **{name: getattr(person, name)[keep] for name in TIMED})


def between(person: Person, first: int, last: int) -> Person:
    return rows(person, (person.frames >= first) & (person.frames <= last))


def boxed(person: Person, shift_px: float = 0.0) -> Person:
    """The person with a box that goes along, and with landmarks to be told by."""
    across = person.frames + shift_px
    boxes = np.column_stack(
        [across, np.full(len(across), 90.0), np.full(len(across), 40.0), np.full(len(across), 90.0)]
    )
    marks = np.tile(person.frames[:, None, None].astype(float), (1, 33, 3))
    return replace(person, boxes=boxes, keypoints=marks)


@pytest.fixture
def whole() -> Take:
    """Two people over sixty frames, far apart in the picture."""
    frames = np.arange(COUNT)
    people = (boxed(walking_person(frames, 1)), boxed(walking_person(frames, 2), shift_px=150.0))
    return replace(small_take(count=COUNT), people=people)


def patch_of(take: Take, first: int, last: int) -> Take:
    """What an ideal capture of a range finds."""
    video = replace(take.video, times=take.video.times[first : last + 1], first_frame=first)
    return replace(take, video=video, people=tuple(between(person, first, last) for person in take.people))


def elsewhere(take: Take, size: float = 1.0) -> Take:
    """The same seen by the same camera, in a world that is turned and moved, with people ``size`` times as large."""
    spin = quaternions.from_axis_angles(np.array([0.1, -0.2, 2.0]))
    shift = np.array([3.0, -2.0, 0.5])
    change = np.eye(4)
    change[:3, :3], change[:3, 3] = quaternions.to_matrices(spin), shift
    camera_at = np.linalg.inv(take.camera.from_world)[:3, 3]
    people = []
    for person in take.people:
        rotations = person.rotations.copy()
        rotations[:, 0] = quaternions.multiply(spin, rotations[:, 0])
        root = camera_at + size * (person.root - camera_at)
        people.append(
            replace(
                person,
                rotations=rotations,
                root=root @ change[:3, :3].T + shift,
                rest_joints=person.rest_joints * size,
                betas=person.betas + 1.0,
            )
        )
    camera = replace(take.camera, from_world=take.camera.from_world @ np.linalg.inv(change))
    return replace(take, camera=camera, people=tuple(people))


def moved(take: Take, metres: float, turn: float) -> Take:
    """Everybody stands that much farther along x and bends every joint that much more."""
    people = []
    for person in take.people:
        bend = quaternions.from_axis_angles(np.array([turn, 0.0, 0.0]))
        people.append(
            replace(
                person,
                rotations=quaternions.continuous(quaternions.multiply(person.rotations, bend)),
                root=person.root + np.array([metres, 0.0, 0.0]),
                contacts=np.ones_like(person.contacts),
                confidence=np.full_like(person.confidence, 0.25),
            )
        )
    return replace(take, people=tuple(people))


def assert_same(a: Take, b: Take, tolerance: float = 1e-9) -> None:
    assert [person.id for person in a.people] == [person.id for person in b.people]
    for mine, theirs in zip(a.people, b.people, strict=True):
        assert mine.words is theirs.words is None
        for item in fields(mine):
            if item.name == "words":
                continue
            x, y = getattr(mine, item.name), getattr(theirs, item.name)
            if item.name == "rotations":
                x, y = quaternions.to_matrices(x), quaternions.to_matrices(y)
            assert np.shape(x) == np.shape(y), item.name
            assert np.allclose(x, y, atol=tolerance), item.name


def spoken(take: Take, seed: int) -> Take:
    """The same take by a network that says something random of everybody."""
    random = np.random.default_rng(seed)

    def words(count: int) -> NetworkWords:
        shapes = ((count, 3), (count, 24, 3, 3), (count, 10), (count, 4))
        return NetworkWords(*(random.normal(size=shape).astype(np.float32) for shape in shapes))

    return replace(take, people=tuple(replace(person, words=words(len(person.frames))) for person in take.people))


def test_words_are_replaced_as_they_were_said(whole) -> None:
    take = spoken(whole, 1)
    patch = spoken(patch_of(whole, 20, 40), 2)
    for before, after, fresh in zip(take.people, blend_range(take, patch, 20, 40, 5).people, patch.people, strict=True):
        kept = (before.frames < 20) | (before.frames > 40)
        assert np.array_equal(after.words.betas[kept], before.words.betas[kept])
        assert np.array_equal(after.words.betas[~kept], fresh.words.betas)
    for silent in (blend_range(take, patch_of(whole, 20, 40), 20, 40, 5), blend_range(whole, patch, 20, 40, 5)):
        assert silent.people[0].words is None


@pytest.mark.parametrize(("first", "last"), [(20, 40), (0, 59), (0, 10), (50, 59), (30, 30), (30, 31)])
@pytest.mark.parametrize("ramp", [0, 1, 5, 100])
def test_a_takes_own_range_gives_the_take_back(whole, first, last, ramp) -> None:
    blended = blend_range(whole, patch_of(whole, first, last), first, last, ramp)
    assert_same(blended, whole)
    assert blended.warnings == whole.warnings
    assert blended.status == whole.status


@pytest.mark.parametrize("size", [1.0, 0.9, 1.15])
def test_another_world_and_another_size_are_undone(whole, size) -> None:
    patch = elsewhere(patch_of(whole, 20, 40), size)
    assert not np.allclose(patch.people[0].root, whole.people[0].root[20:41], atol=0.5)
    assert_same(blend_range(whole, patch, 20, 40, 4), whole)


def test_a_stretch_with_a_notice_gives_the_take_one(whole) -> None:
    patch = replace(patch_of(whole, 20, 30), estimator="vibe", notice="")
    assert whole.notice == ""
    assert blend_range(whole, patch, 20, 30, 3).notice == patch.notice != ""
    assert blend_range(patch, patch_of(whole, 20, 30), 20, 30, 3).notice == patch.notice


def test_the_patch_is_seen_where_the_camera_saw_it(whole) -> None:
    patch = elsewhere(moved(patch_of(whole, 20, 40), 0.3, 0.2), 1.1)
    blended = blend_range(whole, patch, 20, 40, 4)
    for mended, seen in zip(blended.people, patch.people, strict=True):
        there = between(mended, 25, 35)
        pixels = whole.camera.project(there.joints())
        assert np.allclose(pixels, patch.camera.project(between(seen, 25, 35).joints()), atol=1e-6)


def test_only_the_range_changes_and_its_middle_is_the_patch(whole) -> None:
    patch = moved(patch_of(whole, 15, 45), 0.5, 0.4)
    blended = blend_range(whole, patch, 20, 40, 5)
    for before, after, new in zip(whole.people, blended.people, patch.people, strict=True):
        outside = (before.frames < 20) | (before.frames > 40)
        for name in TIMED:
            assert np.allclose(getattr(after, name)[outside], getattr(before, name)[outside]), name
            assert np.allclose(getattr(between(after, 25, 35), name), getattr(between(new, 25, 35), name)), name
        assert np.array_equal(after.rest_joints, before.rest_joints)
        assert np.array_equal(after.betas, before.betas)


@pytest.mark.parametrize("ramp", [3, 8])
def test_the_ends_are_eased(whole, ramp) -> None:
    still = [replace(person, root=np.zeros((COUNT, 3)) + person.root[0]) for person in whole.people]
    still = [replace(person, rotations=np.repeat(person.rotations[:1], COUNT, axis=0)) for person in still]
    whole = replace(whole, people=tuple(still))
    blended = blend_range(whole, moved(patch_of(whole, 10, 50), 1.0, 0.8), 10, 50, ramp)
    path = blended.people[0].root[:, 0] - still[0].root[0, 0]
    bend = quaternions.multiply(quaternions.conjugate(still[0].rotations[0]), blended.people[0].rotations)
    angles = np.linalg.norm(quaternions.to_axis_angles(bend), axis=-1)
    for way, full in ((path, 1.0), (angles.max(axis=1), 0.8)):
        assert np.allclose(way[10 + ramp : 51 - ramp], full)
        assert np.allclose(way[:10], 0.0)
        assert np.allclose(way[51:], 0.0)
        steps = np.diff(way[9 : 11 + ramp]) / full
        assert np.all(steps > 0)
        # Smoothstep: slow at both ends, and nowhere more than half again as fast as a straight line.
        assert steps.max() <= 1.5 / (ramp + 1) + 1e-9
        assert steps[0] < 1.0 / (ramp + 1)
        assert steps[-1] < 1.0 / (ramp + 1)
        assert np.allclose(way[10:51], way[10:51][::-1])


def test_a_short_range_still_reaches_the_patch(whole) -> None:
    patch = moved(patch_of(whole, 30, 34), 1.0, 0.5)
    blended = blend_range(whole, patch, 30, 34, 20)
    gone = blended.people[0].root[:, 0] - whole.people[0].root[:, 0]
    assert gone[32] == pytest.approx(1.0)
    assert np.all(gone[30:35] > 0)


def test_at_the_videos_ends_there_is_nothing_to_ease_from(whole) -> None:
    blended = blend_range(whole, moved(patch_of(whole, 0, 59), 1.0, 0.5), 0, 59, 10)
    assert np.allclose(blended.people[0].root[:, 0] - whole.people[0].root[:, 0], 1.0)


def test_frames_the_take_lacks_are_filled_in_without_a_jump(whole) -> None:
    gap = (whole.people[0].frames < 25) | (whole.people[0].frames > 34)
    lacking = replace(whole, people=(rows(whole.people[0], gap), whole.people[1]))
    blended = blend_range(lacking, elsewhere(patch_of(whole, 20, 40)), 20, 40, 4)
    assert_same(blended, whole, tolerance=1e-7)
    only_gap = blend_range(lacking, moved(patch_of(whole, 25, 34), 0.2, 0.1), 25, 34, 4)
    assert only_gap.people[0].frames.tolist() == list(range(COUNT))
    usual = np.abs(np.diff(whole.people[0].root[:, 0])).max()
    assert np.abs(np.diff(only_gap.people[0].root[:, 0])).max() < usual + 0.2 * 1.5 / 5


def test_frames_the_patch_lacks_stay_as_they_are(whole) -> None:
    patch = moved(patch_of(whole, 20, 40), 0.5, 0.4)
    seen = patch.people[0].frames < 31
    patch = replace(patch, people=(rows(patch.people[0], seen), patch.people[1]))
    blended = blend_range(whole, patch, 20, 40, 2)
    assert np.array_equal(blended.people[0].root[31:], whole.people[0].root[31:])
    gone = blended.people[0].root[:, 0] - whole.people[0].root[:, 0]
    assert gone[25] == pytest.approx(0.5)
    assert 0 < gone[30] < gone[29] < 0.5


def test_people_are_told_by_where_they_are_not_by_their_numbers(whole) -> None:
    patch = moved(patch_of(whole, 20, 40), 0.5, 0.4)
    one, two = patch.people
    crossed = replace(patch, people=(replace(two, id=1), replace(one, id=2)))
    assert_same(blend_range(whole, crossed, 20, 40, 3), blend_range(whole, patch, 20, 40, 3))


def test_one_person_who_got_two_numbers_is_still_one(whole) -> None:
    patch = moved(patch_of(whole, 20, 40), 0.5, 0.4)
    one, two = patch.people
    halves = (between(one, 20, 30), replace(between(one, 31, 40), id=7))
    blended = blend_range(whole, replace(patch, people=(*halves, two)), 20, 40, 0)
    assert_same(blended, blend_range(whole, patch, 20, 40, 0))
    assert blended.warnings == whole.warnings


def test_strangers_are_left_out_and_told(whole) -> None:
    patch = patch_of(whole, 20, 40)
    stranger = replace(patch.people[0], id=5, boxes=patch.people[0].boxes + np.array([0.0, 500.0, 0.0, 0.0]))
    double = replace(patch.people[0], id=6, boxes=patch.people[0].boxes + np.array([12.0, 0.0, 0.0, 0.0]))
    blended = blend_range(whole, replace(patch, people=(*patch.people, stranger, double)), 20, 40, 3)
    assert_same(blended, whole)
    assert len(blended.warnings) == 2
    assert "Person 5" in blended.warnings[0]
    assert "Person 6" in blended.warnings[1]


def test_where_everybody_is_a_stranger_nothing_is_blended(whole) -> None:
    patch = patch_of(whole, 20, 40)
    far = tuple(replace(person, boxes=person.boxes + np.array([0.0, 900.0, 0.0, 0.0])) for person in patch.people)
    for people in (far, ()):
        with pytest.raises(CaptureError) as caught:
            blend_range(whole, replace(patch, people=people), 20, 40, 3)
        assert caught.value.code == "nobody_matched"
        assert caught.value.hint


@pytest.mark.parametrize(("first", "last"), [(40, 20), (-1, 5), (50, 60)])
def test_what_is_no_range_of_the_take_is_refused(whole, first, last) -> None:
    with pytest.raises(CaptureError) as caught:
        blend_range(whole, whole, first, last, 3)
    assert caught.value.code == "bad_range"
    assert "0 to 59" in caught.value.message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda take: replace(take, camera=Camera(330.0, take.camera.centre_px, take.camera.from_world)), "focal"),
        (lambda take: replace(take, camera=replace(take.camera, centre_px=np.array([1.0, 2.0]))), "centre"),
        (lambda take: replace(take, video=replace(take.video, width_px=1920)), "size"),
        (lambda take: replace(take, video=replace(take.video, fps=50.0)), "frame rate"),
    ],
    ids=["lens", "centre", "size", "rate"],
)
def test_another_camera_or_video_is_refused(whole, change, says) -> None:
    with pytest.raises(CaptureError) as caught:
        blend_range(whole, change(patch_of(whole, 20, 40)), 20, 40, 3)
    assert caught.value.code == "blend_mismatch"
    assert says in caught.value.message


def test_other_landmarks_than_the_takes_are_not_mixed_in(whole) -> None:
    patch = patch_of(whole, 20, 40)
    patch = replace(patch, people=tuple(replace(person, keypoints=person.keypoints[:, :0]) for person in patch.people))
    assert_same(blend_range(whole, patch, 20, 40, 3), whole)
    gap = (whole.people[0].frames < 25) | (whole.people[0].frames > 34)
    lacking = replace(whole, people=(rows(whole.people[0], gap), whole.people[1]))
    filled = blend_range(lacking, patch, 20, 40, 3).people[0].keypoints
    assert np.all(filled[25:35] == 0)
    assert np.array_equal(filled[20:25], whole.people[0].keypoints[20:25])


def test_a_range_of_a_capture_that_begins_late(whole) -> None:
    late = patch_of(whole, 10, 50)
    assert_same(blend_range(late, elsewhere(patch_of(whole, 20, 40)), 20, 40, 3), late)
