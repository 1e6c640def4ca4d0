# SPDX-License-Identifier: MIT
from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend import flow_networks
from backend.flow_networks import load_raft
from tests.moving_pictures import SIDE_PX, noise, pixels
from vibe_blender.contract.errors import CaptureError


@pytest.fixture(scope="module")
def raft() -> Any:
    """torchvision's networks of optical flow."""
    try:
        return importlib.import_module("torchvision.models.optical_flow")
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"torchvision is not there, or for another PyTorch: {error}")


def weights(raft: Any, size: str, path: Path) -> torch.nn.Module:
    """A network with random weights, and a file of them as torchvision publishes them."""
    torch.manual_seed(3)
    network = getattr(raft, size)(weights=None, progress=False).eval()
    torch.save(network.state_dict(), path)
    return network


@pytest.mark.parametrize("size", ["raft_small", "raft_large"])
def test_the_flow_is_what_the_network_says_of_now_and_before(raft: Any, size: str, tmp_path: Path) -> None:
    network = weights(raft, size, tmp_path / "weights ü.pth")
    grid = pixels(SIDE_PX, SIDE_PX)
    now, before = np.stack([noise(grid + 3), noise(grid + 1, 2)]), np.stack([noise(grid), noise(grid, 2)])
    method = load_raft(tmp_path / "weights ü.pth", torch.device("cpu"))
    assert method.name == size
    found = method.backward(now, before)
    assert found.shape == (2, 2, 56, 56)
    assert found.dtype == np.float16
    with torch.inference_mode():
        shown = [torch.from_numpy(each).permute(0, 3, 1, 2) / 127.5 - 1 for each in (now, before)]
        means = torch.nn.functional.avg_pool2d(network(*shown)[-1], 4).numpy()
    assert np.abs(means).max() > 1
    assert found == pytest.approx(means, rel=5e-3, abs=5e-3 * np.abs(means).max())
    dark = now.copy()
    dark[:, :8] = 0
    assert not method.backward(dark, before)[:, :, :2].any()


def test_other_files_are_refused(raft: Any, tmp_path: Path) -> None:
    network = weights(raft, "raft_small", tmp_path / "a.pth")
    whole, state = (tmp_path / "a.pth").read_bytes(), network.state_dict()

    def code(content: object) -> str:
        path = tmp_path / "b.pth"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(CaptureError) as caught:
            load_raft(path)
        assert str(path) in caught.value.message or path.name in caught.value.message
        return caught.value.code

    name = next(iter(state))
    assert code({**state, "more": torch.zeros(1)}) == "checkpoint_mismatch"
    assert code({key: value for key, value in state.items() if key != name}) == "checkpoint_mismatch"
    assert code({**state, name: state[name][:1]}) == "checkpoint_mismatch"
    assert code({**state, name: "text"}) == "checkpoint_mismatch"
    assert code([1, 2]) == "checkpoint_mismatch"
    assert code({**state, name: state[name] * torch.nan}) == "checkpoint_damaged"
    assert code(whole[: len(whole) // 2]) == "checkpoint_damaged"
    assert code(b"no checkpoint") == "checkpoint_damaged"
    assert code(pickle.dumps(print)) in ("checkpoint_damaged", "checkpoint_unsafe")
    with pytest.raises(CaptureError) as caught:
        load_raft(tmp_path / "none.pth")
    assert caught.value.code == "checkpoint_missing"
    assert "download.pytorch.org" in caught.value.hint


def test_without_torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        flow_networks.importlib.util, "find_spec", lambda name: None if name == "torchvision" else found(name)
    )
    with pytest.raises(CaptureError) as caught:
        load_raft(tmp_path / "none.pth")
    assert caught.value.code == "torchvision_missing"
    assert "vibe-for-blender[flow]" in caught.value.hint


def test_a_torchvision_of_another_pytorch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(flow_networks.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(flow_networks.importlib, "import_module", fail)
    with pytest.raises(CaptureError) as caught:
        load_raft(tmp_path / "none.pth")
    assert caught.value.code == "torchvision_missing"
    assert "torchvision::nms" in caught.value.message
    assert torch.__version__ in caught.value.hint
