# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
from dataclasses import replace
from types import SimpleNamespace

import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import NETWORKS
from vibe_blender import availability, places, session
from vibe_blender.client.readiness import Estimator, NeededFile, Readiness
from vibe_blender.contract.interrupted import interrupted_takes, note_job
from vibe_blender.contract.protocol import Job
from vibe_blender.contract.take_file import TakeWriter
from vibe_blender.operators.licence import CaptureButton
from vibe_blender.properties import NETWORK_FIELDS

pytestmark = pytest.mark.usefixtures("panel")


@pytest.fixture
def jobs(monkeypatch) -> list[Job]:
    """The jobs that buttons start, none of which is run."""
    started: list[Job] = []
    monkeypatch.setattr(session, "start", lambda job, *_: started.append(job))
    return started


@pytest.fixture
def vibe(monkeypatch, tmp_path):
    """VIBE can be used here; called with a reason, it cannot."""
    places.preferences().published = str(tmp_path / "published é")

    def because(reason: str) -> None:
        absent = NeededFile("SMPL_NEUTRAL.pkl", False, "", "", "")
        answer = Readiness({"vibe": Estimator("vibe", not reason, reason)}, (), {"vibe": (absent,)})
        monkeypatch.setattr(availability, "readiness", lambda: answer)

    because("")
    return because


@pytest.fixture
def networks(monkeypatch, tmp_path):
    """All networks can be used here; returns the file of one of the user's own."""
    places.preferences().published = str(tmp_path / "published é")
    answer = Readiness({name: Estimator(name, True) for name in NETWORKS}, ())
    monkeypatch.setattr(availability, "readiness", lambda: answer)
    own = tmp_path / "mine é" / "best.pt"
    own.parent.mkdir()
    own.touch()
    return own


def test_the_settings_become_the_job(video, jobs) -> None:
    settings = bpy.context.scene.vibe
    settings.video = str(video)
    bpy.ops.vibe.capture()
    settings.use_range, settings.start, settings.end = True, 3, 9
    settings.people, settings.people_count = "count", 4
    settings.focal, settings.focal_mm = "mm", 26.0
    settings.use_height, settings.height_m = True, 1.5
    settings.device, settings.fast, settings.refine = "cpu", True, True
    bpy.ops.vibe.capture()
    takes = [str(video.with_name(f"{video.stem}{number}.take")) for number in ("", " 2")]
    chosen = {"start": 3, "end": 9, "people": "4", "focal_mm": 26.0, "height_m": 1.5}
    assert jobs == [Job(str(video), takes[0]), Job(str(video), takes[1], fast=True, refine=True, **chosen)]


def test_a_capture_with_vibe_names_device_and_published_folder(video, jobs, vibe, tmp_path) -> None:
    settings = bpy.context.scene.vibe
    settings.video, settings.estimator, settings.device = str(video), "vibe", "cuda"
    bpy.ops.vibe.capture()
    take = str(video.with_suffix(".take"))
    assert jobs == [Job(str(video), take, estimator="vibe", models=str(tmp_path / "published é"), device="cuda")]
    settings.fast = True  # Keypoints' own, as in a preset, and not for this one
    bpy.ops.vibe.capture()
    assert (jobs.pop().fast, settings.fast) == (False, True)
    settings.fast = False
    settings.estimator = "keypoints"  # runs on the processor, whatever the other's device
    bpy.ops.vibe.capture()
    assert (jobs[1].estimator, jobs[1].device, jobs[1].models) == ("keypoints", "auto", "")


def test_without_its_files_vibe_stays_chosen_and_the_button_says_what_is_missing(video, jobs, vibe) -> None:
    settings = bpy.context.scene.vibe
    settings.video, settings.estimator = str(video), "vibe"
    vibe("published files: missing: SMPL_NEUTRAL.pkl")
    for button in (bpy.ops.vibe.capture, lambda: bpy.ops.vibe.resume_capture(take=interrupted(video, "vibe"))):
        with pytest.raises(RuntimeError, match=r"VIBE needs files that are not there: SMPL_NEUTRAL\.pkl"):
            button()
    assert settings.estimator == "vibe"
    settings.estimator = "keypoints"
    bpy.ops.vibe.capture()
    assert [job.estimator for job in jobs] == ["keypoints"]


def test_a_job_has_what_its_estimator_has_something_from(video, jobs, networks, tmp_path) -> None:
    settings, own = bpy.context.scene.vibe, str(networks)
    settings.video, settings.device, settings.fast = str(video), "cuda", True
    settings.use_slerp, settings.slerp = True, 0.5
    settings.vibe_network, settings.dts_vibe_network = own, own
    for name in ("keypoints", *NETWORKS):
        settings.estimator = name
        bpy.ops.vibe.capture()
    settings.estimator, settings.use_slerp, settings.tcmr_network = "tcmr", False, own
    bpy.ops.vibe.capture()
    said = [(job.estimator, job.device, job.fast, job.network, job.slerp) for job in jobs]
    assert said == [
        ("keypoints", "auto", True, "", None),
        ("vibe", "cuda", False, own, None),
        ("tcmr", "cuda", False, "", 0.5),
        ("dts-vibe", "cuda", False, own, None),
        ("tcmr", "cuda", False, own, None),
    ]
    assert {job.models for job in jobs[1:]} == {str(tmp_path / "published é")}
    assert [Job.from_line(job.to_line()) for job in jobs] == jobs


@pytest.mark.filterwarnings("ignore:.*blend relative")  # newer Blenders make none, older ones do
def test_a_network_beside_the_blend_file_is_found(video, jobs, networks) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(networks.with_name("scene.blend")))
    settings = bpy.context.scene.vibe
    settings.video, settings.estimator, settings.dts_vibe_network = str(video), "dts-vibe", "//best.pt"
    bpy.ops.vibe.capture()
    assert jobs[0].network == str(networks)


def test_without_a_network_dts_vibe_says_that_it_needs_one(video, jobs, networks) -> None:
    settings = bpy.context.scene.vibe
    settings.video, settings.estimator = str(video), "dts-vibe"
    with pytest.raises(RuntimeError, match="DTS-VIBE needs a network of your own"):
        bpy.ops.vibe.capture()
    settings.dts_vibe_network = str(networks.with_name("gone.pt"))
    with pytest.raises(RuntimeError, match=r"There is no network .*gone\.pt"):
        bpy.ops.vibe.capture()
    assert jobs == []


@pytest.mark.parametrize("name", ["tcmr", "dts-vibe"])
def test_a_capture_of_a_network_is_resumed_with_that_network(video, jobs, networks, name) -> None:
    slerp = 0.4 if name == "tcmr" else None
    take = interrupted(video, name, network=str(networks), device="cpu", slerp=slerp)
    with pytest.raises(RuntimeError, match=r"The network .*best\.pt is not beside the video"):
        bpy.ops.vibe.resume_capture(take=take)  # a stranger's take names no files to be opened
    setattr(bpy.context.scene.vibe, NETWORK_FIELDS[name], str(networks))
    bpy.ops.vibe.resume_capture(take=take)
    moved = networks.rename(networks.with_name("moved.pt"))
    setattr(bpy.context.scene.vibe, NETWORK_FIELDS[name], str(moved))
    bpy.ops.vibe.resume_capture(take=take)
    kept = (name, "cpu", slerp, True)
    assert [(job.estimator, job.device, job.slerp, job.resume) for job in jobs] == [kept, kept]
    assert [job.network for job in jobs] == [str(networks), str(moved)]


def test_a_capture_with_vibe_is_resumed_with_the_folder_of_this_machine(video, jobs, vibe, tmp_path) -> None:
    take = interrupted(video, "vibe", models="elsewhere", device="mps", chunk=450)
    bpy.ops.vibe.resume_capture(take=take)
    (job,) = jobs
    assert (job.models, job.device, job.chunk, job.resume) == (str(tmp_path / "published é"), "mps", 450, True)


def test_the_limits_of_the_published_files_are_shown_once(video, jobs, vibe) -> None:
    settings, shown = bpy.context.scene.vibe, []

    class Window:
        def invoke_props_dialog(self, operator, **_) -> set[str]:
            shown.append(operator)
            return {"RUNNING_MODAL"}

    class Button(CaptureButton):
        def run(self, context) -> None:
            jobs.append(settings.estimator)

    settings.estimator = "vibe"
    context = SimpleNamespace(scene=bpy.context.scene, preferences=bpy.context.preferences, window_manager=Window())
    first = Button()
    assert first.invoke(context, None) == {"RUNNING_MODAL"}
    assert (jobs, places.preferences().licence_read) == ([], False)  # Cancel calls nothing more
    Button().execute(context)  # a script
    assert not places.preferences().licence_read
    first.execute(context)  # OK
    assert places.preferences().licence_read
    assert Button().invoke(context, None) == {"FINISHED"}
    assert shown == [first]
    assert jobs == ["vibe"] * 3


def test_the_default_estimator_has_no_limits_to_show(jobs) -> None:
    class Button(CaptureButton):
        def run(self, context) -> None:
            jobs.append(context.scene.vibe.estimator)

    assert Button().invoke(bpy.context, None) == {"FINISHED"}
    assert jobs == ["keypoints"]
    assert not places.preferences().licence_read


def interrupted(video, estimator: str, **options) -> str:
    """The growing part of a capture that was interrupted."""
    take = video.with_suffix(".take")
    with TakeWriter(take) as writer:
        note_job(writer, Job(str(video), str(take), estimator=estimator, **options))
    return str(take)


def test_takes_go_where_the_preferences_say(video, jobs, tmp_path) -> None:
    bpy.context.scene.vibe.video = str(video)
    places.preferences().takes = str(tmp_path / "all my takes")
    bpy.ops.vibe.capture()
    assert jobs[0].take == str(tmp_path / "all my takes" / f"{video.stem}.take")


def test_without_a_video_or_a_backend_the_button_says_so(video, jobs, monkeypatch) -> None:
    with pytest.raises(RuntimeError, match="Choose a video first"):
        bpy.ops.vibe.capture()
    bpy.context.scene.vibe.video = str(video)
    monkeypatch.delenv("VIBE_BACKEND_PYTHON")
    with pytest.raises(RuntimeError, match="Install the backend first"):
        bpy.ops.vibe.capture()
    assert jobs == []


def test_a_video_that_is_gone_and_a_range_that_is_empty_are_refused(video, jobs) -> None:
    settings = bpy.context.scene.vibe
    settings.video = str(video)
    settings.use_range, settings.start, settings.end = True, 9, 9
    with pytest.raises(RuntimeError, match="ends before it begins"):
        bpy.ops.vibe.capture()
    video.unlink()
    with pytest.raises(RuntimeError, match="Choose it again"):
        bpy.ops.vibe.capture()
    assert jobs == []


def test_an_interrupted_capture_is_found_and_resumed_as_it_was_begun(video, jobs) -> None:
    begun = Job(str(video), str(video.with_suffix(".take")), start=2, people="1", height_m=1.9)
    with TakeWriter(video.with_suffix(".take")) as writer:
        note_job(writer, begun)
    bpy.context.scene.vibe.fast = True  # the settings of now do not matter
    (found,) = interrupted_takes(video.parent, video)
    bpy.ops.vibe.resume_capture(take=str(found))
    assert jobs == [replace(begun, resume=True)]


def test_there_may_be_nothing_to_resume(video, jobs) -> None:
    with pytest.raises(RuntimeError, match="no interrupted capture"):
        bpy.ops.vibe.resume_capture(take=str(video.with_suffix(".take")))
    assert jobs == []
