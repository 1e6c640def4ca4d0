# SPDX-License-Identifier: MIT
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.fake_backend import NETWORKS, PUBLISHED
from vibe_blender.client import readiness
from vibe_blender.client.commands import Stopped
from vibe_blender.client.readiness import Device, NeededFile, Question, ask
from vibe_blender.contract.errors import CaptureError


@pytest.fixture
def published(tmp_path) -> Path:
    """A folder with all the files by name."""
    folder = tmp_path / "files é 走"
    folder.mkdir()
    for name in PUBLISHED:
        (folder / name).touch()
    return folder


def asked(models: Path | None = None, published: Path | None = None) -> readiness.Readiness:
    return ask(Question(Path(sys.executable), models, published), threading.Event())


def test_what_is_there_is_told(install_fake_backend, published, monkeypatch) -> None:
    install_fake_backend("works")
    monkeypatch.setenv("FAKE_GPU", "A Card 3000 é")
    answer = asked(published=published)
    assert [(each.name, each.available) for each in answer.estimators.values()] == [
        ("keypoints", True),
        ("vibe", True),
        ("tcmr", False),
        ("dts-vibe", True),
    ]
    assert answer.missing("vibe") == ()
    assert [file.name for file in answer.missing("vibe", "tcmr")] == ["tcmr_demo_model.pth.tar"]
    assert answer.devices == (Device("cpu", "Processor, 2 cores"), Device("cuda", "A Card 3000 é"))


def test_what_is_missing_is_told(install_fake_backend, published) -> None:
    install_fake_backend("works")
    (published / "SMPL_NEUTRAL.pkl").unlink()
    answer = asked(published=published)
    vibe = answer.estimators["vibe"]
    assert (vibe.available, vibe.lacks_files, vibe.lacks_torch) == (False, True, False)
    assert [file.name for file in answer.missing("vibe")] == ["SMPL_NEUTRAL.pkl"]
    assert [file.there for file in answer.files["vibe"]] == [True, True, False]
    # What several need, and lack, is named once.
    assert [file.name for file in answer.missing("vibe", "tcmr")] == ["SMPL_NEUTRAL.pkl", "tcmr_demo_model.pth.tar"]
    assert len(answer.needed("vibe", "tcmr", "dts-vibe")) == 4


def test_without_a_folder_the_backends_own_is_looked_through(install_fake_backend, published, tmp_path) -> None:
    install_fake_backend("works")
    assert asked(models=published).estimators["vibe"].available
    assert not asked(models=tmp_path).estimators["vibe"].available


def test_packages_that_are_missing_are_told(install_fake_backend, published, monkeypatch) -> None:
    install_fake_backend("works")
    monkeypatch.setenv("FAKE_TORCH", "0")
    vibe = asked(published=published).estimators["vibe"]
    assert (vibe.available, vibe.lacks_torch, vibe.lacks_files) == (False, True, False)
    assert vibe.remedy


@pytest.mark.parametrize("mode", ["says_nothing", "lacks_a_module"])
def test_a_backend_that_gives_no_answer_is_reported(install_fake_backend, mode) -> None:
    folder = install_fake_backend(mode)
    if mode == "lacks_a_module":
        (folder / "backend" / "__main__.py").write_text("import a_module_that_is_not_there", encoding="utf-8")
    with pytest.raises(CaptureError) as caught:
        asked()
    assert caught.value.code == "backend_faulty"
    assert ("a_module_that_is_not_there" in caught.value.message) == (mode == "lacks_a_module")


def test_an_interpreter_that_is_gone_is_reported(install_fake_backend, tmp_path) -> None:
    install_fake_backend("works")
    with pytest.raises(CaptureError) as caught:
        ask(Question(tmp_path / "gone", None, None), threading.Event())
    assert caught.value.code == "python_missing"


def test_a_backend_that_sleeps_is_not_waited_for(install_fake_backend) -> None:
    folder = install_fake_backend("works")
    (folder / "backend" / "__main__.py").write_text("import time; time.sleep(600)", encoding="utf-8")
    question, cancelled = Question(Path(sys.executable), None, None), threading.Event()
    with pytest.raises(CaptureError) as caught:
        ask(question, cancelled, seconds=0.5)
    assert caught.value.code == "backend_silent"
    threading.Timer(0.3, cancelled.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        ask(question, cancelled)
    assert time.monotonic() - began < 60


def test_web_addresses_are_found_in_words() -> None:
    def addresses(source: str) -> tuple[str, ...]:
        return NeededFile("x", False, "", source, "").addresses

    assert addresses("vibe_data.zip of the project VIBE (github.com/mkocabas/VIBE)") == (
        "https://github.com/mkocabas/VIBE",
    )
    assert addresses("smpl.is.tue.mpg.de or smplify.is.tue.mpg.de, after registration, or vibe_data.zip.") == (
        "https://smpl.is.tue.mpg.de",
        "https://smplify.is.tue.mpg.de",
    )
    assert addresses("https://smpl.is.tue.mpg.de/downloads.") == ("https://smpl.is.tue.mpg.de/downloads",)
    assert addresses("the wheel of mediapipe==0.10.21; `vibe models fetch` gets it") == ()


@pytest.mark.slow
def test_the_real_backend_is_understood(tmp_path) -> None:
    pytest.importorskip("platformdirs")
    answer = asked(published=tmp_path)
    assert list(answer.estimators) == ["keypoints", *NETWORKS]
    for name, files in NETWORKS.items():
        said = answer.estimators[name]
        assert not said.available
        assert said.lacks_torch or said.lacks_files
        assert [file.name for file in answer.missing(name)] == list(files)
        assert all(file.addresses and "research" in file.licence for file in answer.missing(name))
    # A network of one's own needs what DTS-VIBE needs, and every estimator needs that.
    assert all(set(answer.needed("dts-vibe")) <= set(answer.needed(name)) for name in NETWORKS)
    assert len(answer.needed(*NETWORKS)) == 4
    assert "cpu" in [device.name for device in answer.devices]
