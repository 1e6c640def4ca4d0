# SPDX-License-Identifier: MIT
"""Pickles read as data: every protocol as Python itself reads it, everything unwanted refused, nothing called."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from backend.body import pickled_arrays
from backend.body.pickled_arrays import UnsafePickleError, read_pickled_arrays
from tests.published_bodies import Chumpy, Python2Pickle, Sparse, make_smpl_pkl

REPOSITORY = Path(__file__).resolve().parents[3]


def read(tmp_path: Path, content: bytes, *names: str) -> dict[str, np.ndarray]:
    path = tmp_path / "体 model.pkl"
    path.write_bytes(content)
    return read_pickled_arrays(path, names)


@pytest.fixture
def chumpy(monkeypatch):
    """A module that stands for chumpy, so that Python's own unpickler can be the peer."""
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    for module, name in (("chumpy.ch", "Ch"), ("chumpy.reordering", "Select"), ("chumpy.reordering", "transpose")):
        setattr(sys.modules[module], name, type(name, (), {}))


@pytest.mark.parametrize("protocol", [0, 2])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_made_file_is_one_that_python_itself_can_read(tmp_path, chumpy, protocol):
    arrays = make_smpl_pkl(tmp_path / "smpl.pkl", protocol=protocol)
    with (tmp_path / "smpl.pkl").open("rb") as file:
        loaded = pickle.load(file, encoding="latin1")
    assert type(loaded["shapedirs"]).__name__ == ("Ch" if protocol else "Select")
    assert loaded["posedirs"].flags.f_contiguous
    for name in ("v_template", "posedirs", "weights", "kintree_table", "f"):
        np.testing.assert_array_equal(loaded[name], arrays[name])
    assert scipy.sparse.issparse(loaded["J_regressor"])
    np.testing.assert_array_equal(loaded["J_regressor"].toarray(), arrays["J_regressor"])


@pytest.mark.parametrize("protocol", [0, 2])
def test_python_2_files_bit_for_bit(tmp_path, protocol):
    arrays = make_smpl_pkl(tmp_path / "smpl.pkl", protocol=protocol)
    assert "chumpy" not in sys.modules
    found = read_pickled_arrays(tmp_path / "smpl.pkl", [*arrays, "not there"])
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_python_3_files_of_every_protocol(tmp_path, protocol):
    random = np.random.default_rng(1)
    sparse = scipy.sparse.random(24, 100, density=0.1, format="csc", random_state=2)
    record = {
        "rows": random.normal(size=(3, 4)), "columns": np.asfortranarray(random.normal(size=(3, 4, 2))),
        "bytes": np.arange(256).astype(np.uint8), "big": np.arange(5, dtype=">i4"),
        "none": np.zeros((0, 3), np.float32),
        "yes": np.array([True, False]), "sparse": sparse, "words": {"a": {1, 2}, 5: [np.float64(3)]},
    }  # fmt: skip
    names = ("rows", "columns", "bytes", "big", "none", "yes", "sparse")
    found = read(tmp_path, pickle.dumps(record, protocol=protocol), *names)
    np.testing.assert_array_equal(found.pop("sparse"), sparse.toarray())
    for name, array in found.items():
        np.testing.assert_array_equal(array, record[name])
        assert array.dtype == record[name].dtype.newbyteorder("=")


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def calls(witness: Path) -> dict[str, bytes]:
    """Pickles that would make a file, each in another way, and some that only look odd."""
    import os

    make = f"open({str(witness)!r}, 'w').close()"
    return {
        "os.system": pickle.dumps({"v_template": Runs(os.system, f'{sys.executable} -c "{make}"')}, protocol=2),
        "eval": pickle.dumps(Runs(eval, make), protocol=4),
        "exec, text": pickle.dumps(Runs(exec, make), protocol=0),
        "open": pickle.dumps(Runs(open, str(witness), "w"), protocol=5),
        "old instance": b"(S" + repr(str(witness)).encode() + b"\nS'w'\niio\nopen\n.",
        "object opcode": b"(cio\nopen\nS" + repr(str(witness)).encode() + b"\nS'w'\no.",
        "subprocess": pickle.dumps(Runs(subprocess.call, [sys.executable, "-c", make])),
        "after the arrays": pickle.dumps({"v_template": np.zeros(3), "x": Runs(eval, make)}),
        "attribute of numpy": b"cnumpy\nload\n(S'x'\ntR.",
        "persistent": b"Pwhere\n.",
        "extension": b"\x80\x02\x82\x01.",
        "call of a list": b"](tR.",
        "state of a class": b"\x80\x02cnumpy\nndarray\nN}U\x01aK\x01s\x86b.",
    }


@pytest.mark.parametrize("case", list(calls(Path("w"))))
def test_what_would_run_code_is_refused_and_nothing_runs(tmp_path, case):
    witness = tmp_path / "witness"
    content = calls(witness)[case]
    with pytest.raises(UnsafePickleError):
        read(tmp_path, content, "v_template")
    assert not witness.exists()


@pytest.mark.parametrize(
    "case", ["os.system", "eval", "exec, text", "open", "old instance", "object opcode", "subprocess"]
)
def test_those_pickles_do_run_code_where_they_are_loaded(tmp_path, case):
    witness = tmp_path / "witness"
    loaded = pickle.loads(calls(witness)[case])
    if isinstance(loaded, io.IOBase):
        loaded.close()
    assert witness.exists()


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_file_cut_off_anywhere_is_told(tmp_path, protocol):
    make_smpl_pkl(tmp_path / "smpl.pkl", protocol=protocol)
    content = (tmp_path / "smpl.pkl").read_bytes()
    for length in (0, 1, 2, 3, 50, 1000, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError) as caught:
            read(tmp_path, content[:length], "v_template")
        assert not isinstance(caught.value, UnsafePickleError)


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html>quota exceeded</html>",
        b"\x80\x02]q\x01.",
        b".",
        b"e.",
        b"(0.",
        b"((01",
        b"h\x07.",
        b"K\x01(s.",
        b"K\x01K\x02s.",
        b"}K\x01K\x02(s.",
        b"}(K\x01u.",
        b"S'abc\n.",
        b"Inonsense\n.",
        b"L" + b"9" * 5000 + b"L\n.",
        b"\x8b\xff\xff\xff\xffxx",
        b"\xff",
    ],
)
def test_nonsense_is_told(tmp_path, content):
    with pytest.raises(ValueError):
        read(tmp_path, content, "v_template")


def array_of(shape=(3,), dtype="f8", order="<", content=b"\0" * 24) -> bytes:
    """A pickled dict with one array, as Python 2 writes it, that may not be in order."""
    pickled = Python2Pickle(2)
    pickled.out += b"}U\x01xcnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    pickled.put((0,))
    pickled.put("b")
    pickled.out += b"tR("
    pickled.put(1)
    pickled.put(shape)
    pickled.out += b"cnumpy\ndtype\n"
    pickled.put((dtype, 0, 1))
    pickled.out += b"R"
    pickled.put((3, order, None, None, None, -1, -1, 0))
    pickled.out += b"b"
    pickled.put(False)
    pickled.put(content)
    return bytes(pickled.out + b"tbs.")


class TestArraysOutOfOrder:
    def test_one_in_order(self, tmp_path):
        np.testing.assert_array_equal(read(tmp_path, array_of(), "x")["x"], np.zeros(3))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"shape": (4,)},
            {"shape": (-3,)},
            {"shape": (2**31 - 1,) * 3},
            {"shape": (1,) * 9},
            {"shape": [3]},
            {"shape": (3.0,)},
            {"dtype": "O"},
            {"dtype": "V8"},
            {"dtype": "U2"},
            {"dtype": "f8,f8"},
            {"order": "?"},
            {"content": 5},
        ],
    )
    def test_one_out_of_order(self, tmp_path, wrong):
        with pytest.raises(ValueError, match="'x' is no array of numbers"):
            read(tmp_path, array_of(**wrong), "x")

    @pytest.mark.parametrize("value", [[1, 2], "word", {"a": 1}, 5, None, Chumpy("chumpy.ch", "Ch", {})])
    def test_what_is_no_array(self, tmp_path, value):
        with pytest.raises(ValueError, match="'x' is no array of numbers"):
            read(tmp_path, Python2Pickle(2).written({"x": value}), "x")

    def test_an_expression_of_chumpy_that_is_not_known(self, tmp_path):
        value = Chumpy("chumpy.ch_ops", "add", {"a": np.zeros(3)})
        with pytest.raises(ValueError, match=r"chumpy\.ch_ops\.add"):
            read(tmp_path, Python2Pickle(2).written({"x": value}), "x")

    def test_an_expression_that_holds_itself(self, tmp_path):
        content = b"\x80\x02}U\x01xcchumpy.ch\nCh\n)\x81q\x01}U\x01xh\x01sbs."
        with pytest.raises(ValueError, match="'x' is no array of numbers"):
            read(tmp_path, content, "x")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"_shape": (10**6, 10**6)},
            {"_shape": (3,)},
            {"indptr": np.array([0, 1, 1, 9], np.int32)},
            {"indptr": np.array([0, 2, 1, 2], np.int32)},
            {"indices": np.array([0, 7], np.int32)},
            {"indices": np.array([0, -1], np.int32)},
            {"indices": np.array([0.0, 1.0])},
            {"data": np.zeros(5)},
        ],
    )
    def test_a_sparse_one_out_of_order(self, tmp_path, wrong):
        sparse = Sparse(np.array([[1.0, 0, 0], [0, 0, 2.0]]))
        np.testing.assert_array_equal(
            read(tmp_path, Python2Pickle(2).written({"x": sparse}), "x")["x"], [[1, 0, 0], [0, 0, 2]]
        )
        sparse.state.update(wrong)
        with pytest.raises(ValueError, match="'x' is no array of numbers"):
            read(tmp_path, Python2Pickle(2).written({"x": sparse}), "x")


class TestMemory:
    def peak(self, tmp_path, content: bytes) -> int:
        path = tmp_path / "bomb.pkl"
        path.write_bytes(content)
        del content
        tracemalloc.start()
        try:
            with pytest.raises(ValueError):
                read_pickled_arrays(path, ["x"])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize(
        "content",
        [
            b"\x80\x02N" + b"r\xff\xff\xff\x7f" + b".",  # a place in the memo that C would make room for
            b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x",
            b"T\xff\xff\xff\x7fx",
            array_of(shape=(2**30,)),
            b"\x80\x02]" + b"q\x01h\x01h\x01\x86" * 2000 + b".",  # tuples of tuples: 2 ** 2000 leaves
        ],
    )
    def test_little_is_taken_whatever_is_claimed(self, tmp_path, content):
        assert self.peak(tmp_path, content) < 4 << 20

    def test_a_file_too_large_is_not_opened(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pickled_arrays, "LARGEST_FILE", 100)
        with pytest.raises(ValueError, match="more than any body model"):
            read(tmp_path, b"x" * 101)
