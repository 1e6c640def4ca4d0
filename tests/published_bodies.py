# SPDX-License-Identifier: MIT
"""Made bodies in the published files' layouts: SMPL pickles as Python 2 wrote them, and joint regressors."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from vibe_blender.contract.skeleton import PARENTS, REST_JOINTS

VERTICES = 6890


def make_arrays(seed: int = 0, shapes: int = 10) -> dict[str, np.ndarray]:
    """A body of SMPL's size that is none: points around our own rest joints, moved by random shapes."""
    random = np.random.default_rng(seed)
    near = random.integers(0, 24, VERTICES)
    weights = np.zeros((VERTICES, 24))
    weights[np.arange(VERTICES), near] = 0.75
    weights[np.arange(VERTICES), np.maximum(0, np.array(PARENTS))[near]] += 0.25
    regressor = np.zeros((24, VERTICES))
    for joint in range(24):
        chosen = np.flatnonzero(near == joint)[:40]
        regressor[joint, chosen] = random.dirichlet(np.ones(len(chosen)))
    return {
        "v_template": REST_JOINTS[near] + random.normal(scale=0.05, size=(VERTICES, 3)),
        "shapedirs": random.normal(scale=0.01, size=(VERTICES, 3, shapes)),
        "posedirs": random.normal(scale=0.002, size=(VERTICES, 3, 207)),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(24)], np.uint32),
        "f": random.integers(0, VERTICES, (13776, 3)).astype(np.uint32),
    }


def make_smpl_pkl(path: Path, seed: int = 0, *, protocol: int = 2, shapes: int = 10) -> dict[str, np.ndarray]:
    """Writes a made body as the authors' Python 2 wrote theirs, and returns its arrays.

    ``shapedirs`` is an array of chumpy's (protocol 0: a selection of one), ``posedirs`` lies in columns,
    ``J_regressor`` is sparse, and there are entries that nobody needs.
    """
    arrays = make_arrays(seed, shapes)
    shape_value = Chumpy("chumpy.ch", "Ch", {"x": arrays["shapedirs"], "_dirty_vars": [], "dterms": ("x",)})
    if protocol == 0:
        doubled = np.concatenate([arrays["shapedirs"][::-1], arrays["shapedirs"]])
        state = {
            "a": Chumpy("chumpy.ch", "Ch", {"x": doubled}),
            "idxs": np.arange(doubled.size // 2, doubled.size),
            "preferred_shape": arrays["shapedirs"].shape,
        }
        shape_value = Chumpy("chumpy.reordering", "Select", state)
    record = {
        "J": Chumpy("chumpy.reordering", "transpose", {"axes": None}),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "pose_training_info": {"names": ["p\xe9", "q"], 3: 4.5},
        **arrays,
        "posedirs": np.asfortranarray(arrays["posedirs"]),
        "J_regressor": Sparse(arrays["J_regressor"]),
        "shapedirs": shape_value,
    }
    path.write_bytes(Python2Pickle(protocol).written(record))
    return arrays


def make_regressors(folder: Path, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Writes the two joint regressors, and returns them: (9, 6890) and (17, 6890)."""
    random = np.random.default_rng(seed)
    made = []
    for name, joints in (("J_regressor_extra.npy", 9), ("J_regressor_h36m.npy", 17)):
        weights = np.zeros((joints, VERTICES))
        for joint in range(joints):
            weights[joint, random.choice(VERTICES, 30, replace=False)] = random.dirichlet(np.ones(30))
        np.save(folder / name, weights)
        made.append(weights)
    return made[0], made[1]


class Chumpy:
    """What shall become an object of a class of chumpy's with this state."""

    def __init__(self, module: str, name: str, state: dict[str, Any]) -> None:
        self.module, self.name, self.state = module, name, state


class Sparse:
    """What shall become scipy's sparse array in columns, as old versions of scipy wrote it."""

    def __init__(self, dense: np.ndarray) -> None:
        columns, rows = np.nonzero(dense.T)
        starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=dense.shape[1]))])
        self.state = {
            "_shape": dense.shape,
            "indptr": starts.astype(np.int32),
            "indices": rows.astype(np.int32),
            "data": dense[rows, columns],
            "maxprint": 50,
        }


class Python2Pickle:
    """Writes opcodes as cPickle of Python 2 does in protocol 0 (text) and 2; text strings are its byte strings."""

    def __init__(self, protocol: int) -> None:
        assert protocol in (0, 2)
        self.text = protocol == 0
        self.out = bytearray(b"" if self.text else b"\x80\x02")
        self.memo = 0

    def written(self, value: Any) -> bytes:
        """The whole pickle."""
        self.put(value)
        return bytes(self.out + b".")

    def put(self, value: Any) -> None:
        """Writes one value."""
        match value:
            case None:
                self.out += b"N"
            case bool():
                self.out += (b"I01\n" if value else b"I00\n") if self.text else (b"\x88" if value else b"\x89")
            case int():
                self.out += b"I%d\n" % value if self.text else b"J" + struct.pack("<i", value)
            case float():
                self.out += b"F%r\n" % value if self.text else b"G" + struct.pack(">d", value)
            case str():
                self.string(value.encode("latin-1"))
            case bytes():
                self.string(value)
            case tuple():
                self.tuple(value)
            case list():
                self.out += b"(l" if self.text else b"]"
                self.remember()
                for item in value:
                    self.put(item)
                    self.out += b"a"
            case dict():
                self.dict(value)
            case Chumpy():
                self.object(value.module, value.name, value.state)
            case Sparse():
                self.object("scipy.sparse.csc", "csc_matrix", value.state)
            case np.ndarray():
                self.array(value)
            case _:
                raise TypeError(type(value))

    def string(self, content: bytes) -> None:
        if self.text:
            self.out += b"S" + repr(content)[1:].encode() + b"\n"
        elif len(content) < 256:
            self.out += b"U" + struct.pack("<B", len(content)) + content
        else:
            self.out += b"T" + struct.pack("<i", len(content)) + content
        self.remember()

    def tuple(self, items: tuple[Any, ...]) -> None:
        if self.text or not 1 <= len(items) <= 3:
            self.out += b"("
        for item in items:
            self.put(item)
        self.out += b"t" if self.text or not 1 <= len(items) <= 3 else bytes([0x84 + len(items)])
        self.remember()

    def dict(self, items: dict[Any, Any]) -> None:
        self.out += b"(d" if self.text else b"}"
        self.remember()
        if not self.text:
            self.out += b"("
        for key, value in items.items():
            self.put(key)
            self.put(value)
            if self.text:
                self.out += b"s"
        if not self.text:
            self.out += b"u"

    def name(self, module: str, name: str) -> None:
        self.out += f"c{module}\n{name}\n".encode()

    def object(self, module: str, name: str, state: dict[str, Any]) -> None:
        """As copy_reg does: by the class alone in protocol 2, rebuilt from ``object`` in protocol 0."""
        if self.text:
            self.name("copy_reg", "_reconstructor")
            self.out += b"("
            self.name(module, name)
            self.name("__builtin__", "object")
            self.out += b"NtR"
        else:
            self.name(module, name)
            self.out += b")\x81"
        self.remember()
        self.put(state)
        self.out += b"b"

    def array(self, value: np.ndarray) -> None:
        self.name("numpy.core.multiarray", "_reconstruct")
        self.out += b"("
        self.name("numpy", "ndarray")
        self.put((0,))
        self.put("b")
        self.out += b"tR"
        self.remember()
        self.out += b"("
        self.put(1)
        self.put(value.shape)
        self.name("numpy", "dtype")
        self.put((value.dtype.str[1:], 0, 1))
        self.out += b"R"
        self.put((3, value.dtype.str[0], None, None, None, -1, -1, 0))
        self.out += b"b"
        by_columns = value.flags.f_contiguous and not value.flags.c_contiguous
        self.put(bool(by_columns))
        self.put(value.tobytes(order="F" if by_columns else "C"))
        self.out += b"tb"

    def remember(self) -> None:
        self.memo += 1
        self.out += b"p%d\n" % self.memo if self.text else b"r" + struct.pack("<I", self.memo)
