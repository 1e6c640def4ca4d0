# SPDX-License-Identifier: MIT
"""The doctor: what it says of packages, estimators and devices, for people and for the add-on."""

from __future__ import annotations

import json
import sys

import pytest

from backend import doctor, models
from backend.doctor import Finding, diagnose
from backend.models import MODEL_FILES


@pytest.fixture
def whole(monkeypatch, tmp_path):
    """A folder whose model files count as verified."""
    monkeypatch.setattr(
        doctor, "locate", lambda folder: [(item, folder / item.name, "verified") for item in MODEL_FILES]
    )
    return tmp_path


def states(diagnosis) -> dict[str, str]:
    return {finding.subject: finding.state for finding in diagnosis.findings}


def test_without_models_the_estimator_says_why_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "default"))
    record = json.loads(diagnose(tmp_path).to_json())
    estimator, *others = record["estimators"]
    assert [other["name"] for other in others] == ["vibe", "tcmr", "dts-vibe"]
    assert record["capture_works"] is estimator["available"] is False
    assert estimator["name"] == "keypoints"
    assert estimator["reason"].startswith("pose_detection.tflite: missing")
    assert estimator["remedy"] == "Run `vibe models fetch`."


def test_with_models_it_is_available(whole):
    record = json.loads(diagnose(whole).to_json())
    assert record["capture_works"] is True
    assert record["estimators"][0] | {"label": ""} == {
        "name": "keypoints", "label": "", "available": True, "reason": "", "remedy": "",
    }  # fmt: skip
    assert record["devices"][0]["name"] == "cpu"
    assert "cores" in record["devices"][0]["label"]


def test_a_package_that_cannot_be_loaded_is_a_problem(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    diagnosis = diagnose(whole)
    assert states(diagnosis)["av"] == "problem"
    assert not diagnosis.estimators[0].available
    assert diagnosis.estimators[0].remedy.endswith("-m pip install av`.")


def test_a_torch_that_cannot_be_loaded_leaves_the_default_road(whole, monkeypatch):
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda package: "2.13.0" if package == "torch" else version(package))
    monkeypatch.setitem(sys.modules, "torch", None)
    diagnosis = diagnose(whole)
    (finding,) = (finding for finding in diagnosis.findings if finding.subject == "torch")
    assert (finding.state, finding.remedy) == ("note", "Install torch again.")
    assert diagnosis.capture_works
    assert [device.name for device in diagnosis.devices] == ["cpu"]


class TestVibe:
    @pytest.fixture
    def vibe(self, whole, monkeypatch, tmp_path):
        """Its state, and the folder of the published files: every package there, every other file too."""
        monkeypatch.setenv("VIBE_MODELS", str(tmp_path / "default"))
        monkeypatch.setattr(doctor, "_network", lambda package: Finding(package, "ok", "1"))
        monkeypatch.setattr(doctor, "_devices", lambda with_torch: iter([doctor.Device("cpu", "Processor")]))
        return lambda: diagnose(whole).networks[0]

    def put(self, folder, *names):
        (folder / "vibe_data").mkdir()
        for name in names:
            (folder / "vibe_data" / name).touch()

    def test_without_files_it_says_which_and_what_to_do(self, vibe, whole):
        assert vibe().name == "vibe"
        assert not vibe().available
        assert vibe().reason.endswith(
            "missing: spin_model_checkpoint.pth.tar, vibe_model_wo_3dpw.pth.tar, SMPL_NEUTRAL.pkl"
        )
        assert str(whole) in vibe().remedy
        assert "`vibe models list`" in vibe().remedy
        assert diagnose(whole).capture_works

    def test_with_files_it_is_available(self, vibe, whole):
        self.put(whole, "spin_model_checkpoint.pth.tar", "vibe_model_wo_3dpw.pth.tar", "SMPL_NEUTRAL.pkl")
        assert vibe() == doctor.EstimatorState("vibe", "VIBE (published weights)", True)
        assert json.loads(diagnose(whole).to_json())["estimators"][1]["available"] is True
        assert "VIBE" in diagnose(whole).to_text()

    def test_each_needs_its_own_files(self, vibe, whole):
        self.put(whole, "spin_model_checkpoint.pth.tar", "tcmr_demo_model.pth.tar", "SMPL_NEUTRAL.pkl")
        found = {each.name: each for each in diagnose(whole).networks}
        assert {name: each.available for name, each in found.items()} == {"vibe": False, "tcmr": True, "dts-vibe": True}
        assert found["vibe"].reason.endswith("missing: vibe_model_wo_3dpw.pth.tar")
        assert found["tcmr"].label == "TCMR (published weights)"
        assert found["dts-vibe"].label == "DTS-VIBE (a network of your own)"
        (told,) = [line for line in diagnose(whole).to_text().splitlines() if "DTS-VIBE" in line]
        assert told.startswith("ok")
        assert "preset dts_vibe" in told

    def test_the_body_may_lie_in_the_default_folder(self, vibe, whole, tmp_path):
        self.put(whole, "spin_model_checkpoint.pth.tar", "vibe_model_wo_3dpw.pth.tar")
        (tmp_path / "default").mkdir()
        assert not vibe().available
        (tmp_path / "default" / "SMPL_NEUTRAL.npz").touch()
        assert vibe().available

    @pytest.mark.parametrize(
        "finding", [Finding("torch", "note", "not installed"), Finding("torch", "note", "broken", "Again.")]
    )
    def test_without_torch(self, vibe, whole, monkeypatch, finding):
        self.put(whole, "spin_model_checkpoint.pth.tar", "vibe_model_wo_3dpw.pth.tar", "SMPL_NEUTRAL.pkl")
        monkeypatch.setattr(doctor, "_network", lambda package: finding)
        assert not vibe().available
        assert vibe().reason == f"torch: {finding.detail}"
        assert vibe().remedy == (finding.remedy or vibe().remedy)
        assert "panel" in vibe().remedy or finding.remedy

    def test_the_detector_may_lie_in_the_default_folder(self, vibe, whole, monkeypatch, tmp_path):
        self.put(whole, "spin_model_checkpoint.pth.tar", "vibe_model_wo_3dpw.pth.tar", "SMPL_NEUTRAL.pkl")
        monkeypatch.setattr(doctor, "locate", models.locate)
        monkeypatch.setattr(models, "_state", lambda path, item: "verified" if path.is_file() else "missing")
        assert vibe().reason.startswith("pose_detection.tflite: missing")
        assert not diagnose(whole).capture_works
        (tmp_path / "default").mkdir()
        for item in MODEL_FILES:
            (tmp_path / "default" / item.name).touch()
        assert vibe().available
        assert diagnose(whole).capture_works
        assert str(tmp_path / "default" / "pose_detection.tflite") in diagnose(whole).to_text()

    def test_a_folder_that_is_none_is_told(self, vibe, whole):
        diagnosis = diagnose(whole / "typo")
        told = [finding.detail for finding in diagnosis.findings if finding.subject == "folder"]
        assert told == [f"There is no folder {whole / 'typo'}."]
        assert diagnosis.networks[0].reason.startswith(
            f"published files: There is no folder {whole / 'typo'}. missing: "
        )
        assert "folder" not in states(diagnose(whole))
