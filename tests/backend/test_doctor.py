# SPDX-License-Identifier: MIT
"""The doctor: what it says of packages, estimators and devices, for people and for the add-on."""

from __future__ import annotations

import json
import sys

import pytest

from backend import doctor
from backend.doctor import diagnose
from backend.models import MODEL_FILES


@pytest.fixture
def whole(monkeypatch, tmp_path):
    """A folder whose model files count as verified."""
    monkeypatch.setattr(doctor, "verify", lambda folder: [(item, "verified") for item in MODEL_FILES])
    return tmp_path


def states(diagnosis) -> dict[str, str]:
    return {finding.subject: finding.state for finding in diagnosis.findings}


def test_without_models_the_estimator_says_why_and_what_to_do(tmp_path):
    record = json.loads(diagnose(tmp_path).to_json())
    (estimator,) = record["estimators"]
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
