# SPDX-License-Identifier: MIT
"""Configurations: the presets are the published settings, and whatever is wrong is named."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from backend.training import config
from backend.training.config import PRESETS, Training, read_training
from vibe_blender.contract.errors import CaptureError


def written(tmp_path, text: str):
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_preset_of_vibe_is_as_published() -> None:
    run = read_training(PRESETS / "vibe.toml")
    weights = run.weights
    assert (weights.joints_2d, weights.joints_3d, weights.pose, weights.shape, weights.adversarial) == (
        300, 300, 60, 0.06, 0.5,
    )  # fmt: skip
    assert (run.data.frames, run.data.share_2d, run.data.overlap, run.data.motion_fps) == (16, 0.6, 0.75, 25)
    steps = run.steps
    assert (steps.batch, steps.epochs, steps.iterations, steps.rate, steps.decay) == (32, 30, 500, 5e-5, 0)
    assert (steps.patience, steps.factor, steps.watch) == (5, 0.1, "pa_mpjpe")
    judge = run.discriminator
    assert (judge.use, judge.pooling, judge.rate, judge.decay) == (True, "attention", 1e-4, 1e-4)
    assert run.model.encoder == "gru"


def test_the_frame_based_preset_differs_in_encoder_and_discriminator_only() -> None:
    vibe, frames = (read_training(PRESETS / f"{name}.toml") for name in ("vibe", "frame_based"))
    assert frames.model.encoder == "none"
    assert not frames.discriminator.use
    assert frames.weights.adversarial == 0
    assert (frames.data, frames.steps) == (vibe.data, vibe.steps)


def test_flow_is_needed_where_a_network_or_a_loss_reads_it(tmp_path) -> None:
    def needs(text: str) -> bool:
        return read_training(written(tmp_path, text)).needs_flow

    assert needs('preset = "dts_vibe"')
    assert needs('preset = "dts_vibe_refine"')
    assert needs('preset = "vibe"\n[weights]\nflow = 1')
    assert needs('preset = "dts_vibe_refine"\n[model]\ndts_vibe.flow = "none"')
    assert not needs('preset = "dts_vibe"\n[model]\ndts_vibe.flow = "none"')
    assert not needs('preset = "tcmr"')


def test_a_file_says_only_what_differs_from_its_preset(tmp_path) -> None:
    run = read_training(written(tmp_path, 'preset = "vibe"\noutput = "x"\n[steps]\nbatch = 8\n[weights]\npose = 1\n'))
    assert (run.output, run.steps.batch, run.steps.iterations) == ("x", 8, 500)
    assert (run.weights.pose, run.weights.joints_3d) == (1, 300)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('output = "x"\n[steps]\nbacth = 8', "steps.bacth"),
        ('output = "x"\n[stpes]\nbatch = 8', "stpes"),
        ('output = "x"\n[steps]\nbatch = 0', "steps.batch"),
        ('output = "x"\n[steps]\nbatch = 1.5', "steps.batch"),
        ('output = "x"\n[steps]\nrate = nan', "steps.rate"),
        ('output = "x"\n[weights]\npose = -1', "weights.pose"),
        ('output = "x"\n[weights]\npose = inf', "weights.pose"),
        ('output = "x"\n[model]\nencoder = "lstm"', "model.encoder"),
        ('output = "x"\n[discriminator]\npooling = "max"', "discriminator.pooling"),
        ('output = "x"\n[data]\ntwo_d = "a"', "data.two_d"),
        ('output = "x"\n[data]\naugment = true', "augment needs pictures"),
        ('output = "x"\n[data]\npictures = true', "model.spin"),
        ('output = "x"\n[data]\nframes = 1', "more than one frame"),
        ('output = "x"\n[model]\nhidden = 20', "multiple of 16"),
        ('output = "x"\n[model]\nencoder = "tcmr"', "middle frame only"),
        ('preset = "tcmr"\n[weights]\nflow = 1', "middle frame only"),
        ('preset = "tcmr"\n[data]\nframes = 2', "at least 3"),
        ('preset = "frame_based"\n[data]\nframes = 1\n[weights]\nflow = 1', "at least 2"),
        ('preset = "vibe"\n[model]\ntcmr.residual = true', "for the encoder tcmr"),
        ('preset = "vibe"\n[model]\ndts_vibe.flow = "grid"', "for the encoder dts-vibe"),
        ('preset = "vibe"\n[model]\nspin = "a"\nmean_body = "b"', "mean_body would not be used"),
        ('preset = "vibe"\n[model]\nspin = "a"\nstart = "b"', "spin would not be used"),
        ('output = "x"\n[model]\ndts_vibe.flow = "raft"', "model.dts_vibe.flow"),
        ('preset = "dts_vibe"\n[data]\npictures = true\naugment = true\n[model]\nspin = "x"', "flow of them"),
        ('preset = "vibes"\noutput = "x"', "vibes"),
        ("[steps]\nbatch = 8", "output"),
        ("steps = 8", "steps"),
        ("x = [", "no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, said) -> None:
    with pytest.raises(CaptureError) as raised:
        read_training(written(tmp_path, text))
    assert raised.value.code == "bad_setting"
    assert said in raised.value.message + raised.value.hint


def test_a_file_that_is_not_there_or_not_text(tmp_path) -> None:
    with pytest.raises(CaptureError) as raised:
        read_training(tmp_path / "no.toml")
    assert raised.value.code == "config_missing"
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CaptureError, match="no TOML"):
        read_training(path)


def test_every_number_has_a_range() -> None:
    run = Training("x")
    numbers = {
        f"{section.name}.{item.name}"
        for section in fields(run)
        if is_dataclass(getattr(run, section.name)) and section.name != "weights"  # 0 or more, all of them
        for item in fields(getattr(run, section.name))
        if type(getattr(getattr(run, section.name), item.name)) in (int, float)
    }
    assert numbers == set(config._RANGES)
