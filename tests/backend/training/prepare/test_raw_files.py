# SPDX-License-Identifier: MIT
from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from backend.training.prepare import raw_files
from backend.training.prepare.pickled_lists import read_pickled_lists
from backend.training.prepare.raw_files import Origin, as_array, folder_of, read_json, read_mat, read_npz
from tests.published_bodies import Python2Pickle
from vibe_blender.contract.errors import CaptureError

ORIGIN = Origin("Made", "a folder a", "example.org", "It is free.")


def test_files_that_unpack_to_too_much(tmp_path, monkeypatch):
    """Before memory is taken for them."""
    monkeypatch.setattr(raw_files, "LARGEST_FILE", 1 << 20)
    monkeypatch.setattr(raw_files, "LARGEST_ARRAY", 1 << 19)
    cells = np.empty((1, 1), object)
    cells[0, 0] = np.zeros(1 << 18)
    savemat(tmp_path / "a.mat", {"a": cells}, do_compression=True)  # its outer shape tells nothing
    assert (tmp_path / "a.mat").stat().st_size < 1 << 14
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1 << 18))
    (tmp_path / "a.json").write_text('{"a": "' + "x" * (1 << 18) + '"}', encoding="utf-8")
    for read in (
        lambda: read_mat(ORIGIN, tmp_path / "a.mat", ("a",)),
        lambda: read_npz(ORIGIN, tmp_path / "a.npz", ("a",)),
        lambda: read_json(ORIGIN, tmp_path / "a.json"),
    ):
        with pytest.raises(CaptureError, match="too large") as caught:
            read()
        assert caught.value.code == "dataset_broken"
    monkeypatch.undo()
    assert len(read_mat(ORIGIN, tmp_path / "a.mat", ("a",))["a"][0, 0].ravel()) == 1 << 18


@pytest.mark.parametrize("compressed", [False, True])
def test_matrices(tmp_path, compressed):
    savemat(tmp_path / "a.mat", {"a": np.eye(3), "b": "text", "c": [1, 2]}, do_compression=compressed)
    held = read_mat(ORIGIN, tmp_path / "a.mat", ("a", "c"))
    assert held.keys() == {"a", "c"}
    assert (held["a"] == np.eye(3)).all()
    with pytest.raises(CaptureError, match="it has no d"):
        read_mat(ORIGIN, tmp_path / "a.mat", ("a", "d"))


@pytest.mark.parametrize("value", [[1, "x"], [[1, 2], [3]], np.zeros(3), [1, 2, np.nan, 4], [1, 2, 3, 1e10], None])
def test_what_is_no_array(value):
    with pytest.raises(CaptureError) as caught:
        as_array(ORIGIN, Path("a"), "it", value, 4)
    assert caught.value.code == "dataset_broken"


def test_folders(tmp_path):
    (tmp_path / "b").mkdir()
    assert folder_of(ORIGIN, tmp_path, "a", "b") == tmp_path / "b"
    (tmp_path / "Made.TAR.GZ").touch()
    with pytest.raises(CaptureError, match=r"no folder a\b.*Made.TAR.GZ is there, but it has to be unpacked"):
        folder_of(ORIGIN, tmp_path, "a", "c")


@pytest.mark.parametrize("protocol", [0, 2])
def test_pickles_of_python_2(tmp_path, protocol):
    arrays = [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.zeros((0, 3), np.float32)]
    record = {"a": arrays, "b": arrays[0], "name": "caf\xe9", "n": 3, "other": [None, 2.5]}
    (tmp_path / "a.pkl").write_bytes(Python2Pickle(protocol).written(record))
    held = read_pickled_lists(tmp_path / "a.pkl", ("a", "b", "name", "other", "none"))
    assert held.keys() == {"a", "b", "name", "other"}
    for ours, theirs in zip(held["a"], arrays, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.tolist() == theirs.tolist()
    assert held["name"] == "caf\xe9"
    assert held["other"] == [None, 2.5]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pickles_of_python_3(tmp_path, protocol):
    record = {"a": [np.arange(4, dtype=">i2"), np.float64(2.5)], "deep": [[[[[[1]]]]]], "dict": {}}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(record, protocol))
    if protocol == 5:  # numpy writes arrays with a function of its own there, and no dataset is written so
        with pytest.raises(ValueError):
            read_pickled_lists(tmp_path / "a.pkl", ("a",))
        return
    array, number = read_pickled_lists(tmp_path / "a.pkl", ("a",))["a"]
    assert array.tolist() == [0, 1, 2, 3]
    assert number == 2.5
    for name in ("deep", "dict"):
        with pytest.raises(ValueError):
            read_pickled_lists(tmp_path / "a.pkl", (name,))
