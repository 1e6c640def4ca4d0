# SPDX-License-Identifier: MIT
"""One process is a group of one; what torchrun says is believed only where it makes sense."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from backend.training.distributed import Place, anybody, device_of, joined, own_place, shared_mean, together
from vibe_blender.contract.errors import CaptureError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def nobody_started_us(monkeypatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def test_a_process_alone_leads_and_shares_nothing() -> None:
    assert own_place() is None
    with joined(CPU) as place:
        assert place == Place(0, 1, 0)
        assert place.leads
        network = nn.Linear(2, 2)
        assert together(network, place) is network
        value = torch.tensor(3.0, requires_grad=True)
        assert shared_mean(value) == 3.0
        assert not shared_mean(value).requires_grad
        assert anybody(torch.tensor(True))
        assert not anybody(torch.tensor(False))


def test_a_place_is_read_from_what_torchrun_says(monkeypatch) -> None:
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert own_place() == Place(3, 4, 1)
    assert not own_place().leads


@pytest.mark.parametrize("said", [{"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, {"RANK": "0"}])
def test_half_a_group_is_refused(monkeypatch, said) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CaptureError) as raised:
        own_place()
    assert raised.value.code == "not_joined"


def test_devices(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto", 0) == device_of("cpu", 3) == CPU
    for name in ("cuda", "tpu"):
        with pytest.raises(CaptureError, match="no device"):
            device_of(name, 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert device_of("auto", 1) == torch.device("cuda", 1)
    assert chosen == [1]
    with pytest.raises(CaptureError, match="no GPU number 2"):
        device_of("cuda", 2)
