# SPDX-License-Identifier: MIT
"""What is measured of a network, with networks whose words are known beforehand."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.transform import Rotation
from torch import nn

from backend.body.axis_angles import matrices_from_axis_angles
from backend.body.model import from_arrays
from backend.body.smpl import H36M_TO_J14, Smpl
from backend.networks.regressor import Regressed
from backend.training import measuring
from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from backend.training.bodies import EVALUATED, SmplBody, open_body
from backend.training.measuring import Figures, mean_of, measure
from tests.published_bodies import make_arrays
from tests.training_data import made_person
from vibe_blender.contract.errors import CaptureError

CPU = torch.device("cpu")
LENGTH = 6


class Oracle(nn.Module):
    """Says the pose and shape that are written into the features, turned as it was told to."""

    def __init__(self, turn: np.ndarray | None = None) -> None:
        super().__init__()
        self.turn = torch.eye(3) if turn is None else torch.from_numpy(turn).float()

    def forward(self, features: torch.Tensor, state: None = None) -> tuple[Regressed, None]:
        rotations = matrices_from_axis_angles(features[..., :72].unflatten(-1, (24, 3)))
        rotations = torch.cat([self.turn @ rotations[..., :1, :, :], rotations[..., 1:, :, :]], dim=-3)
        return Regressed(rotations, features[..., 72:82], features[..., 82:85]), None


def archive(
    folder: Path, body, lengths=(20, 13), noise: float = 0.0, gap: bool = False, unknown: tuple[int, ...] = ()
) -> ClipArchive:
    """Sequences whose features hold the pose, plus noise, and whose labels are the body's joints."""
    random = np.random.default_rng(4)
    columns = ("features", "joints3d", "rotations", "betas", "frames")
    writer = ArchiveWriter(folder, Facts("made", "test", "Free."), columns)
    for number, count in enumerate(lengths):
        person = made_person(count, seed=number)
        rotations = person.rotations.astype(np.float16).astype(np.float64)  # as features have them
        betas = np.tile(random.integers(-8, 9, 10) / 8, (count, 1))  # as float16 has them
        features = np.zeros((count, 2048))
        features[:, :72] = rotations.reshape(count, 72) + noise * random.normal(size=(count, 72))
        features[:, 72:82] = betas
        with torch.inference_mode():
            turns = matrices_from_axis_angles(torch.from_numpy(rotations).float())
            joints = body(turns, torch.from_numpy(betas).float()).joints.numpy() + person.trans[:, None]
        known = np.ones((count, 49, 1))
        known[:, list(unknown)] = 0
        joints[:, list(unknown)] = 1e3
        frames = np.arange(count) + (np.arange(count) >= 4) * 5 * gap
        arrays = {
            "features": features, "joints3d": np.concatenate([joints, known], axis=-1), "rotations": rotations,
            "betas": betas, "frames": frames,
        }  # fmt: skip
        writer.add(f"s{number}", 25.0 + 5 * number, arrays)
    return writer.finish()


@pytest.fixture(scope="module")
def mannequin():
    return open_body("mannequin", "", Path())


@pytest.fixture(scope="module")
def smpl() -> SmplBody:
    random = np.random.default_rng(3)
    extra, h36m = np.zeros((9, 6890)), np.zeros((17, 6890))
    for regressor in (extra, h36m):
        for row in regressor:
            row[random.integers(0, 6890, 30)] = 1 / 30
    return SmplBody(Smpl(from_arrays(make_arrays(0), Path("made.npz")), extra, h36m))


def test_the_truth_has_no_error_and_its_own_acceleration(tmp_path, mannequin) -> None:
    one = archive(tmp_path / "a.clips", mannequin)
    measured = measure(Oracle(), mannequin, [one], LENGTH, CPU)
    figures = measured.archives["a"]
    assert figures.frames == 18 + 12  # what is left of a sequence after its last whole window is not read
    assert figures.mpjpe_mm == pytest.approx(0, abs=1e-3)
    assert figures.pa_mpjpe_mm == pytest.approx(0, abs=1e-3)
    assert figures.acceleration_error_mm_per_frame2 == pytest.approx(0, abs=1e-3)
    assert figures.acceleration_mm_per_frame2 > 1
    assert math.isnan(figures.pve_mm)  # the mannequin's skin is not used


def test_a_turned_root_is_forgiven_by_alignment_only(tmp_path, mannequin) -> None:
    one = archive(tmp_path / "a.clips", mannequin, (LENGTH,))
    figures = measure(
        Oracle(Rotation.from_euler("y", 180, degrees=True).as_matrix()), mannequin, [one], LENGTH, CPU
    ).mean
    joints = one.column("joints3d")[:, 25:39, :3].astype(float)
    joints = joints - joints[:, 2:4].mean(axis=1, keepdims=True)
    assert figures.mpjpe_mm == pytest.approx(2000 * np.linalg.norm(joints[..., [0, 2]], axis=-1).mean(), abs=1e-2)
    assert figures.pa_mpjpe_mm == pytest.approx(0, abs=1e-2)


def said_and_true(one: ClipArchive, body, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 14, 3) metres of some rows, what the oracle says and what is labelled."""
    features = torch.from_numpy(one.column("features")[rows].astype(np.float32))
    with torch.inference_mode():
        said, _ = Oracle()(features)
        joints = body(said.rotations, said.betas).joints[:, EVALUATED].numpy().astype(float)
    return joints, one.column("joints3d")[rows, 25:39, :3].astype(float)


def plain_figures(said: np.ndarray, true: np.ndarray, runs: list[range]) -> tuple[float, float, float, float]:
    """PA-MPJPE, MPJPE, acceleration and its error, frame by frame and joint by joint, of (N, 14, 3) metres."""
    pa, mean, own, error = [], [], [], []
    flat = [np.stack([frame - (frame[2] + frame[3]) / 2 for frame in joints]) for joints in (said, true)]
    for mine, theirs in zip(said, true, strict=True):
        fixed, moved, _ = scipy_procrustes(theirs, mine)
        pa.append(np.linalg.norm(fixed - moved, axis=1).mean() * np.linalg.norm(theirs - theirs.mean(axis=0)))
    for mine, theirs in zip(*flat, strict=True):
        mean.append(np.mean([math.dist(mine[joint], theirs[joint]) for joint in range(14)]))
    for run in runs:
        for t in list(run)[1:-1]:
            mine, theirs = (joints[t + 1] - 2 * joints[t] + joints[t - 1] for joints in flat)
            own += [math.hypot(*vector) for vector in mine]
            error += [math.hypot(*vector) for vector in mine - theirs]
    return tuple(1000 * float(np.mean(values)) for values in (pa, mean, own, error))


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("gap", [False, True])
def test_figures_agree_with_plain_ones(tmp_path, mannequin, across, gap) -> None:
    one = archive(tmp_path / "a.clips", mannequin, noise=0.05, gap=gap)
    rows = np.concatenate([np.arange(18), np.arange(20, 32)])
    said, true = said_and_true(one, mannequin, rows)
    runs = [range(18), range(18, 30)] if not gap else [range(4), range(4, 18), range(18, 22), range(22, 30)]
    pa, mean, own, error = plain_figures(said, true, [range(30)] if across else runs)
    figures = measure(Oracle(), mannequin, [one], LENGTH, CPU, across_sequences=across).mean
    assert figures.pa_mpjpe_mm == pytest.approx(pa, abs=1e-4)  # the network and the body are in single precision
    assert figures.mpjpe_mm == pytest.approx(mean, abs=1e-4)
    assert figures.acceleration_mm_per_frame2 == pytest.approx(own, abs=1e-4)
    assert figures.acceleration_error_mm_per_frame2 == pytest.approx(error, abs=1e-4)


def test_vibes_quirk_makes_a_jump_of_every_border(tmp_path, mannequin) -> None:
    one = archive(tmp_path / "a.clips", mannequin, lengths=(6,) * 5)
    own, quirk = (
        measure(Oracle(), mannequin, [one], LENGTH, CPU, across_sequences=across).mean for across in (False, True)
    )
    assert quirk.acceleration_mm_per_frame2 > 3 * own.acceleration_mm_per_frame2
    assert quirk.pa_mpjpe_mm == own.pa_mpjpe_mm


def test_jitter_is_in_seconds_of_each_sequence(tmp_path, mannequin) -> None:
    one = archive(tmp_path / "a.clips", mannequin, noise=0.05)
    said, _ = said_and_true(one, mannequin, np.concatenate([np.arange(18), np.arange(20, 32)]))
    flat = said - said[:, 2:4].mean(axis=1, keepdims=True)
    sizes = [
        np.linalg.norm(np.diff(flat[some], n=3, axis=0), axis=-1) * fps**3 / 10
        for some, fps in ((slice(18), 25.0), (slice(18, 30), 30.0))
    ]
    figures = measure(Oracle(), mannequin, [one], LENGTH, CPU).mean
    assert figures.jitter_10m_per_s3 == pytest.approx(np.concatenate(sizes).mean(), rel=1e-4)


def test_joints_without_labels_do_not_count(tmp_path, mannequin) -> None:
    one = archive(tmp_path / "a.clips", mannequin, unknown=(25, 30))
    figures = measure(Oracle(), mannequin, [one], LENGTH, CPU).mean
    assert figures.mpjpe_mm == pytest.approx(0, abs=1e-2)
    assert figures.pa_mpjpe_mm == pytest.approx(0, abs=1e-2)
    assert figures.acceleration_error_mm_per_frame2 == pytest.approx(0, abs=1e-2)


def test_smpl_is_measured_by_human36ms_joints_and_its_skin(tmp_path, smpl) -> None:
    one = archive(tmp_path / "a.clips", smpl, (LENGTH,), noise=0.05, unknown=(25,))
    figures = measure(Oracle(), smpl, [one], LENGTH, CPU).mean
    features = torch.from_numpy(one.column("features")[:].astype(np.float32))
    with torch.inference_mode():
        said, _ = Oracle()(features)
        skins = [
            smpl(rotations, betas).vertices
            for rotations, betas in (
                (said.rotations, said.betas),
                (matrices_from_axis_angles(torch.tensor(one.column("rotations")[:])), said.betas),
            )
        ]
        mine, theirs = (smpl.smpl.joints_h36m(skin)[:, H36M_TO_J14].numpy().astype(float) for skin in skins)
    pa, mean, _, _ = plain_figures(mine, theirs, [range(6)])
    assert figures.pa_mpjpe_mm == pytest.approx(pa, abs=1e-3)
    assert figures.mpjpe_mm == pytest.approx(mean, abs=1e-3)
    apart = (skins[0] - skins[1]).norm(dim=-1).mean()
    assert figures.pve_mm == pytest.approx(1000 * float(apart), abs=1e-3)


def test_long_sequences_go_through_the_body_in_parts(tmp_path, smpl, monkeypatch) -> None:
    lengths = (LENGTH * 5 + 1, LENGTH * 2)
    one = archive(tmp_path / "a.clips", smpl, lengths, noise=0.05, unknown=(25,))
    whole = measure(Oracle(), smpl, [one], LENGTH, CPU)
    sizes = []
    hook = smpl.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    monkeypatch.setattr(measuring, "_BATCH", 2)
    parts = measure(Oracle(), smpl, [one], LENGTH, CPU)
    hook.remove()
    assert sizes == [2, 2, 2, 2, 1, 1, 2, 2]
    assert asdict(parts.mean) == pytest.approx(asdict(whole.mean), rel=1e-5)
    assert parts.mean.pve_mm > 1


def test_archives_count_alike_in_the_mean(tmp_path, mannequin) -> None:
    both = [archive(tmp_path / "a.clips", mannequin, (6,), noise=0.05), archive(tmp_path / "b.clips", mannequin, (30,))]
    measured = measure(Oracle(), mannequin, both, LENGTH, CPU)
    assert list(measured.archives) == ["a", "b"]
    assert measured.mean.frames == 36
    errors = [figures.mpjpe_mm for figures in measured.archives.values()]
    assert measured.mean.mpjpe_mm == pytest.approx(sum(errors) / 2)
    assert [sample.archive for sample in measured.samples] == ["a", "b"]
    assert measured.samples[0].said.shape == (LENGTH, 14, 3)


def test_what_was_not_measured_is_left_out_of_the_mean() -> None:
    one = Figures(3, 10.0, 5.0, math.nan, 1.0, 1.0, 1.0)
    both = mean_of([one, replace(one, frames=4, pve_mm=8.0, mpjpe_mm=20.0)])
    assert (both.frames, both.pve_mm, both.mpjpe_mm) == (7, 8.0, 15.0)
    assert math.isnan(mean_of([one]).pve_mm)


def test_nothing_to_measure(tmp_path, mannequin) -> None:
    assert measure(Oracle(), mannequin, [], LENGTH, CPU) is None
    short = archive(tmp_path / "a.clips", mannequin, (5,))
    with pytest.raises(CaptureError, match="no sequence of 6 frames"):
        measure(Oracle(), mannequin, [short], LENGTH, CPU)
