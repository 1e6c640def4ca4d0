# SPDX-License-Identifier: MIT
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from backend.litert import Network
from vibe_blender.contract.errors import CaptureError

OUTPUTS = ((1, 117), (1, 195), (1, 64, 64, 39))


@pytest.fixture(scope="module")
def landmark_file(models: Path) -> Path:
    return models / "pose_landmark_full.tflite"


def test_wanted_outputs_are_those_of_the_whole_network(landmark_file: Path) -> None:
    picture = np.random.default_rng(0).random((1, 256, 256, 3), np.float32)
    whole = Interpreter(str(landmark_file), num_threads=1)
    whole.allocate_tensors()
    whole.set_tensor(whole.get_input_details()[0]["index"], picture)
    whole.invoke()
    expected = {tuple(part["shape"]): whole.get_tensor(part["index"])[0] for part in whole.get_output_details()}

    network = Network(landmark_file, 1, OUTPUTS)
    network.input()[:] = picture[0]
    for shape, found in zip(OUTPUTS, network.run(), strict=True):
        assert np.array_equal(found, expected[shape])


def test_runs_again_with_another_picture(landmark_file: Path) -> None:
    network = Network(landmark_file, 1, OUTPUTS)
    network.input()[:] = 0.0
    dark = network.run()[0].copy()
    network.input()[:] = 1.0
    light = network.run()[0].copy()
    network.input()[:] = 0.0
    assert not np.allclose(dark, light)
    assert np.array_equal(network.run()[0], dark)


@pytest.mark.parametrize("content", [b"", b"short", b"no network at all" * 9, b"1234TFL3" + bytes(99)])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "网络 \N{SNOWMAN}.tflite"
    file.write_bytes(content)
    with pytest.raises(CaptureError) as told:
        Network(file, 1, OUTPUTS)
    assert told.value.code == "model_damaged"
    assert file.name in told.value.message
    assert told.value.hint


def test_a_file_cut_short_is_told(tmp_path: Path, landmark_file: Path) -> None:
    file = tmp_path / "half.tflite"
    file.write_bytes(landmark_file.read_bytes()[:3_000_000])
    with pytest.raises(CaptureError, match="not the network"):
        Network(file, 1, OUTPUTS)


def test_another_network_is_told(models: Path) -> None:
    with pytest.raises(CaptureError) as told:
        Network(models / "pose_detection.tflite", 1, OUTPUTS)
    assert told.value.code == "model_damaged"
