# SPDX-License-Identifier: MIT
"""The training loop: it learns, it goes on after a kill as if nothing had been, and several processes are as one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.networks.motion_discriminator import MotionDiscriminator
from backend.training import trainer as training
from backend.training.config import read_training
from backend.training.curves import LINES
from backend.training.distributed import Place
from backend.training.feeding import Feed
from backend.training.networks import load_generator
from backend.training.trainer import BEST, FAILED, LAST, STATE, Trainer, train
from tests import training_runs
from tests.training_runs import RUN, first_gradients, telling_archive, write_run
from vibe_blender.contract.console import Console
from vibe_blender.contract.errors import CaptureError

REPOSITORY = Path(__file__).resolve().parents[3]
PROGRAM = [sys.executable, str(Path(training_runs.__file__))]
ALONE, CPU = Place(), torch.device("cpu")


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def run(tmp_path) -> Path:
    return write_run(tmp_path)


def new_trainer(path: Path) -> tuple[Trainer, Feed]:
    settings = read_training(path)
    feed = Feed(settings, path.parent, ALONE)
    return Trainer(settings, path.parent, CPU, ALONE, feed), feed


def learned(folder: Path) -> list[dict]:
    """What the curves say of steps and epochs, without how long they took."""
    lines = [json.loads(line) for line in (folder / LINES).read_text().splitlines()]
    return [{name: value for name, value in line.items() if not name.endswith("_s")} for line in lines]


def test_a_step_moves_every_parameter_of_both_networks(run) -> None:
    trainer, feed = new_trainer(run)
    networks = (trainer.parts.generator, trainer.parts.discriminator)
    before = [{name: value.clone() for name, value in network.named_parameters()} for network in networks]
    _, clips, motion = next(iter(feed.batches(0, 0)))
    trainer.step(clips, motion)
    for network, old in zip(networks, before, strict=True):
        for name, value in network.named_parameters():
            assert value.grad is not None, name
            assert value.grad.abs().max() > 0, name
            assert not torch.equal(value, old[name]), name


def test_the_generator_does_not_teach_the_discriminator(run) -> None:
    trainer, feed = new_trainer(run)
    judge = trainer.parts.discriminator
    _, clips, motion = next(iter(feed.batches(0, 0)))
    before = {name: value.clone() for name, value in judge.state_dict().items()}
    trainer.parts.optimisers[1].step = lambda *_, **__: None  # only the generator's step is left
    trainer.step(clips, motion)
    assert all(torch.equal(value, before[name]) for name, value in judge.state_dict().items())
    assert all(value.requires_grad for value in judge.parameters())


def test_a_run_writes_networks_state_and_curves(run) -> None:
    trained = train(run, Console())
    folder = run.parent / "run"
    assert {path.name for path in folder.iterdir()} >= {BEST, LAST, STATE, LINES}
    assert trained.network == folder / BEST
    lines = learned(folder)
    assert [(line["epoch"], line.get("step")) for line in lines] == [
        (epoch, step) for epoch in range(2) for step in (*range(6), None)
    ]
    measured = [line["measured"]["mean"]["pa_mpjpe_mm"] for line in lines if "measured" in line]
    assert trained.error_mm == min(measured)
    parts = ("joints_2d", "joints_3d", "pose", "shape", "adversarial")
    assert lines[0]["total"] == pytest.approx(sum(lines[0][name] for name in parts))
    assert load_generator(folder / BEST).network.training is False
    assert not list(folder.glob(".*"))


LEARNS = (
    RUN.replace("share_2d = 0.6", "").replace("frames = 4", "frames = 8").replace('two_d = ["two.clips"]', "")
    .replace("batch = 4", "batch = 16").replace("epochs = 2", "epochs = 1\nrate = 2e-3")
    .replace("iterations = 6", "iterations = 60")
)  # fmt: skip


@pytest.mark.parametrize("encoder", ["gru", "none", "tcmr", "dts-vibe"])
def test_what_features_say_is_learned(tmp_path, encoder) -> None:
    write_run(tmp_path)
    telling_archive(tmp_path / "more.clips", (90, 80, 70), seed=7)
    settings = LEARNS.replace("three.clips", "more.clips").replace(
        'body = "mannequin"', f'body = "mannequin"\nencoder = "{encoder}"'
    )
    if encoder == "tcmr":
        settings = settings.replace("[discriminator]", "[discriminator]\nuse = false")
    if encoder == "dts-vibe":
        settings = settings.replace("rate = 2e-3", "rate = 5e-4").replace("iterations = 60", "iterations = 120")
        settings = settings.replace('"dts-vibe"', '"dts-vibe"\ndts_vibe.flow = "grid"')
        settings += "[weights]\nflow = 10.0\n"
    (tmp_path / "run.toml").write_text(settings)
    new, _ = new_trainer(tmp_path / "run.toml")
    before = new._measured().mean
    train(tmp_path / "run.toml", Console())
    *steps, last = learned(tmp_path / "run")
    first, end = (sum(line["total"] for line in some) for some in (steps[:6], steps[-6:]))
    assert end < 0.5 * first
    if encoder != "dts-vibe":  # in so few steps a transformer learns by heart
        # Of people and motions that it has not seen:
        assert last["measured"]["mean"]["mpjpe_mm"] < 0.8 * before.mpjpe_mm


def started(path: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [*PROGRAM, "vibe", "train", str(path)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_killed_run_goes_on_to_the_last_bit(tmp_path) -> None:
    settings = RUN.replace("iterations = 6", "iterations = 16\naverage = 0.9").replace(
        "save_every = 4", "save_every = 5"
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        write_run(folder, settings)
    victim = started(broken / "run.toml")
    lines, deadline = broken / "run" / LINES, time.monotonic() + 120
    while not lines.exists() or lines.read_bytes().count(b"\n") < 24:  # epoch 1, step 6
        assert victim.poll() is None, victim.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    victim.kill()
    victim.communicate()
    assert lines.read_bytes().count(b"\n") < 33  # in the middle of an epoch
    for folder in (broken, whole):
        process = started(folder / "run.toml")
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert learned(broken / "run") == learned(whole / "run")
    assert len(learned(whole / "run")) == 34
    states = [torch.load(folder / "run" / STATE, weights_only=True) for folder in (broken, whole)]
    assert_same(*states)


def assert_same(one, other) -> None:
    """Two states are equal bit by bit."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        assert one == other


def test_two_processes_have_the_gradients_of_one(run, tmp_path) -> None:
    # Three clips with 2D labels and one with 3D ones, which only the second process gets.
    run.write_text(RUN.replace("frames = 4", "frames = 4\nshare_2d = 0.75"))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *PROGRAM[1:],
        "gradients", str(run), str(tmp_path / "two.pt"),
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    two, one = torch.load(tmp_path / "two.pt", weights_only=True), first_gradients(run, ALONE)
    assert two.keys() == one.keys()
    for name, value in one.items():
        assert value.dtype == torch.float64
        assert float((two[name] - value).norm()) <= 1e-5 * float(value.norm()), name
        assert value.any(), name


def test_numbers_that_are_none_stop_a_run_and_their_batch_is_kept(run) -> None:
    trainer, feed = new_trainer(run)
    _, clips, motion = next(iter(feed.batches(0, 0)))
    clips.features[1, 2, 3] = math.nan
    before = {name: value.clone() for name, value in trainer.parts.generator.state_dict().items()}
    with pytest.raises(CaptureError, match=r"step 0.*batch is in .*failed_batch\.pt") as raised:
        trainer.step(clips, motion)
    assert raised.value.code == "diverged"
    assert all(torch.equal(value, before[name]) for name, value in trainer.parts.generator.state_dict().items())
    kept = torch.load(trainer.output / FAILED, weights_only=True)
    assert torch.equal(kept["batch"]["features"].isnan(), clips.features.isnan())
    assert torch.equal(kept["batch"]["motion"], motion)


def test_long_gradients_are_clipped(run) -> None:
    run.write_text(RUN.replace("save_every", "clip = 1e-3\nsave_every"))
    trainer, feed = new_trainer(run)
    _, clips, motion = next(iter(feed.batches(0, 0)))
    trainer.step(clips, motion)
    for network in (trainer.parts.generator, trainer.parts.discriminator):
        assert float(torch.nn.utils.get_total_norm([value.grad for value in network.parameters()])) <= 1.001e-3


def test_the_average_is_what_is_measured_and_kept(run) -> None:
    run.write_text(RUN.replace("save_every", "average = 0.999\nrate = 1e-2\nsave_every"))
    train(run, Console())
    state = torch.load(run.parent / "run" / STATE, weights_only=True)
    kept = torch.load(run.parent / "run" / LAST, weights_only=True)["gen_state_dict"]
    assert_same(kept, state["average"])
    assert any(not torch.equal(kept[name], state["generator"][name]) for name in kept)
    trainer, _ = new_trainer(run)
    own = {name: value.clone() for name, value in trainer.parts.generator.state_dict().items()}
    measured = trainer._measured()
    assert_same(own, trainer.parts.generator.state_dict())
    trainer.parts.generator.load_state_dict(kept)
    trainer.parts.average.decay = 0.0
    assert trainer._measured().mean == measured.mean


def test_rates_fall_where_nothing_gets_better(run, monkeypatch) -> None:
    run.write_text(RUN.replace("epochs = 2", "epochs = 5\npatience = 1").replace("iterations = 6", "iterations = 1"))
    real = training.measure

    def never_better(*arguments, **options):
        measured = real(*arguments, **options)
        object.__setattr__(measured.mean, "pa_mpjpe_mm", 50.0)
        return measured

    monkeypatch.setattr(training, "measure", never_better)
    train(run, Console())
    rates = [line["rate"] for line in learned(run.parent / "run") if "measured" in line]
    assert rates == pytest.approx([5e-5, 5e-5, 5e-6, 5e-6, 5e-7])


def test_other_settings_are_another_run(run) -> None:
    run.write_text(RUN.replace("epochs = 2", "epochs = 1"))
    train(run, Console())
    run.write_text(RUN)  # only longer: it goes on
    train(run, Console())
    assert len(learned(run.parent / "run")) == 14
    run.write_text(RUN.replace("save_every", "rate = 1e-3\nsave_every"))
    with pytest.raises(CaptureError, match="other settings"):
        train(run, Console())


def test_one_folder_has_one_run_at_a_time(run) -> None:
    from vibe_blender.contract.file_lock import FileLock

    (run.parent / "run").mkdir()
    with FileLock(run.parent / "run" / "run.lock"), pytest.raises(CaptureError, match="Another run"):
        train(run, Console())


def test_half_precision_is_for_gpus(run) -> None:
    run.write_text(RUN.replace("save_every", 'precision = "float16"\nsave_every'))
    with pytest.raises(CaptureError, match="needs a GPU"):
        train(run, Console())


def test_half_precision_leaves_out_steps_that_overflow(run) -> None:
    trainer, feed = new_trainer(run)
    steps = replace(trainer.settings.steps, precision="float16")
    trainer.settings = replace(trainer.settings, steps=steps)  # a GPU's sums on the CPU, slow and alike
    trainer.parts.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30)
    generator = trainer.parts.generator
    before = {name: value.clone() for name, value in generator.named_parameters()}
    for number, clips, motion in feed.batches(0, 0):
        trainer.step(clips, motion)
        moved = [not torch.equal(value, before[name]) for name, value in generator.named_parameters()]
        if number == 0:
            assert not any(moved)
            assert trainer.parts.scaler.get_scale() == 2.0**29
            trainer.parts.scaler.update(16.0)
    assert all(moved)
    assert trainer.parts.scaler.get_scale() == 16.0


def test_a_run_without_discriminator_and_without_validation(run) -> None:
    settings = RUN.replace('preset = "vibe"', 'preset = "frame_based"').replace('motion = ["real.clips"]', "")
    run.write_text(settings.replace('validation = ["held out.clips"]', ""))
    trained = train(run, Console())
    assert trained.network.name == LAST
    assert math.isinf(trained.error_mm)
    assert all("discriminator" not in line for line in learned(run.parent / "run"))


def test_the_published_discriminator_is_the_default(run, monkeypatch) -> None:
    made = []

    def make(*asked: object) -> MotionDiscriminator:
        made.append(asked)
        return MotionDiscriminator(*asked)

    monkeypatch.setattr(training, "MotionDiscriminator", make)
    new_trainer(run)
    assert made == [("attention", 32)]
