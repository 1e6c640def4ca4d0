# SPDX-License-Identifier: MIT
"""Each dataset as downloaded, tiny and made up, all the way: an archive, a step of learning, ``vibe test``'s table."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from backend.__main__ import main
from backend.training import features
from backend.training.archive import ClipArchive, open_archive
from backend.training.curves import LINES
from backend.training.features import SpinEncoder
from tests.published_bodies import make_regressors, make_smpl_pkl
from tests.raw_datasets import make_3dpw, make_amass, make_penn_action, make_posetrack
from tests.raw_videos import make_human36m, make_insta_variety, make_mpi_inf_3dhp

RENDERED = "--limit 2 --shortest 4 --set frames=6 --set picture_px=48 --set samples=1 --set workers=1 --set seed=4"
MAKERS: dict[str, Callable[[Path], object]] = {
    "3dpw": make_3dpw, "mpi-inf-3dhp": make_mpi_inf_3dhp, "human36m": make_human36m,
    "insta-variety": make_insta_variety, "penn-action": make_penn_action, "posetrack": make_posetrack,
}  # fmt: skip
RUN = """
preset = "vibe"
output = "run"
device = "cpu"
[data]
{kind} = ["learned.clips"]
motion = ["{motion}"]
frames = 4
motion_fps = 120
[discriminator]
hidden = 32
[model]
hidden = 32
body = "mannequin"
[steps]
batch = 2
epochs = 1
iterations = 1
workers = 0
"""
TEST = """
output = "found"
archives = ["{archive}"]
frames = 4
body = "mannequin"
device = "cpu"
[[networks]]
name = "ours"
file = "run/last.pt"
"""


class Dull(torch.nn.Module):
    """Stands for the image network and takes no time."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.mean(dim=(2, 3)).repeat(1, 683)[:, :2048]


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spin.pth.tar").write_bytes(b"")  # what features are by is told from what the file holds
    monkeypatch.setattr(features, "spin_encoder", lambda path: SpinEncoder(Dull(), torch.device("cpu")))


@pytest.fixture(scope="module")
def motion(tmp_path_factory) -> Path:
    """AMASS, prepared."""
    folder = tmp_path_factory.mktemp("amass")
    make_amass(folder / "raw")
    assert main(["prepare", "amass", str(folder / "raw"), "-o", str(folder / "amass.clips")]) == 0
    return folder / "amass.clips"


@pytest.fixture(scope="module")
def smpl(tmp_path_factory) -> Path:
    """SMPL's files, made up: 3DPW's joints of the table are its skin's."""
    folder = tmp_path_factory.mktemp("smpl")
    make_smpl_pkl(folder / "SMPL_NEUTRAL.pkl")
    make_regressors(folder)
    return folder


def make_steps(folder: Path) -> None:
    """Somebody who stands and swings the legs, in the layout of AMASS."""
    poses, time = np.zeros((120, 52, 3)), np.arange(120) / 60
    poses[:, 0] = Rotation.from_euler("x", np.pi / 2).as_rotvec()
    poses[:, 1, 0], poses[:, 2, 0] = 0.4 * np.sin(6 * time), -0.4 * np.sin(6 * time)
    path = folder / "CMU" / "01" / "01_01_poses.npz"
    path.parent.mkdir(parents=True)
    trans = np.tile([0, 0, 1.1], (120, 1))
    np.savez(path, poses=poses.reshape(120, -1), trans=trans, betas=np.zeros(16), mocap_framerate=60.0)


def prepare(name: str, raw: str, out: str, smpl: Path, *more: str) -> ClipArchive:
    """An archive with features."""
    own = ["--models", str(smpl)] if name == "3dpw" else []
    assert main(["prepare", name, raw, "-o", out, "--features", "spin.pth.tar", *own, *more]) == 0
    return open_archive(Path(out))


@pytest.mark.parametrize("name", [*MAKERS, "rendered"])
def test_all_the_way(name, motion, smpl, tmp_path, capsys) -> None:
    if name == "human36m":
        pytest.importorskip("cdflib")
    if name == "rendered":
        pytest.importorskip("bpy")
        make_steps(tmp_path / "raw")
        assert main(["prepare", name, "raw", "-o", "made.clips", *RENDERED.split()]) == 0
        archive = prepare("archive", "made.clips", "learned.clips", smpl)
    else:
        MAKERS[name](tmp_path / "raw")
        archive = prepare(name, "raw", "learned.clips", smpl)
    archive.verify()
    known, tested = "joints3d" in archive.columns, "learned.clips"
    if not known:  # tables are about joints in space
        make_3dpw(tmp_path / "3dpw", "test")
        tested = prepare("3dpw", "3dpw", "tested.clips", smpl, "--split", "test").folder.name
    run = RUN.format(kind="three_d" if known else "two_d", motion=motion.as_posix())
    Path("run.toml").write_text(run, encoding="utf-8")
    Path("test.toml").write_text(TEST.format(archive=tested), encoding="utf-8")
    assert main(["train", "run.toml"]) == 0
    step = json.loads((tmp_path / "run" / LINES).read_text(encoding="utf-8").splitlines()[0])
    assert all(math.isfinite(value) for value in step.values() if isinstance(value, float))
    capsys.readouterr()
    assert main(["test", "test.toml"]) == 0
    told = capsys.readouterr().out
    row = next(line for line in told.splitlines() if line.startswith("> ours")).split()
    assert 0 < float(row[2]) < float(row[3])
    assert ("TCMR" in told) == (name != "rendered"), "published rows stand above ours where there are any"
