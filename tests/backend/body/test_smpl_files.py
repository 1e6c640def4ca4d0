# SPDX-License-Identifier: MIT
"""SMPL's published files: read and imported with every bit, or refused with one line and nothing written."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest

from backend.body import model, smpl_files
from backend.body.smpl_files import import_smpl, read_regressor, read_smpl
from tests.published_bodies import VERTICES, make_arrays, make_regressors, make_smpl_pkl
from vibe_blender.contract.errors import CaptureError

FIELDS = {
    "template": "v_template", "shape_directions": "shapedirs", "pose_directions": "posedirs",
    "joint_regressor": "J_regressor", "skin_weights": "weights", "triangles": "f",
}  # fmt: skip


def refusal(call, *arguments) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


class RunsOsSystem:
    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_published_pickle(tmp_path, protocol):
    path = tmp_path / "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl"
    arrays = make_smpl_pkl(path, protocol=protocol)
    body = read_smpl(path)
    for field, name in FIELDS.items():
        np.testing.assert_array_equal(getattr(body, field), arrays[name])


def test_imported_it_is_the_same_and_any_part_of_the_program_can_read_it(tmp_path):
    path, target = tmp_path / "smpl.pkl", tmp_path / "模型 new" / "SMPL_NEUTRAL.npz"
    arrays = make_smpl_pkl(path)
    import_smpl(path, target)
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]
    for body in (read_smpl(target), model.load(target)):
        for field, name in FIELDS.items():
            np.testing.assert_array_equal(getattr(body, field), arrays[name])


def test_of_three_hundred_shapes_ten_are_kept(tmp_path):
    arrays = make_smpl_pkl(tmp_path / "smpl.pkl", shapes=14)
    import_smpl(tmp_path / "smpl.pkl", tmp_path / "smpl.npz")
    np.testing.assert_array_equal(read_smpl(tmp_path / "smpl.npz").shape_directions, arrays["shapedirs"][..., :10])
    np.savez(tmp_path / "other.npz", **arrays)
    np.testing.assert_array_equal(read_smpl(tmp_path / "other.npz").shape_directions, arrays["shapedirs"][..., :10])


class TestRefused:
    def both(self, tmp_path, path) -> CaptureError:
        """Reading and importing refuse it alike, and importing leaves what was there."""
        target = tmp_path / "models" / "SMPL_NEUTRAL.npz"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"as it was")
        errors = [refusal(read_smpl, path), refusal(import_smpl, path, target)]
        assert errors[0].code == errors[1].code
        assert target.read_bytes() == b"as it was"
        assert [entry.name for entry in target.parent.iterdir()] == [target.name]
        return errors[0]

    def test_one_that_would_run_a_program(self, tmp_path):
        witness = tmp_path / "witness"
        path = tmp_path / "SMPL_NEUTRAL.pkl"
        path.write_bytes(pickle.dumps({**make_arrays(), "J": RunsOsSystem(f"echo ran > {witness}")}, protocol=2))
        error = self.both(tmp_path, path)
        assert error.code == "body_unsafe"
        assert f"{os.system.__module__}.system" in error.message
        assert "Nothing in it was run." in error.hint
        assert not witness.exists()

    def test_one_that_is_cut_off(self, tmp_path):
        path = tmp_path / "smpl.pkl"
        make_smpl_pkl(path)
        path.write_bytes(path.read_bytes()[:-1000])
        assert self.both(tmp_path, path).code == "body_broken"

    def test_one_that_is_too_large(self, tmp_path):
        path = tmp_path / "smpl.pkl"
        with path.open("wb") as file:
            file.truncate((1 << 29) + 1)
        error = self.both(tmp_path, path)
        assert error.code == "body_broken"
        assert "512 MiB" in error.message

    def test_a_page_that_says_log_in(self, tmp_path):
        path = tmp_path / "smpl.pkl"
        path.write_text("<html>Please log in</html>")
        assert self.both(tmp_path, path).code == "body_broken"

    def test_one_that_is_not_there(self, tmp_path):
        assert self.both(tmp_path, tmp_path / "smpl.pkl").code == "body_missing"

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"posedirs": None}, "'posedirs'"),
            ({"posedirs": np.zeros((VERTICES, 3, 9))}, "(6890, 3, 9)"),
            ({"shapedirs": np.zeros((VERTICES, 3, 4))}, "(6890, 3, 4)"),
            ({"weights": np.zeros((VERTICES, 24))}, "sum to 1"),
            ({"v_template": np.zeros((10475, 3))}, "10475 vertices, SMPL has 6890"),
            ({"v_template": np.full((VERTICES, 3), np.nan)}, "not numbers"),
            ({"kintree_table": np.zeros((2, 24), np.uint32)}, "not connected"),
            ({"f": np.full((5, 3), 6890)}, "'f'"),
            ({"weights": [1, 2, 3]}, "'weights' is no array of numbers"),
        ],
    )
    def test_one_that_is_another_body(self, tmp_path, change, says):
        record = {name: array for name, array in {**make_arrays(), **change}.items() if array is not None}
        path = tmp_path / "smpl.pkl"
        path.write_bytes(pickle.dumps(record))
        error = self.both(tmp_path, path)
        assert error.code == "body_broken"
        assert says in error.message
        assert "authors' site" in error.hint

    def test_an_npz_that_unpacks_to_more_than_any_body(self, tmp_path, monkeypatch):
        path = tmp_path / "bomb.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("v_template.npy", "w") as file:
            for _ in range(513):
                file.write(bytes(1 << 20))
        assert path.stat().st_size < 1 << 20
        monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("was unpacked"))
        error = self.both(tmp_path, path)
        assert error.code == "body_broken"
        assert "unpacks to 513 MiB" in error.message

    def test_a_folder_that_cannot_be_written(self, tmp_path):
        make_smpl_pkl(tmp_path / "smpl.pkl")
        (tmp_path / "file").write_text("in the way")
        assert refusal(import_smpl, tmp_path / "smpl.pkl", tmp_path / "file" / "x.npz").code == "models_unwritable"


class TestRegressors:
    def test_read(self, tmp_path):
        extra, h36m = make_regressors(tmp_path)
        np.testing.assert_array_equal(read_regressor(tmp_path / "J_regressor_extra.npy", 9), extra)
        np.testing.assert_array_equal(read_regressor(tmp_path / "J_regressor_h36m.npy", 17), h36m)

    @pytest.mark.parametrize(
        "weights",
        [np.zeros((17, VERTICES)), np.zeros((9, 5)), np.full((9, VERTICES), np.inf), np.zeros((9, VERTICES), int)],
    )
    def test_others_are_refused(self, tmp_path, weights):
        np.save(tmp_path / "extra.npy", weights)
        assert refusal(read_regressor, tmp_path / "extra.npy", 9).code == "body_broken"

    def test_one_that_would_run_a_program(self, tmp_path):
        witness = tmp_path / "witness"
        with (tmp_path / "extra.npy").open("wb") as file:
            np.save(file, np.array([RunsOsSystem(f"echo ran > {witness}")], object), allow_pickle=True)
        assert refusal(read_regressor, tmp_path / "extra.npy", 9).code == "body_broken"
        assert not witness.exists()

    def test_damaged_missing_or_huge(self, tmp_path):
        path = tmp_path / "extra.npy"
        assert refusal(read_regressor, path, 9).code == "body_missing"
        make_regressors(tmp_path)
        path.write_bytes((tmp_path / "J_regressor_extra.npy").read_bytes()[:-8])
        assert refusal(read_regressor, path, 9).code == "body_broken"
        for right, wrong in ((b"6890)", b"6890 "), (b"<f8", b",f8")):
            make_regressors(tmp_path)
            path.write_bytes(path.read_bytes().replace(right, wrong))
            assert refusal(read_regressor, path, 9).code == "body_broken"
        path.write_bytes(bytes(smpl_files._LARGEST_REGRESSOR + 1))
        assert "too large" in refusal(read_regressor, path, 9).message
