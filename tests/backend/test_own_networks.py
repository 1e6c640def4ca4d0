# SPDX-License-Identifier: MIT
"""Networks of our own as files: whole or not there, read strictly and without running anything."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from backend.networks.dts_vibe import DtsVibe
from backend.networks.frame_based import FrameBased
from backend.networks.tcmr import Tcmr
from backend.networks.vibe import Vibe
from backend.own_networks import (
    Architecture,
    DtsVibeOptions,
    TcmrOptions,
    build,
    read_own,
    read_whole,
    save_own,
    write_whole,
)
from vibe_blender.contract.errors import CaptureError

KINDS = {
    Architecture("gru", 32): Vibe,
    Architecture("none", 32): FrameBased,
    Architecture("tcmr", 32, tcmr=TcmrOptions(residual=True)): Tcmr,
    Architecture("dts-vibe", 32, dts_vibe=DtsVibeOptions("grid", "gru", "iterative")): DtsVibe,
    Architecture("dts-vibe", 32, dts_vibe=DtsVibeOptions("none")): DtsVibe,
}


@pytest.mark.parametrize("architecture", KINDS)
def test_a_network_is_read_again(tmp_path, architecture) -> None:
    path, network = tmp_path / "é 好.pt", build(architecture)
    save_own(path, network.state_dict(), architecture, "landmarks", 8, "{}")
    read = read_own(path)
    assert type(read.network) is KINDS[architecture]
    assert not read.network.training
    assert (read.architecture, read.features, read.frames) == (architecture, "landmarks", 8)
    held = network.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in read.network.state_dict().items())


def test_widths_are_those_asked_for() -> None:
    assert build(Architecture("gru", 48)).encoder.gru.hidden_size == 48
    assert build(Architecture("tcmr", 48)).encoder.gru_cur.hidden_size == 48
    assert build(Architecture("dts-vibe", 48)).rgb.out_features == 24
    for width in (0, 15, 40, 1 << 14):
        with pytest.raises(CaptureError, match=r"model\.hidden"):
            Architecture("gru", width)


def test_other_files_are_no_networks(tmp_path) -> None:
    def refused(record: dict[str, object] | None) -> CaptureError:
        path = tmp_path / "other.pt"
        if record is not None:
            write_whole(path, record)
        with pytest.raises(CaptureError) as raised:
            read_own(path)
        assert "other.pt" in raised.value.message
        return raised.value

    assert refused(None).code == "network_missing"
    whole = {
        "kind": "vibe-network", "version": 2, "architecture": {"encoder": "none", "hidden": 32}, "features": "spin",
        "frames": 16, "settings": "{}", "gen_state_dict": build(Architecture("none", 32)).state_dict(),
    }  # fmt: skip
    write_whole(tmp_path / "whole.pt", whole)
    read_own(tmp_path / "whole.pt")
    for name, value in (
        ("kind", "vibe-training"), ("version", 1), ("features", "bones"), ("features", [1]), ("frames", 0),
        ("frames", True), ("architecture", {"encoder": "lstm"}), ("architecture", 3), ("gen_state_dict", {}),
        ("gen_state_dict", 3), ("architecture", {"encoder": "none", "hidden": 48}),
    ):  # fmt: skip
        assert refused({**whole, name: value}).code == "network_other", name
        assert refused({key: part for key, part in whole.items() if key != name}).code == "network_other", name
    weights = whole["gen_state_dict"]
    name = "regressor.fc1.weight"
    for value, said in (
        ({**weights, name: weights[name] * float("nan")}, "not numbers"),
        ({**weights, "x\n": weights[name]}, "not have"),
        ({key: part for key, part in weights.items() if key != name}, f"lacks {name}"),
        ({**weights, name: weights[name].double()}, "not of the shape"), ({**weights, name: 3}, "not of the shape"),
    ):  # fmt: skip
        assert said in refused({**whole, "gen_state_dict": value}).message
    small = Architecture("tcmr", 32)
    tcmr = {"architecture": {"encoder": "tcmr", "hidden": 32}, "gen_state_dict": build(small).state_dict(), "frames": 2}
    assert "windows of 2 frames" in refused({**whole, **tcmr}).message
    large = {"architecture": {"encoder": "tcmr", "hidden": 8192}}  # 12 GB, were it built before it is compared
    assert refused({**whole, **large}).code == "network_other"
    (tmp_path / "other.pt").write_bytes(b"PK torn")
    assert refused(None).code == "network_broken"


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
        with pytest.raises(ValueError):
            read_whole(path)
    torch.save({"version": 1, "evil": Evil()}, path)
    with pytest.raises(ValueError):
        read_whole(path)
    torch.save([1], path)
    with pytest.raises(ValueError, match="another program"):
        read_whole(path)
    assert not Path("made by a file").exists()
