# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import threading
import time
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import NETWORKS, PUBLISHED
from vibe_blender import availability, installing, places
from vibe_blender.client.environment import State
from vibe_blender.client.readiness import Device, Estimator, Question, Readiness
from vibe_blender.contract.errors import CaptureError

pytestmark = pytest.mark.usefixtures("panel")


def answered() -> Readiness:
    deadline = time.monotonic() + 60
    while (answer := availability.readiness()) is None:
        assert time.monotonic() < deadline
        assert availability.failure() is None, availability.failure()
        time.sleep(0.01)
    return answer


@pytest.fixture
def questions(monkeypatch) -> list[Question]:
    """What a backend was asked that answers at once: VIBE is there where a folder was named."""
    heard: list[Question] = []

    def ask(question: Question, cancelled: threading.Event) -> Readiness:
        heard.append(question)
        vibe = Estimator("vibe", question.published is not None, "" if question.published else "published files: gone")
        return Readiness({"vibe": vibe}, (Device("cpu", "Processor"),))

    monkeypatch.setattr(availability, "ask", ask)
    return heard


def test_it_is_asked_once_and_again_when_something_changed(questions, tmp_path) -> None:
    for _ in range(5):
        answered()
        assert not availability.available("vibe")
    assert [question.published for question in questions] == [None]
    places.preferences().published = str(tmp_path)
    answered()
    assert availability.available("vibe")
    assert [question.published for question in questions] == [None, tmp_path]
    availability.look_again()
    answered()
    assert len(questions) == 3


def test_another_environment_is_asked_again(questions, monkeypatch) -> None:
    monkeypatch.delenv("VIBE_BACKEND_PYTHON")
    state = State("ready", ("default",), "", "3.11.9", 1, "0.1.0")
    monkeypatch.setattr(installing, "_looked", lambda: (time.monotonic(), state, []))
    answered()
    state = State("ready", ("default", "networks"), "", "3.11.9", 2, "0.1.0", "cpu")
    answered()
    assert questions == [Question(places.home().python, places.home().models, None)] * 2


def test_without_a_backend_nothing_is_asked(questions, monkeypatch) -> None:
    monkeypatch.delenv("VIBE_BACKEND_PYTHON")
    installing.look_again()
    assert availability.readiness() is None
    assert not availability.asking()
    assert not availability.available("vibe")
    assert not availability.available("keypoints")
    assert questions == []


def test_nobody_waits_for_the_answer(monkeypatch, tmp_path) -> None:
    released = threading.Event()

    def ask(question: Question, cancelled: threading.Event) -> Readiness:
        released.wait(30)
        return Readiness({"vibe": Estimator("vibe", question.published is None)}, ())

    monkeypatch.setattr(availability, "ask", ask)
    assert availability.readiness() is None
    assert availability.asking()
    assert availability.obstacle("vibe") == ""  # nobody knows better yet
    places.preferences().published = str(tmp_path)
    assert availability.asking()
    released.set()
    answered()
    assert not availability.available("vibe")  # the answer about the folder that is chosen now


def test_a_backend_that_fails_is_told_and_asked_no_more(monkeypatch) -> None:
    asked = []

    def ask(question: Question, cancelled: threading.Event) -> Readiness:
        asked.append(question)
        raise CaptureError("backend_faulty", "No answer.", "Repair it.")

    monkeypatch.setattr(availability, "ask", ask)
    deadline = time.monotonic() + 30
    while availability.failure() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert availability.failure().code == "backend_faulty"
    assert not availability.asking()
    assert len(asked) == 1


def test_what_stands_in_the_way_is_said_in_words(install_fake_backend, tmp_path, monkeypatch) -> None:
    install_fake_backend("works")
    folder = tmp_path / "published é"
    folder.mkdir()
    places.preferences().published = str(folder)
    answered()
    assert availability.obstacle("vibe") == f"VIBE needs files that are not there: {', '.join(PUBLISHED)}"
    assert availability.obstacle("keypoints") == ""
    (folder / PUBLISHED[0]).touch()
    bpy.ops.vibe.look_again()
    answered()
    assert PUBLISHED[0] not in availability.obstacle("vibe")
    monkeypatch.setenv("FAKE_TORCH", "0")
    bpy.ops.vibe.look_again()
    answered()
    assert availability.obstacle("vibe") == "VIBE needs the network packages"
    monkeypatch.delenv("FAKE_TORCH")
    for name in PUBLISHED:
        (folder / name).touch()
    bpy.ops.vibe.look_again()
    answered()
    assert availability.obstacle("vibe") == ""
    assert availability.available("vibe")


def test_with_a_network_of_ones_own_the_published_weights_are_not_needed(install_fake_backend, tmp_path) -> None:
    install_fake_backend("works")
    folder, own = tmp_path / "published é", tmp_path / "best 走.pt"
    folder.mkdir()
    places.preferences().published = str(folder)
    answered()
    for name in NETWORKS:
        assert not availability.choosable(name)
        assert availability.obstacle(name, own).endswith(
            "needs files that are not there: spin_model_checkpoint.pth.tar, SMPL_NEUTRAL.pkl"
        )
    for name in NETWORKS["dts-vibe"]:
        (folder / name).touch()
    availability.look_again()
    answered()
    assert [availability.available(name) for name in NETWORKS] == [False, False, True]
    assert all(map(availability.choosable, NETWORKS))
    assert availability.obstacle("vibe") == "VIBE needs files that are not there: vibe_model_wo_3dpw.pth.tar"
    assert availability.obstacle("tcmr") == "TCMR needs files that are not there: tcmr_demo_model.pth.tar"
    assert availability.obstacle("dts-vibe") == "DTS-VIBE needs a network of your own"
    assert {availability.obstacle(name, own) for name in NETWORKS} == {f"There is no network {own}"}
    own.touch()
    assert {availability.obstacle(name, own) for name in NETWORKS} == {""}


def test_a_network_is_asked_for_before_anybody_has_answered(monkeypatch) -> None:
    monkeypatch.setattr(availability, "readiness", lambda: None)
    assert availability.obstacle("dts-vibe") == "DTS-VIBE needs a network of your own"
    assert availability.obstacle("tcmr") == ""


def test_a_question_on_its_way_ends_with_the_add_on(install_fake_backend) -> None:
    folder = install_fake_backend("works")
    (folder / "backend" / "__main__.py").write_text("import time; time.sleep(600)", encoding="utf-8")
    assert availability.asking()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "readiness"]
    availability.stop()
    assert not thread.is_alive()
    assert not bpy.app.timers.is_registered(availability._tick)


def test_the_chosen_folder_may_be_a_file_or_gone(install_fake_backend, tmp_path) -> None:
    install_fake_backend("works")
    places.preferences().published = str(tmp_path / "gone")
    assert [file.name for file in answered().missing("vibe")] == list(PUBLISHED)
    assert places.published_folder() == Path(tmp_path / "gone")
