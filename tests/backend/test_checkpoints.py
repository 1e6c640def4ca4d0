# SPDX-License-Identifier: MIT
from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.checkpoints import load_image_encoder, load_tcmr, load_vibe
from backend.networks.regressor import Regressor
from backend.networks.resnet import ResNet50
from backend.networks.tcmr import Tcmr
from backend.networks.vibe import Vibe
from tests.published_files import (
    MEAN_CAMERA,
    make_mean_params,
    make_spin,
    make_tcmr,
    make_vibe,
    random_image_encoder,
    random_tcmr,
    random_vibe,
    save,
)
from vibe_blender.contract.errors import CaptureError


class Call:
    """Says in a pickle that loading it should call something."""

    def __init__(self, function, *arguments) -> None:
        self.said = (function, arguments)

    def __reduce__(self):
        return self.said


def ones(*networks: torch.nn.Module) -> dict[str, Tensor]:
    """A state of the right names and shapes that takes little room in a file."""
    state: dict[str, Tensor] = {}
    for network in networks:
        state |= {name: torch.ones((), dtype=v.dtype).expand(v.shape) for name, v in network.state_dict().items()}
    return state


def scalar_module() -> bytes:
    """Where this numpy says that numbers are made."""
    return type(np.float64(0)).__reduce__(np.float64(0))[0].__module__.encode()


@pytest.fixture(scope="module")
def spin_state() -> dict[str, Tensor]:
    return ones(ResNet50(), Regressor())


@pytest.fixture(scope="module")
def vibe_state() -> dict[str, Tensor]:
    return ones(Vibe())


@pytest.fixture(scope="module")
def tcmr_state() -> dict[str, Tensor]:
    with torch.device("meta"):
        shapes = Tcmr().state_dict()
    return {name: torch.ones(()).expand(values.shape) for name, values in shapes.items()}


@pytest.fixture
def unread(monkeypatch) -> None:
    """Nothing of the file but its own account of itself is read."""

    def load(*_arguments, **_options):
        pytest.fail("the numbers were read")

    monkeypatch.setattr(torch, "load", load)


def refusal(load: Callable[[], object], code: str) -> str:
    with pytest.raises(CaptureError) as caught:
        load()
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    return caught.value.message


def same(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    one, other = ours.state_dict(), theirs.state_dict()
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("zipped", [False, True])
def test_published_files_become_the_networks_that_were_saved(tmp_path: Path, zipped: bool) -> None:
    folder = tmp_path / "vibe data \u8d70"
    folder.mkdir()
    encoder = load_image_encoder(make_spin(folder / "spin_model_checkpoint.pth.tar", 3, zipped=zipped))
    vibe = load_vibe(make_vibe(folder / "vibe_model_wo_3dpw.pth.tar", 4, zipped=zipped))
    assert same(encoder, random_image_encoder(3))
    assert same(vibe, random_vibe(4))
    for network in (encoder, vibe):
        assert not any(module.training for module in network.modules())
        assert all(each.device.type == "cpu" for each in network.state_dict().values())
        assert all(each.dtype == torch.float32 and each.requires_grad for each in network.parameters())
    with torch.inference_mode():
        features = encoder(torch.zeros(2, 3, 224, 224))
        bodies, _ = vibe(features[None])
        expected, _ = random_vibe(4)(random_image_encoder(3)(torch.zeros(2, 3, 224, 224))[None])
    assert torch.equal(bodies.rotations, expected.rotations)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_published_tcmr_becomes_the_network_that_was_saved(tmp_path: Path, zipped: bool) -> None:
    path = make_tcmr(tmp_path / "tcmr demo \u8d70.pth.tar", 6, zipped=zipped)
    tcmr = load_tcmr(path)
    path.unlink()
    assert same(tcmr, random_tcmr(6))
    assert sum(each.numel() for each in tcmr.parameters()) == 81_907_360
    assert not any(module.training for module in tcmr.modules())
    assert all(each.dtype == torch.float32 and each.requires_grad for each in tcmr.parameters())
    assert not tcmr.residual


def test_vibe_and_tcmr_are_not_taken_for_each_other(tmp_path: Path, unread, vibe_state, tcmr_state) -> None:
    vibe = save({"gen_state_dict": vibe_state}, tmp_path / "vibe.pth.tar")
    tcmr = save({"gen_state_dict": tcmr_state}, tmp_path / "tcmr.pth.tar")
    message = refusal(lambda: load_tcmr(vibe), "checkpoint_mismatch")
    assert "it lacks encoder.gru_cur.weight_ih_l0" in message
    assert "it should not have encoder.gru.weight_ih_l0" in message
    assert "it lacks encoder.gru.weight_ih_l0" in refusal(lambda: load_vibe(tcmr), "checkpoint_mismatch")
    for name in ("encoder.gru_cur.bias_hh_l1_reverse", "encoder.attention.attention.4.weight"):
        state = {each: values for each, values in tcmr_state.items() if each != name}
        path = save({"gen_state_dict": state}, tmp_path / "less.pth.tar")
        assert f"it lacks {name}." in refusal(lambda path=path: load_tcmr(path), "checkpoint_mismatch")
    wide = {**tcmr_state, "encoder.gru_cur.weight_ih_l1": torch.ones(()).expand(3072, 1024)}
    path = save({"gen_state_dict": wide}, tmp_path / "wide.pth.tar")
    wrong = refusal(lambda: load_tcmr(path), "checkpoint_mismatch")
    assert "encoder.gru_cur.weight_ih_l1 has the shape (3072, 1024) instead of (3072, 2048)" in wrong


def test_a_mean_body_that_is_not_in_tcmrs_file_comes_from_the_others(tmp_path: Path, tcmr_state) -> None:
    state = {name: values for name, values in tcmr_state.items() if ".init_" not in name}
    tcmr = save({"gen_state_dict": state}, tmp_path / "tcmr.pth.tar")
    mean = make_mean_params(tmp_path / "smpl_mean_params.npz", 5)
    assert "regressor.init_pose" in refusal(lambda: load_tcmr(tcmr), "checkpoint_mismatch")
    assert load_tcmr(tcmr, None, mean).regressor.init_cam.tolist() == [pytest.approx(MEAN_CAMERA)]


def test_files_from_before_batches_were_counted_are_read(tmp_path: Path, spin_state) -> None:
    state = {name: values for name, values in spin_state.items() if not name.endswith("num_batches_tracked")}
    assert len(state) == len(spin_state) - 53
    encoder = load_image_encoder(save({"model": state}, tmp_path / "spin.pth.tar"))
    assert encoder.bn1.num_batches_tracked == 0
    assert encoder.layer1[0].conv1.weight.min() == 1


def test_weights_that_lie_in_one_storage_are_apart_afterwards(tmp_path: Path, vibe_state) -> None:
    flat = torch.arange(2 * 3072.0)
    state = {**vibe_state, "encoder.gru.bias_ih_l0": flat[:3072], "encoder.gru.bias_hh_l0": flat[3072:]}
    vibe = load_vibe(save({"gen_state_dict": state}, tmp_path / "vibe.pth.tar"))
    assert torch.equal(vibe.encoder.gru.bias_hh_l0, flat[3072:])
    storages = {each.untyped_storage().data_ptr() for each in vibe.parameters()}
    assert len(storages) == len(list(vibe.parameters()))
    assert all(each.untyped_storage().nbytes() == 4 * each.numel() for each in vibe.parameters())


def test_other_precisions_become_single(tmp_path: Path, vibe_state) -> None:
    state = {**vibe_state, "encoder.linear.bias": torch.full((2048,), 0.5).half()}
    vibe = load_vibe(save({"gen_state_dict": state}, tmp_path / "vibe.pth.tar"))
    assert vibe.encoder.linear.bias.dtype == torch.float32
    assert (vibe.encoder.linear.bias == 0.5).all()


@pytest.mark.parametrize(
    ("saved", "read"),
    [
        (b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"),
        (scalar_module(), b"numpy.core.multiarray"),
        (scalar_module(), b"numpy._core.multiarray"),
    ],
    ids=["on a GPU", "with numpy 1", "with numpy 2"],
)
def test_where_and_with_what_it_was_saved_is_all_one(tmp_path: Path, vibe_state, saved: bytes, read: bytes) -> None:
    content = {"gen_state_dict": vibe_state, "performance": np.float64(56.56)}
    path = save(content, tmp_path / "vibe.pth.tar")
    assert saved in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(saved, read))
    assert load_vibe(path).encoder.linear.bias.device.type == "cpu"


def test_a_mean_body_that_is_not_in_the_file_is_spins_or_the_published(tmp_path: Path, vibe_state, spin_state) -> None:
    state = {name: values for name, values in vibe_state.items() if ".init_" not in name}
    vibe = save({"gen_state_dict": state}, tmp_path / "vibe.pth.tar")
    mean = make_mean_params(tmp_path / "smpl_mean_params.npz", 5)
    spin = save({"model": spin_state}, tmp_path / "spin.pth.tar")
    assert "regressor.init_pose" in refusal(lambda: load_vibe(vibe), "checkpoint_mismatch")
    with np.load(mean) as arrays:
        assert torch.equal(load_vibe(vibe, None, mean).regressor.init_pose[0], torch.from_numpy(arrays["pose"]))
    assert load_vibe(vibe, None, mean).regressor.init_cam.tolist() == [pytest.approx(MEAN_CAMERA)]
    assert (load_vibe(vibe, spin, mean).regressor.init_pose == 1).all()
    whole = save({"gen_state_dict": vibe_state}, tmp_path / "whole.pth.tar")
    assert (load_vibe(whole, None, mean).regressor.init_cam == 1).all()

    np.savez(mean, pose=np.zeros(144), shape=np.zeros(11))
    message = refusal(lambda: load_vibe(vibe, None, mean), "checkpoint_mismatch")
    assert "it lacks cam" in message
    assert "(11,) instead of (10,)" in message
    np.savez_compressed(mean, pose=np.zeros(1 << 20), shape=np.zeros(10), cam=np.zeros(3))
    assert mean.stat().st_size < 1 << 16
    assert "unpacks to 8 MiB" in refusal(lambda: load_vibe(vibe, None, mean), "checkpoint_damaged")
    mean.write_bytes(b"text")
    refusal(lambda: load_vibe(vibe, None, mean), "checkpoint_damaged")
    mean.unlink()
    refusal(lambda: load_vibe(vibe, None, mean), "checkpoint_missing")


@pytest.mark.parametrize("zipped", [False, True])
def test_other_networks_are_refused_by_the_names_of_what_differs(
    tmp_path: Path, unread, vibe_state, spin_state, zipped: bool
) -> None:
    def of(load: Callable[[Path], object], part: str, state: object) -> str:
        path = save({part: state}, tmp_path / "a b.pth.tar", zipped=zipped)
        message = refusal(lambda: load(path), "checkpoint_mismatch")
        assert message.startswith("a b.pth.tar ")
        return message

    def without(state: dict, *names: str) -> dict:
        return {name: values for name, values in state.items() if name not in names}

    def vibe(state: object) -> str:
        return of(load_vibe, "gen_state_dict", state)

    assert "it lacks encoder.linear.bias." in vibe(without(vibe_state, "encoder.linear.bias"))
    assert "it should not have encoder.gru.bias_ih_l2." in vibe({**vibe_state, "encoder.gru.bias_ih_l2": torch.ones(1)})
    wrong = vibe({**vibe_state, "regressor.fc1.weight": torch.ones(1).expand(1024, 2048)})
    assert "regressor.fc1.weight has the shape (1024, 2048) instead of (1024, 2205)" in wrong
    assert "int64" in vibe({**vibe_state, "encoder.linear.bias": torch.ones(1, dtype=torch.int64).expand(2048)})
    assert "encoder.linear.bias is no tensor" in vibe({**vibe_state, "encoder.linear.bias": [1.0] * 2048})
    assert "and 14 more" in vibe(without(vibe_state, *list(vibe_state)[:18]))
    assert "it has no part named gen_state_dict" in of(load_vibe, "model", vibe_state)
    assert "it has no part named gen_state_dict" in vibe([1, 2])
    both = vibe({**without(vibe_state, "encoder.linear.bias"), 7: torch.ones(1)})
    assert "it lacks encoder.linear.bias; it should not have 7." in both
    prefixed = {f"hmr.{name}": values for name, values in spin_state.items()}
    assert "it lacks conv1.weight, bn1.weight" in of(load_image_encoder, "model", prefixed)
    assert "layer4.2.conv3.weight" in of(load_image_encoder, "model", without(spin_state, "layer4.2.conv3.weight"))
    assert "smpl.betas" in of(load_image_encoder, "model", {**spin_state, "smpl.betas": torch.ones(1)})


def test_the_body_model_inside_the_file_is_of_no_interest(tmp_path: Path, vibe_state, tcmr_state) -> None:
    for shapedirs in (torch.ones(1).expand(6890, 3, 300), "anything"):
        path = save({"gen_state_dict": {**vibe_state, "regressor.smpl.shapedirs": shapedirs}}, tmp_path / "vibe.pth")
        assert load_vibe(path).regressor.init_cam.tolist() == [[1.0, 1.0, 1.0]]
        path = save({"gen_state_dict": {**tcmr_state, "regressor.smpl.shapedirs": shapedirs}}, tmp_path / "tcmr.pth")
        assert load_tcmr(path).regressor.init_cam.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("zipped", [False, True])
def test_files_that_ended_early_are_damaged(tmp_path: Path, unread, vibe_state, zipped: bool) -> None:
    path = save({"gen_state_dict": vibe_state}, tmp_path / "vibe.pth.tar", zipped=zipped)
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert path.name in refusal(lambda: load_vibe(path), "checkpoint_damaged")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_are_damage(tmp_path: Path, vibe_state, zipped: bool, value: float) -> None:
    bias = torch.zeros(2048)
    bias[7] = value
    state = {**vibe_state, "encoder.linear.bias": bias}
    path = save({"gen_state_dict": state}, tmp_path / "vibe.pth.tar", zipped=zipped)
    assert "encoder.linear.bias" in refusal(lambda: load_vibe(path), "checkpoint_damaged")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_would_run_a_program_is_not_opened(tmp_path: Path, unread, vibe_state, zipped: bool) -> None:
    marker = tmp_path / "was run"
    for evil in (Call(os.system, f'echo > "{marker}"'), Call(eval, f"open({str(marker)!r}, 'w')"), Call(Path, "a")):
        path = save({"gen_state_dict": vibe_state, "performance": evil}, tmp_path / "evil.pth.tar", zipped=zipped)
        assert path.name in refusal(lambda path=path: load_vibe(path), "checkpoint_unsafe")
        assert path.name in refusal(lambda path=path: load_image_encoder(path), "checkpoint_unsafe")
    assert not marker.exists()


def test_a_zip_bomb_is_not_opened(tmp_path: Path, unread, vibe_state) -> None:
    honest = save({"gen_state_dict": vibe_state}, tmp_path / "honest.pth.tar", zipped=True)
    bomb = tmp_path / "bomb.pth.tar"
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
        with archive.open("archive/data/999", "w") as member:
            for _ in range(256):
                member.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 20
    assert "bomb.pth.tar" in refusal(lambda: load_vibe(bomb), "checkpoint_damaged")


def test_torch_refuses_what_slipped_through(tmp_path: Path, monkeypatch, vibe_state) -> None:
    """The second gate holds without the first."""
    marker = tmp_path / "was run"
    path = save(
        {"gen_state_dict": vibe_state, "performance": Call(os.system, f'echo > "{marker}"')}, tmp_path / "evil.pth.tar"
    )
    honest = save({"gen_state_dict": vibe_state}, tmp_path / "honest.pth.tar")
    from backend.torch_files import declared

    def blind(_file, name: str) -> object:
        with honest.open("rb") as other:
            return declared(other, name)

    monkeypatch.setattr("backend.checkpoints.declared", blind)
    assert "evil.pth.tar" in refusal(lambda: load_vibe(path), "checkpoint_damaged")
    assert not marker.exists()


def test_no_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "no file" in refusal(lambda: load_vibe(tmp_path / "no.pth.tar"), "checkpoint_missing")
    assert "cannot be read" in refusal(lambda: load_image_encoder(tmp_path), "checkpoint_missing")


def test_what_torch_says_of_a_file_can_be_printed(tmp_path: Path, vibe_state) -> None:
    path, rude = save({"gen_state_dict": vibe_state}, tmp_path / "vibe.pth.tar", zipped=True), tmp_path / "rude.pth.tar"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(rude, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, b"\x1b[2J" if name.endswith("byteorder") else source.read(name))
    assert "\x1b" not in refusal(lambda: load_vibe(rude), "checkpoint_damaged")
