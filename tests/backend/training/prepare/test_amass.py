# SPDX-License-Identifier: MIT
from __future__ import annotations

import numpy as np
import pytest

from backend.training.archive import open_archive
from backend.training.prepare.amass import DATASET
from backend.training.prepare.preparing import Options, prepare
from tests.raw_datasets import make_amass
from vibe_blender.contract.errors import CaptureError


def test_numbers_are_those_of_the_files(tmp_path):
    truth = make_amass(tmp_path / "AMASS 数据")
    prepare(DATASET, tmp_path / "AMASS 数据", tmp_path / "a.clips", Options())
    archive = open_archive(tmp_path / "a.clips")
    assert [sequence.name for sequence in archive.sequences] == list(truth)
    for sequence, hands in zip(archive.sequences, ((22, 37), (25, 40)), strict=True):
        rows, held = slice(sequence.first, sequence.first + sequence.count), truth[sequence.name]
        assert (sequence.count, sequence.fps) == (60, 120)
        rotations = archive.column("rotations")[rows]
        assert rotations[:, :22] == pytest.approx(held["poses"][:, :22], abs=1e-6)
        for ours, theirs in zip((22, 23), hands, strict=True):
            assert rotations[:, ours] == pytest.approx(held["poses"][:, theirs], abs=1e-6)
        assert archive.column("trans")[rows] == pytest.approx(held["trans"], abs=1e-6)
    smplh, smplx = archive.sequences
    assert archive.column("betas")[5] == pytest.approx(truth[smplh.name]["betas"][:10], abs=1e-6)
    assert "betas" not in smplx.columns  # SMPL-X's shapes are not SMPL's
    assert archive.facts.dataset == "amass"
    assert "non-commercial" in archive.facts.terms


def test_thinned_and_split(tmp_path):
    make_amass(tmp_path / "raw")
    archive = prepare(DATASET, tmp_path / "raw", tmp_path / "a.clips", Options(split="vibe", fps=25, shortest=15))
    (sequence,) = archive.sequences
    assert sequence.name.startswith("CMU/")
    assert (sequence.count, sequence.fps) == (15, 30)


def test_motion_of_smpl_from_elsewhere(tmp_path):
    poses, betas = np.random.default_rng(1).normal(size=(70, 72)), np.arange(10.0)
    (tmp_path / "own").mkdir()
    np.savez(tmp_path / "own" / "walk.npz", poses=poses, trans=np.zeros((70, 3)), betas=betas, mocap_framerate=30.0)
    archive = prepare(DATASET, tmp_path / "own", tmp_path / "a.clips", Options())
    assert [(one.name, one.count, one.fps) for one in archive.sequences] == [("walk", 70, 30.0)]
    np.testing.assert_allclose(archive.column("rotations").reshape(70, 72), poses, atol=1e-6)
    np.testing.assert_allclose(archive.column("betas")[5], betas)


def refused(raw, out, options: Options | None = None) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        prepare(DATASET, raw, out, options or Options())
    return caught.value


def test_nothing_there(tmp_path):
    assert refused(tmp_path / "none", tmp_path / "a.clips").code == "dataset_missing"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "CMU.tar.bz2").touch()
    error = refused(tmp_path / "raw", tmp_path / "a.clips")
    assert error.code == "dataset_missing"
    assert "CMU.tar.bz2 is there, but it has to be unpacked" in error.message
    assert "amass.is.tue.mpg.de" in error.hint
    assert "non-commercial" in error.hint
    assert not (tmp_path / "a.clips").exists()


@pytest.mark.parametrize("fault", ["cut", "empty", "other", "nan", "objects"])
def test_damaged(tmp_path, fault):
    make_amass(tmp_path / "raw")
    path = tmp_path / "raw" / "CMU" / "01" / "01_01_poses.npz"
    held = {"poses": np.zeros((60, 156)), "trans": np.zeros((60, 3)), "betas": np.zeros(16), "mocap_framerate": 120.0}
    match fault:
        case "cut":
            path.write_bytes(path.read_bytes()[:-400])
        case "empty":
            path.write_bytes(b"")
        case "other":
            np.savez(path, **{**held, "poses": np.zeros((60, 75))})
        case "nan":
            np.savez(path, **{**held, "trans": np.full((60, 3), np.nan)})
        case "objects":
            np.savez(path, **{**held, "poses": np.array([{"a": 1}], object)})
    error = refused(tmp_path / "raw", tmp_path / "a.clips")
    assert error.code == "dataset_broken"
    assert "01_01_poses.npz" in error.message


def test_too_short(tmp_path):
    make_amass(tmp_path / "raw")
    assert refused(tmp_path / "raw", tmp_path / "a.clips", Options(shortest=61)).code == "dataset_empty"


def test_it_has_no_pictures(tmp_path):
    make_amass(tmp_path / "raw")
    assert refused(tmp_path / "raw", tmp_path / "a.clips", Options(images=True)).code == "no_pictures"
    assert refused(tmp_path / "raw", tmp_path / "a.clips", Options(split="x")).code == "split_unknown"
