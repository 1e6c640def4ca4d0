# SPDX-License-Identifier: MIT
from __future__ import annotations

import io
import os
import pickle
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.torch_files import DeclaredTensor, declared
from tests.published_files import save
from vibe_blender.contract.errors import CaptureError

CONTENT = {
    "state": OrderedDict(weight=torch.arange(6.0).reshape(2, 3), count=torch.tensor(3), half=torch.zeros(4).half()),
    "performance": np.float64(56.5),
    "step": 7,
    "rate": 0.5,
    "betas": (0.9, 0.999),
    "order": [3, 300, 70_000, 2**40],
    "nothing": None,
    "yes": True,
}


class Storage:
    """Says in a pickle that there are so many numbers in a file."""

    def __init__(self, key: str, count: int) -> None:
        self.key, self.count = key, count


class Tensor:
    """Says in a pickle that a tensor lies so in a storage."""

    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple) -> None:
        self.arguments = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, self.arguments


class Call:
    """Says in a pickle that loading it should call something."""

    def __init__(self, function, *arguments) -> None:
        self.said = (function, arguments)

    def __reduce__(self):
        return self.said


class Pickler(pickle.Pickler):
    def persistent_id(self, value: object):
        return ("storage", torch.FloatStorage, value.key, "cpu", value.count, None) if type(value) is Storage else None


def written(path: Path, content: object, keys: list[str] = (), data: bytes = b"", protocol: int = 2) -> Path:  # type: ignore[assignment]
    """A file in the older format that may say anything."""
    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=protocol).dump(content)
        pickle.dump(list(keys), file, protocol=2)
        file.write(data)
    return path


def read(path: Path) -> object:
    with path.open("rb") as file:
        return declared(file, path.name)


def refused(path: Path, code: str = "checkpoint_damaged") -> str:
    """What is said about a file that must not be read, which must not take memory."""
    tracemalloc.start()
    with pytest.raises(CaptureError) as caught:
        read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < max(1 << 20, 4 * path.stat().st_size)
    assert caught.value.code == code
    assert caught.value.message.startswith(path.name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    return caught.value.message


@pytest.mark.parametrize("zipped", [False, True])
def test_contents_are_told(tmp_path: Path, zipped: bool) -> None:
    said = read(save(CONTENT, tmp_path / "a file \u8d70.pth.tar", zipped=zipped))
    state = {
        "weight": DeclaredTensor((2, 3), "float32"),
        "count": DeclaredTensor((), "int64"),
        "half": DeclaredTensor((4,), "float16"),
    }
    assert isinstance(said, dict)
    assert said.pop("performance") is not None
    assert said == {**{key: value for key, value in CONTENT.items() if key != "performance"}, "state": state}


@pytest.mark.parametrize("zipped", [False, True])
def test_tensors_may_share_a_storage(tmp_path: Path, zipped: bool) -> None:
    flat = torch.arange(12.0)  # as cuDNN lays the weights of a GRU
    content = {"a": flat[:6].view(2, 3), "b": flat[6:], "c": flat[::2], "wide": flat[:1].expand(1000), "none": flat[:0]}
    said = read(save(content, tmp_path / "shared.pth", zipped=zipped))
    assert {key: value.shape for key, value in said.items()} == {key: value.shape for key, value in content.items()}


@pytest.mark.parametrize("scalar", [np.float32(1), np.float64(1), np.int64(1), np.bool_(True)])
@pytest.mark.parametrize("old", [True, False])
def test_numbers_of_numpy_are_no_harm(tmp_path: Path, scalar: np.generic, old: bool) -> None:
    path = written(tmp_path / "scalar.pth", {"performance": scalar})
    content, ours = path.read_bytes(), np.float64.__reduce__(np.float64(0))[0].__module__.encode()
    path.write_bytes(content.replace(ours, b"numpy.core.multiarray" if old else b"numpy._core.multiarray"))
    assert list(read(path)) == ["performance"]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_cut_anywhere_is_damaged(tmp_path: Path, zipped: bool) -> None:
    whole = save(CONTENT, tmp_path / "whole.pth", zipped=zipped).read_bytes()
    path = tmp_path / "cut.pth"
    for length in (*range(0, len(whole), 7), len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(whole + b"more")
    if not zipped:
        assert f"it has {len(whole) + 4} bytes instead of {len(whole)}" in refused(path)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_changed_byte_is_no_surprise(tmp_path: Path, zipped: bool) -> None:
    whole = bytearray(save(CONTENT, tmp_path / "whole.pth", zipped=zipped).read_bytes())
    chance = np.random.default_rng(3)
    refusals = 0
    for place in range(0, len(whole), 2):
        changed = whole.copy()
        changed[place] = chance.integers(256)
        try:
            declared(io.BytesIO(changed), "changed.pth")
        except CaptureError:
            refusals += 1
    assert refusals > 0


def test_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "page.pth.tar"
    for content in (b"", b"<!DOCTYPE html><html>", b"\0" * 1000, b"PK\x03\x04", pickle.dumps({"a": 1}), b"\x80"):
        path.write_bytes(content)
        refused(path)
    np.savez(path.with_suffix(".npz"), a=np.arange(3))
    assert "zip archive of something else" in refused(path.with_suffix(".npz"))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("place", ["bare", "older", "zipped"])
def test_what_would_run_something_is_named_and_not_run(tmp_path: Path, protocol: int, place: str) -> None:
    marker = tmp_path / "was run"
    content = {"performance": Call(os.system, f'echo > "{marker}"')}
    path = tmp_path / "evil.pth.tar"
    if place == "bare":
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    elif place == "older":
        written(path, content, protocol=protocol)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=protocol))
    assert f"{os.system.__module__}.system" in refused(path, "checkpoint_unsafe")
    assert not marker.exists()


def test_what_torch_itself_would_allow_is_not_needed(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    for call in (Call(bytearray, 10**13), Call(torch.Tensor, 10**13), Call(torch._utils._rebuild_parameter, 1, 2, 3)):
        refused(written(path, call), "checkpoint_unsafe")


def test_numpy_makes_no_large_number(tmp_path: Path) -> None:
    path = tmp_path / "large.pth"
    scalar = np.float64.__reduce__(np.float64(0))[0]
    for call in (
        Call(np.dtype, "V2000000000", False, True),
        Call(np.dtype, "f8", False, False),
        Call(scalar, np.dtype("f8")),
        Call(scalar, np.dtype("V9"), b"123456789"),
    ):
        refused(written(path, call))


@pytest.mark.parametrize(
    ("storage", "tensor"),
    [
        (Storage("0", 10**13), (0, (10**13,), (1,))),
        (Storage("0", -1), (0, (1,), (1,))),
        (Storage("0", 2), (0, (3,), (1,))),
        (Storage("0", 2), (1, (2,), (1,))),
        (Storage("0", 2), (0, (2, 2), (1, 1))),
        (Storage("0", 2), (0, (-1,), (1,))),
        (Storage("0", 2), (0, (2,), (-1,))),
        (Storage("0", 2), (0, (1,), (1, 1))),
        (Storage("0", 2), (0, ("2",), (1,))),
        (Storage("0", 2), (0, (1,) * 100, (1,) * 100)),
    ],
)
def test_sizes_that_cannot_be_are_refused_before_anything_is_read(tmp_path: Path, storage, tensor) -> None:
    data = (2).to_bytes(8, "little") + bytes(8)
    refused(written(tmp_path / "lying.pth", Tensor(storage, *tensor), ["0"], data))


def test_whole_files_with_the_same_means_are_read(tmp_path: Path) -> None:
    data = (2).to_bytes(8, "little") + bytes(8)
    path = written(tmp_path / "honest.pth", Tensor(Storage("0", 2), 0, (2,), (1,)), ["0"], data)
    assert read(path) == DeclaredTensor((2,), "float32")


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    honest = save({"a": torch.zeros(1000)}, tmp_path / "honest.pth", zipped=True)
    with zipfile.ZipFile(honest) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    bomb = tmp_path / "bomb.pth"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        with archive.open("archive/data/1", "w") as member:
            for _ in range(64):
                member.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 20
    assert "compressed" in refused(bomb)


def test_a_zip_archive_that_counts_the_same_bytes_again_and_again_is_refused(tmp_path: Path) -> None:
    path = save({"a": torch.zeros(100_000)}, tmp_path / "honest.pth", zipped=True)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start, (data,) = archive.start_dir, [each for each in archive.infolist() if each.filename.endswith("data/0")]
    entry_at = content.index(b"PK\x01\x02", start)
    while not content[entry_at + 46 :].startswith(data.filename.encode()):
        entry_at = content.index(b"PK\x01\x02", entry_at + 4)
    following = content.find(b"PK\x01\x02", entry_at + 4)
    entry = content[entry_at : following if following > 0 else content.rindex(b"PK\x05\x06")]
    extra = b"".join(
        entry.replace(data.filename.encode(), data.filename[:-1].encode() + b"%d" % n) for n in range(1, 9)
    )
    end = bytearray(content[content.rindex(b"PK\x05\x06") :])
    count = int.from_bytes(end[8:10], "little") + 8
    end[8:10] = end[10:12] = count.to_bytes(2, "little")
    end[12:16] = (int.from_bytes(end[12:16], "little") + len(extra)).to_bytes(4, "little")
    directory = content[start : content.rindex(b"PK\x05\x06")].partition(b"PK\x06\x06")[0]
    path.write_bytes(content[:start] + directory + extra + bytes(end))
    assert "more than it has" in refused(path)


def test_a_storage_longer_than_its_member_is_refused(tmp_path: Path) -> None:
    path = save({"a": torch.zeros(1000)}, tmp_path / "short.pth", zipped=True)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:16] if name.endswith("data/0") else content)
    assert "storage 0" in refused(path)


def test_a_pickle_cannot_grow(tmp_path: Path) -> None:
    """Opcodes of one byte make objects of many, and places in the memory may be far apart."""
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}))
    path = tmp_path / "many.pth"
    path.write_bytes(head + b"\x80\x02N" + b"r" + (2**32 - 2).to_bytes(4, "little"))
    refused(path)
    path.write_bytes(head + b"\x80\x02X" + (2**32 - 2).to_bytes(4, "little") + b"text")
    refused(path)
    path.write_bytes(head + b"\x80\x02}" + b")" + b"\x85" * 10_000 + b"Ns.")
    assert "odd keys" in refused(path)


def test_what_is_said_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "rude.pth"
    path.write_bytes(b"\x80\x02c\x1b[2Jos\n" + b"x" * 10_000 + b"\n.")
    assert "\x1b" not in refused(path, "checkpoint_unsafe")
