# SPDX-License-Identifier: MIT
"""Files of runs: whole or not there, read without running anything, and averages of weights."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from backend.training.state import Average, read_whole, write_whole
from vibe_blender.contract.errors import CaptureError


def test_what_was_written_is_read(tmp_path) -> None:
    path = tmp_path / "new folder" / "état 人.pt"
    write_whole(path, {"version": 1, "values": torch.arange(3), "best": float("inf")})
    read = read_whole(path)
    assert torch.equal(read["values"], torch.arange(3))
    assert read["best"] == float("inf")
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_who_is_killed_while_writing_finds_the_file_before(tmp_path, monkeypatch) -> None:
    path = tmp_path / "state.pt"
    write_whole(path, {"version": 1, "value": 1})

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, {"version": 1, "value": 2})
    assert read_whole(path)["value"] == 1
    monkeypatch.undo()
    write_whole(path, {"version": 1, "value": 3})
    assert read_whole(path)["value"] == 3


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made by a file",)


def test_files_of_strangers_are_refused_and_run_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "state.pt"
    for content in (b"", b"PK\x03\x04 torn", pickle.dumps(Evil(), 2), pickle.dumps({"version": 1}, 2)[:-3]):
        path.write_bytes(content)
        with pytest.raises(CaptureError) as raised:
            read_whole(path)
        assert raised.value.code == "state_broken"
    torch.save({"version": 1, "evil": Evil()}, path)
    with pytest.raises(CaptureError):
        read_whole(path)
    torch.save({"version": 2}, path)
    with pytest.raises(CaptureError, match="another program"):
        read_whole(path)
    torch.save([1], path)
    with pytest.raises(CaptureError, match="another program"):
        read_whole(path)
    assert not Path("made by a file").exists()


def test_an_average_follows_slowly_and_stands_in_for_a_while() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    average = Average(network, 0.75)
    expected = 0.0
    for value in (1.0, 1.0, 5.0):
        nn.init.constant_(network.weight, value)
        average.follow(network)
        expected = 0.75 * expected + 0.25 * value
    with average.instead_of(network):
        assert network.weight.item() == pytest.approx(expected)
    assert network.weight.item() == 5.0


def test_without_decay_the_average_is_the_network() -> None:
    network = nn.Linear(1, 1, bias=False)
    average = Average(network, 0.0)
    nn.init.constant_(network.weight, 3.0)
    average.follow(network)
    assert float(average.values["weight"]) == 3.0
    with average.instead_of(network):
        assert network.weight.item() == 3.0
