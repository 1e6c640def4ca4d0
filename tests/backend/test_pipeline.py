# SPDX-License-Identifier: MIT
from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend import pipeline
from backend.pipeline import Cancelled, Captured, CaptureFailed
from backend.refinement import Refined
from tests.acting import Actor, act
from tests.studio import CENTRE_PX, FOCAL_PX, SIZE, Cast, Studio
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Event, Frames, Hello, PersonFound, Progress, Stage, VideoOpened, Warned
from vibe_blender.contract.take import Take
from vibe_blender.contract.take_file import TakeWriter, free_take_path, load_take, partial_path, save_take


@pytest.fixture
def studio(monkeypatch: pytest.MonkeyPatch, make_video: Callable[..., Path], tmp_path: Path) -> Studio:
    return Studio(monkeypatch, make_video, tmp_path)


@pytest.fixture
def every_frame_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_PROGRESS_SECONDS", 0.0)


@pytest.fixture(scope="module")
def actor() -> Actor:
    return act(75, walk_m=1.0)


@pytest.fixture(scope="module")
def other() -> Actor:
    return act(75, walk_m=-1.5, depth_m=6.0)


def errors_px(take: Take, person: int, actor: Actor) -> np.ndarray:
    """(T, 24) pixels between where the take says that joints are and where they are."""
    found = take.person(person)
    truth = actor.joints[found.frames]
    return np.linalg.norm(
        take.camera.project(found.joints()) - truth[..., :2] / truth[..., 2:] * FOCAL_PX - CENTRE_PX, axis=-1
    )


def test_the_take_holds_what_was_seen(studio: Studio, actor: Actor, other: Actor) -> None:
    there = [*range(10, 40), *range(50, 75)]
    captured = studio.run(Cast({1: (actor, range(75)), 2: (other, there)}))
    assert captured == Captured(studio.take, 75, 2)
    assert studio.cast.asked == list(range(75))
    take = load_take(studio.take)
    assert not partial_path(studio.take).exists()
    assert (take.status, take.estimator, take.body, take.device) == ("complete", "keypoints", "mannequin", "cpu")
    assert (take.video.width_px, take.video.height_px, take.video.fps) == (*SIZE, 25.0)
    assert (take.video.first_frame, take.warnings) == (0, ())
    assert np.allclose(take.video.times, np.arange(75) / 25, atol=1e-3)
    assert take.camera.centre_px.tolist() == CENTRE_PX.tolist()
    assert [person.id for person in take.people] == [1, 2]
    assert take.people[0].frames.tolist() == list(range(75))
    assert take.people[1].frames.tolist() == there
    assert np.median(errors_px(take, 1, actor)) < 0.5
    assert np.median(errors_px(take, 2, other)) < 0.5
    assert take.people[0].keypoints.shape == (75, 33, 3)
    assert abs(take.people[0].root[0, :2]).max() < 1e-6


def test_a_range_of_the_video_is_a_range_of_the_take(studio: Studio, actor: Actor) -> None:
    captured = studio.run(Cast({1: (actor, range(75))}), start=15, end=60)
    take = load_take(studio.take)
    assert captured.frames == 45
    assert studio.cast.asked == list(range(15, 60))
    assert take.video.first_frame == 15
    assert np.allclose(take.video.times, np.arange(15, 60) / 25, atol=1e-3)
    assert take.people[0].frames.tolist() == list(range(15, 60))


def test_events_come_in_the_documented_order(studio: Studio, actor: Actor) -> None:
    studio.run(Cast({1: (actor, range(75))}))
    kinds = [event.TYPE for event in studio.events]
    assert kinds[:3] == ["hello", "video", "stage"]
    assert set(kinds) == {"hello", "video", "stage", "progress", "person", "frames"}
    assert (kinds.count("hello"), kinds.count("video"), kinds.count("person")) == (1, 1, 1)
    assert studio.of(Hello)[0] == Hello(estimator="keypoints", device="cpu")
    assert (studio.of(VideoOpened)[0].width_px, studio.of(VideoOpened)[0].frames) == (SIZE[0], 75)
    assert [event.name for event in studio.of(Stage)] == ["watch", "solve", "world", "save"]
    assert kinds.index("person") < kinds.index("frames")
    now = ""
    for event in studio.events:
        now = event.name if isinstance(event, Stage) else now
        assert not isinstance(event, Progress) or event.stage == now
    for name in ("watch", "solve"):
        told = [event for event in studio.of(Progress) if event.stage == name]
        assert [event.done for event in told] == sorted({event.done for event in told})
        assert (told[-1].done, told[-1].total, told[-1].seconds_left) == (75, 75, 0)
    assert all(event.to_line() for event in studio.events)


@pytest.mark.parametrize(
    ("stated", "options", "total"), [(24, {"end": 99}, 24), (24, {"start": 4, "end": 20}, 16), (10, {}, 10), (0, {}, 0)]
)
def test_progress_is_told_also_where_the_file_states_another_length(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch, stated: int, options: dict[str, int], total: int
) -> None:
    probe = pipeline.probe
    monkeypatch.setattr(pipeline, "probe", lambda path: replace(probe(path), frames=stated))
    monkeypatch.setattr(pipeline, "_PROGRESS_SECONDS", 0.0)
    studio.run(Cast({1: (actor, range(24))}), count=24, **options)
    told = [event for event in studio.of(Progress) if event.stage == "watch"]
    assert [event.done for event in told] == list(range(1, len(told) + 1))
    assert len(told) == len(load_take(studio.take).video.times)
    assert {event.total for event in told} == {total}
    assert all(event.seconds_left is None if total == 0 else event.seconds_left >= 0 for event in told)


@pytest.mark.parametrize(("count", "options"), [(75, {}), (60, {}), (24, {}), (7, {}), (75, {"start": 20, "end": 55})])
def test_the_preview_tells_every_frame_once(
    studio: Studio, actor: Actor, other: Actor, count: int, options: dict[str, int]
) -> None:
    late = range(count // 3, count)
    studio.run(Cast({1: (actor, range(count)), 2: (other, set(late) - {count - 3})}), count, **options)
    told: list[tuple[int, int]] = []
    for event in studio.of(Frames):
        assert len(event.rotations) == len(event.root) == len(event.confidence)
        told += [(event.person, event.first_frame + n) for n in range(len(event.root))]
    known = {(person.id, int(frame)) for person in load_take(studio.take).people for frame in person.frames}
    assert sorted(told) == sorted(known)
    found = {event.person: event for event in studio.of(PersonFound)}
    assert sorted(found) == [1, 2]
    assert found[2].first_frame == max(late.start, options.get("start", 0))
    assert np.shape(found[1].rest_joints) == (24, 3)


def test_the_preview_is_near_the_final_take(studio: Studio, actor: Actor) -> None:
    studio.run(Cast({1: (actor, range(75))}))
    take = load_take(studio.take)
    preview = replace(
        take.person(1),
        rotations=np.concatenate([event.rotations for event in studio.of(Frames)]),
        root=np.concatenate([event.root for event in studio.of(Frames)]),
    )
    assert np.median(np.linalg.norm(preview.joints() - take.person(1).joints(), axis=-1)) < 0.15


@pytest.mark.parametrize(
    ("least", "stop"),
    [
        (1, lambda event: isinstance(event, Stage) and event.name == "watch"),
        (1, lambda event: isinstance(event, Progress)),
        (30, lambda event: isinstance(event, Frames)),
        (75, lambda event: isinstance(event, Stage) and event.name == "solve"),
        (75, lambda event: isinstance(event, Progress) and event.stage == "solve"),
    ],
    ids=["before the first frame", "in the first stretch", "after it", "before the fit", "in the fit"],
)
def test_cancelling_keeps_what_was_read(
    studio: Studio, actor: Actor, least: int, stop: Callable[[Event], bool]
) -> None:
    with pytest.raises(Cancelled) as caught:
        studio.run(Cast({1: (actor, range(75))}), stop=stop)
    assert caught.value.take == str(studio.take)
    take = load_take(studio.take)
    read = len(studio.cast.asked)
    assert take.status == "partial"
    assert len(take.video.times) == read >= least
    assert take.person(1).frames.tolist() == list(range(read))
    assert np.isfinite(take.person(1).rotations).all()
    assert np.isfinite(take.person(1).root).all()


def test_a_cancelled_capture_solves_nothing_anew(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Frames))
    assert [event.name for event in studio.of(Stage)] == ["watch"]
    assert not studio.take.exists()
    told = [event.first_frame + n for event in studio.of(Frames) for n in range(len(event.root))]
    assert load_take(studio.take).person(1).frames.tolist() == told


@pytest.mark.usefixtures("every_frame_is_told")
def test_what_was_read_can_be_finished_without_reading_on(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Progress) and event.done >= 40)
    read = len(studio.cast.asked)
    studio.run(Cast({1: (actor, range(75))}), end=read, resume=True)
    assert studio.cast.asked == []
    take = load_take(studio.take)
    assert (take.status, len(take.video.times)) == ("complete", read)
    assert np.median(errors_px(take, 1, actor)) < 0.5


@pytest.mark.parametrize("kind", [Hello, VideoOpened])
def test_cancelling_before_the_first_frame_touches_nothing(studio: Studio, actor: Actor, kind: type[Event]) -> None:
    with pytest.raises(Cancelled) as caught:
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, kind))
    assert (caught.value.take, studio.cast.asked) == ("", [])
    assert list(studio.folder.glob("out*")) == []
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Frames))
    before = partial_path(studio.take).read_bytes()
    with pytest.raises(Cancelled) as caught:
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, kind), resume=True)
    assert caught.value.take == str(studio.take)
    assert partial_path(studio.take).read_bytes() == before


class AtOnce:
    """An executor that has done the work when it has taken it."""

    def __init__(self, _threads: int) -> None:
        pass

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future

    def shutdown(self) -> None:
        pass


def test_solved_frames_are_in_the_take_before_the_next_stretch_is_read(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.preview.ThreadPoolExecutor", AtOnce)
    monkeypatch.setattr(pipeline, "_PROGRESS_SECONDS", 0.0)
    kept: dict[int, int] = {}

    def look(event: Event) -> bool:
        if isinstance(event, Progress) and event.stage == "watch" and event.done > 31:
            kept[event.done] = len(load_take(partial_path(studio.take)).video.times)
        return False

    studio.run(Cast({1: (actor, range(75))}), stop=look)
    assert [kept[done] for done in (32, 59, 60, 62)] == [30, 30, 30, 60]


@pytest.mark.usefixtures("every_frame_is_told")
def test_a_resumed_capture_first_tells_what_it_has(studio: Studio, actor: Actor, other: Actor) -> None:
    parts = {1: (actor, range(75)), 2: (other, range(12, 70))}
    with pytest.raises(Cancelled):
        studio.run(Cast(parts), stop=lambda event: isinstance(event, Progress) and event.done >= 50)
    kept = load_take(studio.take)
    studio.run(Cast(parts), resume=True)
    kinds = [event.TYPE for event in studio.events]
    assert kinds[:4] == ["hello", "video", "person", "frames"]
    assert {event.person: event.first_frame for event in studio.of(PersonFound)} == {1: 0, 2: 12}
    assert len(studio.of(PersonFound)) == 2
    early = studio.of(Frames)[0]
    assert np.allclose(early.root, kept.person(1).root[: len(early.root)], atol=1e-4)
    told = [(event.person, event.first_frame + n) for event in studio.of(Frames) for n in range(len(event.root))]
    known = {(person.id, int(frame)) for person in load_take(studio.take).people for frame in person.frames}
    assert len(told) == len(set(told))
    assert set(told) == known
    assert max(len(event.root) for event in studio.of(Frames)) <= 30


@pytest.mark.usefixtures("every_frame_is_told")
def test_a_resumed_preview_stands_on_the_floor_it_had(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Progress) and event.done >= 40)
    before = load_take(studio.take)
    with pytest.raises(Cancelled):
        studio.run(
            Cast({1: (actor, range(75))}), resume=True, stop=lambda e: isinstance(e, Stage) and e.name == "solve"
        )
    after = load_take(studio.take)
    assert len(before.video.times) < len(after.video.times) == 75
    assert np.array_equal(before.camera.from_world, after.camera.from_world)


def test_the_way_to_a_late_start_is_a_stage(studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.video.reading._FRAMES_PASSED", 5)
    monkeypatch.setattr(pipeline, "_PROGRESS_SECONDS", 0.0)
    studio.run(Cast({1: (actor, range(75))}), start=40, end=60)
    assert [event.name for event in studio.of(Stage)] == ["seek", "watch", "solve", "world", "save"]
    passed = [event for event in studio.of(Progress) if event.stage == "seek"]
    assert passed
    assert all(event.done < event.total == 40 for event in passed)
    with pytest.raises(Cancelled) as caught:
        studio.run(
            Cast({1: (actor, range(75))}),
            start=40,
            stop=lambda event: isinstance(event, Stage) and event.name == "seek",
        )
    assert (caught.value.take, studio.cast.asked) == ("", [])


@pytest.mark.parametrize("name", ["world", "save"])
def test_cancelling_at_the_very_end_is_too_late(studio: Studio, actor: Actor, name: str) -> None:
    studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Stage) and event.name == name)
    assert load_take(studio.take).status == "complete"


def test_cancelling_where_nobody_was_seen_leaves_nothing(studio: Studio) -> None:
    with pytest.raises(Cancelled) as caught:
        studio.run(Cast({}), stop=lambda event: isinstance(event, Progress))
    assert caught.value.take == ""
    assert list(studio.folder.glob("out*")) == []


@pytest.mark.parametrize("fails_at", [5, 45, 74])
def test_a_failure_half_way_keeps_what_there_was(studio: Studio, actor: Actor, fails_at: int) -> None:
    with pytest.raises(CaptureFailed) as caught:
        studio.run(Cast({1: (actor, range(75))}, fails_at=fails_at))
    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "network_broken", "The network broke.", "Mend it.",
    )  # fmt: skip
    assert caught.value.take == str(studio.take)
    take = load_take(studio.take)
    assert take.status == "partial"
    assert take.person(1).frames.tolist() == list(range(fails_at))
    assert np.median(errors_px(take, 1, actor)) < 0.5


def test_a_failure_before_anybody_was_seen_leaves_nothing(studio: Studio, actor: Actor) -> None:
    with pytest.raises(CaptureFailed) as caught:
        studio.run(Cast({1: (actor, range(50, 75))}, fails_at=45))
    assert (caught.value.code, caught.value.take) == ("network_broken", "")
    assert list(studio.folder.glob("out*")) == []


@pytest.mark.parametrize("there", [[], [3, 4, 50]], ids=["never", "for a moment"])
def test_nobody_found_is_an_error_that_leaves_nothing(studio: Studio, actor: Actor, there: list[int]) -> None:
    with pytest.raises(CaptureError) as caught:
        studio.run(Cast({1: (actor, there)}))
    assert caught.value.code == "nobody_found"
    assert "75 frames of made.mp4" in caught.value.message
    assert "--boxes" in caught.value.hint
    assert getattr(caught.value, "take", "") == ""
    assert list(studio.folder.glob("out*")) == []


@pytest.mark.usefixtures("every_frame_is_told")
def test_a_refined_capture_has_a_stage_more(studio: Studio, actor: Actor, other: Actor) -> None:
    cast = {1: (actor, range(75)), 2: (other, [*range(10, 40), *range(50, 75)])}
    studio.run(Cast(cast))
    plain = load_take(studio.take)
    studio.run(Cast(cast), refine=True)
    refined = load_take(studio.take)
    assert [event.name for event in studio.of(Stage)] == ["watch", "solve", "refine", "world", "save"]
    told = [event for event in studio.of(Progress) if event.stage == "refine"]
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert (told[-1].done, told[-1].total) == (130, 130)
    assert refined.warnings == ()
    for before, after, truth in zip(plain.people, refined.people, (actor, other), strict=True):
        assert after.frames.tolist() == before.frames.tolist()
        assert np.abs(after.rotations - before.rotations).max() > 1e-4
        assert np.median(errors_px(refined, after.id, truth)) < 1.1 * np.median(errors_px(plain, before.id, truth))


@pytest.mark.usefixtures("every_frame_is_told")
def test_a_refinement_can_be_cancelled_and_gone_on_with(studio: Studio, actor: Actor) -> None:
    cast = {1: (actor, range(75))}
    studio.run(Cast(cast), refine=True)
    whole = load_take(studio.take)
    studio.take.unlink()
    with pytest.raises(Cancelled) as caught:
        studio.run(Cast(cast), stop=lambda event: isinstance(event, Progress) and event.stage == "refine", refine=True)
    assert len([event for event in studio.of(Progress) if event.stage == "refine"]) == 1
    assert load_take(Path(caught.value.take)).status == "partial"
    studio.run(Cast(cast), resume=True, refine=True)
    assert np.array_equal(load_take(studio.take).person(1).rotations, whole.person(1).rotations)


def test_what_is_kept_of_a_failure_is_not_refined(studio: Studio, actor: Actor) -> None:
    with pytest.raises(CaptureFailed):
        studio.run(Cast({1: (actor, range(75))}, fails_at=40), refine=True)
    assert "refine" not in [event.name for event in studio.of(Stage)]
    assert load_take(studio.take).person(1).frames.tolist() == list(range(40))


def test_where_no_frame_gets_better_the_user_is_told(
    studio: Studio, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        pipeline, "refine", lambda estimate, *_: Refined(estimate, np.zeros(len(estimate.frames), bool))
    )
    studio.run(Cast({1: (actor, range(24))}), count=24, refine=True)
    (warning,) = studio.of(Warned)
    assert (warning.code, load_take(studio.take).warnings) == ("not_refined", (warning.message,))


def test_nobody_found_leaves_an_earlier_take_alone(studio: Studio, take: Take) -> None:
    save_take(take, studio.take)
    with pytest.raises(CaptureError):
        studio.run(Cast({}))
    assert load_take(studio.take).status == "complete"
    assert [path.name for path in studio.folder.glob("out*")] == [studio.take.name]


def test_who_is_seen_for_a_moment_only_is_left_out(studio: Studio, actor: Actor, other: Actor) -> None:
    studio.run(Cast({1: (actor, range(75)), 2: (other, range(40, 46))}))
    assert [person.id for person in load_take(studio.take).people] == [1]
    assert [event.person for event in studio.of(PersonFound)] == [1]


def test_in_a_short_video_half_of_it_is_enough(studio: Studio, actor: Actor) -> None:
    studio.run(Cast({1: (actor, [0, 1, 3, 4, 5])}), count=8)
    assert load_take(studio.take).person(1).frames.tolist() == [0, 1, 3, 4, 5]


def test_where_the_last_file_cannot_be_written_the_growing_one_is_named(
    studio: Studio, actor: Actor, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: TakeWriter, take: Take) -> Path:
        raise CaptureError("disk_full", "The disk is full.", "Free some space.")

    save_take(take, studio.take)
    monkeypatch.setattr(TakeWriter, "finish", full)
    with pytest.raises(CaptureFailed) as caught:
        studio.run(Cast({1: (actor, range(75))}))
    assert caught.value.code == "disk_full"
    kept = load_take(Path(caught.value.take))
    assert kept.status == "partial"
    assert kept.person(1).frames.tolist() == list(range(75))
    assert load_take(studio.take).video.path == take.video.path


@pytest.mark.parametrize(
    ("options", "tag", "focal_px"),
    [
        ({"focal_px": 120.0}, 28.0, 120.0),
        ({"focal_mm": 50.0}, 28.0, 50 * math.hypot(96, 64) / math.hypot(36, 24)),
        ({}, 28.0, 28.0),
        ({}, None, 96.0),
    ],
    ids=["in pixels", "in millimetres", "of the file", "the long side"],
)
def test_the_focal_length_is_what_is_known_best(
    studio: Studio,
    actor: Actor,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, float],
    tag: float | None,
    focal_px: float,
) -> None:
    probe = pipeline.probe
    monkeypatch.setattr(pipeline, "probe", lambda path: replace(probe(path), focal_px=tag))
    studio.run(Cast({1: (actor, range(12))}), count=12, **options)
    assert load_take(studio.take).camera.focal_px == pytest.approx(focal_px)


def test_a_taller_person_is_farther_away(studio: Studio, actor: Actor) -> None:
    depth = []
    for height_m in (1.72, 1.89):
        studio.run(Cast({1: (actor, range(12))}), count=12, height_m=height_m)
        take = load_take(studio.take)
        depth.append(np.median(take.camera.to_camera(take.person(1).root)[:, 2]))
    assert depth[1] / depth[0] == pytest.approx(1.89 / 1.72, rel=0.01)


def test_evidence_is_stored_in_single_precision(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Frames))
    database = sqlite3.connect(partial_path(studio.take))
    rows = database.execute("SELECT name, dtype FROM arrays WHERE owner = 1 AND name NOT LIKE 'take.%'").fetchall()
    database.close()
    kinds = {name: dtype for name, dtype in rows if name not in ("frame", "time")}
    assert len(kinds) == 8
    assert set(kinds.values()) == {"<f4"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"estimator": "telepathy"}, "no_such_estimator"),
        ({"device": "cuda"}, "no_such_device"),
        ({"people": "0"}, "bad_people"),
        ({"people": "²"}, "bad_people"),
        ({"people": "some"}, "bad_people"),
        ({"focal_px": -1.0}, "bad_number"),
        ({"focal_mm": math.inf}, "bad_number"),
        ({"height_m": math.nan}, "bad_number"),
        ({"start": 10, "end": 10}, "bad_range"),
        ({"start": -1}, "bad_range"),
        ({"start": 99}, "bad_range"),
    ],
    ids=str,
)
def test_jobs_that_make_no_sense_are_refused(studio: Studio, actor: Actor, options: dict[str, Any], code: str) -> None:
    with pytest.raises(CaptureError) as caught:
        studio.run(Cast({1: (actor, range(24))}), count=24, **options)
    assert caught.value.code == code
    assert caught.value.hint
    assert list(studio.folder.glob("out*")) == []


@pytest.mark.parametrize("count", [75, 60])
@pytest.mark.parametrize(
    "stop",
    [
        lambda event: isinstance(event, Frames) and event.first_frame > 0,
        lambda event: isinstance(event, Progress) and event.stage == "solve",
    ],
    ids=["while watching", "in the fit"],
)
def test_a_resumed_capture_ends_as_if_it_had_never_stopped(
    studio: Studio, actor: Actor, other: Actor, count: int, stop: Callable[[Event], bool]
) -> None:
    parts = {1: (actor, range(count)), 2: (other, range(20, count - 5))}
    studio.run(Cast(parts), count)
    whole = load_take(studio.take)
    with pytest.raises(Cancelled) as caught:
        studio.run(Cast(parts), count, stop)
    assert caught.value.take == str(partial_path(studio.take))
    assert load_take(partial_path(studio.take)).status == "partial"
    captured = studio.run(Cast(parts), count, resume=True)
    assert captured.frames == count
    assert len(studio.cast.asked) < count - 25
    resumed = load_take(studio.take)
    assert resumed.status == "complete"
    assert not partial_path(studio.take).exists()
    assert np.array_equal(whole.video.times, resumed.video.times)
    for before, after in zip(whole.people, resumed.people, strict=True):
        for name in ("frames", "keypoints", "boxes", "betas", "rotations", "root", "contacts", "confidence"):
            difference = np.abs(getattr(before, name) - getattr(after, name)).max()
            assert difference == 0, f"{name} of person {before.id}"


def test_a_capture_can_be_resumed_to_a_later_end(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda e: isinstance(e, Stage) and e.name == "solve", end=45)
    studio.run(Cast({1: (actor, range(75))}), end=70, resume=True)
    assert load_take(studio.take).person(1).frames.tolist() == list(range(70))


def test_another_job_is_not_resumed(studio: Studio, actor: Actor) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Frames))
    before = partial_path(studio.take).read_bytes()
    with pytest.raises(CaptureError) as caught:
        studio.run(Cast({1: (actor, range(75))}), resume=True, people="largest")
    assert caught.value.code == "resume_mismatch"
    assert "people" in caught.value.message
    assert partial_path(studio.take).read_bytes() == before


@pytest.mark.parametrize("resume", [False, True])
def test_of_two_captures_of_one_take_the_second_does_no_harm(studio: Studio, actor: Actor, resume: bool) -> None:
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Frames))
    with TakeWriter(studio.take, keep=True):
        before = partial_path(studio.take).read_bytes()
        with pytest.raises(CaptureFailed) as caught:
            studio.run(Cast({1: (actor, range(75))}), resume=resume)
        assert (caught.value.code, caught.value.take, studio.cast.asked) == ("take_in_use", "", [])
        assert partial_path(studio.take).read_bytes() == before
    assert studio.run(Cast({1: (actor, range(75))}), resume=True).frames == 75


def test_what_is_kept_of_a_failure_never_replaces_somebody_elses_take(
    studio: Studio, actor: Actor, take: Take, tmp_path: Path
) -> None:
    theirs = save_take(take, tmp_path / "theirs.take").read_bytes()

    def arrives(event: Event) -> bool:
        if isinstance(event, Stage) and event.name == "solve":
            studio.take.write_bytes(theirs)
        return False

    with pytest.raises(CaptureFailed) as caught:
        studio.run(Cast({1: (actor, range(75))}, fails_at=50), stop=arrives)
    assert caught.value.take == str(partial_path(studio.take))
    assert studio.take.read_bytes() == theirs
    assert len(load_take(partial_path(studio.take)).video.times) == 50


def test_a_capture_that_never_begins_gives_its_name_back(studio: Studio, actor: Actor) -> None:
    path = free_take_path(studio.folder, "out é")
    assert path == studio.take
    with pytest.raises(Cancelled):
        studio.run(Cast({1: (actor, range(75))}), stop=lambda event: isinstance(event, Hello))
    assert list(studio.folder.glob("out*")) == []


def test_resuming_where_nothing_was_begun_begins(studio: Studio, actor: Actor) -> None:
    assert studio.run(Cast({1: (actor, range(24))}), count=24, resume=True).frames == 24
    assert studio.cast.asked == list(range(24))
