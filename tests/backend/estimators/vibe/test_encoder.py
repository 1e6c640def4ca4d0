# SPDX-License-Identifier: MIT
from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from backend.estimators.vibe import devices
from backend.estimators.vibe.devices import batch_size, choose_device, is_out_of_memory
from backend.estimators.vibe.encoder import Encoder, without_norms
from tests.published_files import random_image_encoder
from tests.stand_in_networks import SmallEncoder
from vibe_blender.contract.errors import CaptureError

CPU = torch.device("cpu")


def crops(count: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def same(one: Tensor, other: Tensor) -> float:
    return 0.0


def ready(network: torch.nn.Module, half: bool | None = False, apart=same) -> Encoder:
    return Encoder(network, CPU, apart, half)


def test_features_are_those_of_the_network_on_pictures_as_it_was_trained_with() -> None:
    network, pictures = random_image_encoder(0), crops(3)
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        told = network(((pictures / 255.0 - mean) / spread).permute(0, 3, 1, 2).contiguous())
    found = ready(copy.deepcopy(network)).encode(pictures)
    assert found.dtype == torch.float32
    assert (found - told).abs().max() < 1e-4 * told.abs().max()


def test_norms_are_folded_away_and_change_nothing() -> None:
    network = random_image_encoder(1)
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        before = network(pictures)
        folded = without_norms(network)
        assert not [module for module in folded.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        assert (folded(pictures) - before).abs().max() < 1e-5 * before.abs().max()


def test_crops_are_taken_as_many_at_once_as_fit() -> None:
    network = SmallEncoder()
    whole = ready(network).encode(crops(23))
    assert network.batches == [batch_size(CPU)] * 3 + [23 - 3 * batch_size(CPU)]
    one_by_one = ready(network)
    one_by_one.batch = 1
    assert torch.allclose(one_by_one.encode(crops(23)), whole, atol=1e-5)


class Narrow(SmallEncoder):
    """Has memory for so many crops at once."""

    def __init__(self, room: int, error: type[RuntimeError] = RuntimeError) -> None:
        super().__init__()
        self.room, self.error = room, error

    def forward(self, pictures: Tensor) -> Tensor:
        if len(pictures) > self.room:
            raise self.error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        return super().forward(pictures)


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_where_memory_does_not_suffice_batches_are_halved(error: type[RuntimeError]) -> None:
    narrow = Narrow(3, error)
    found = ready(narrow)
    features = found.encode(crops(12))
    assert max(narrow.batches) <= 3
    assert found.batch == batch_size(CPU) // 2
    assert torch.allclose(features, ready(SmallEncoder()).encode(crops(12)), atol=1e-5)


def test_where_not_one_crop_fits_it_is_said() -> None:
    with pytest.raises(CaptureError) as caught:
        ready(Narrow(0)).encode(crops(2))
    assert caught.value.code == "out_of_memory"


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    class Broken(SmallEncoder):
        def forward(self, pictures: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="multiplied"):
        ready(Broken()).encode(crops(2))
    assert not is_out_of_memory(RuntimeError("an illegal memory access was encountered"))


META = torch.device("meta")
"""Stands for a GPU: nothing can be computed there."""


def elsewhere(monkeypatch: pytest.MonkeyPatch, found: Encoder, room: int, error: RuntimeError) -> list[int]:
    """Puts an encoder on a GPU that raises ``error`` for more than ``room`` crops at once; how many it was given."""
    run, given = found._run, []

    def on_gpu(some: Tensor, half: bool) -> Tensor:
        given.append(len(some))
        if found.device == META and len(some) > room:
            raise error
        return run(some, half) if found.device == CPU else found._exact(some.permute(0, 3, 1, 2) / 255)

    found.device = META
    monkeypatch.setattr(found, "_run", on_gpu)
    return given


def test_without_memory_on_the_gpu_the_cpu_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready(SmallEncoder(), half=False)
    given = elsewhere(monkeypatch, found, 0, torch.OutOfMemoryError("CUDA out of memory."))
    assert torch.equal(found.encode(crops(3)), ready(SmallEncoder()).encode(crops(3)))
    assert given == [3, 1, 3]
    assert found.device == CPU
    assert found.batch == batch_size(CPU)
    assert found.warnings == ["The memory of meta does not suffice: the networks go on on the CPU."]


def test_what_a_gpu_did_before_its_memory_was_full_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready(SmallEncoder(), half=False)
    found.batch = 9
    given = elsewhere(monkeypatch, found, 4, torch.OutOfMemoryError("CUDA out of memory."))
    features = found.encode(crops(9))
    assert given == [9, 4, 4, 1]
    assert (found.device, found.batch, found.warnings) == (META, 4, [])
    assert torch.equal(features, found._exact(crops(9).permute(0, 3, 1, 2) / 255))


@pytest.mark.parametrize("half", [False, True, None])
def test_what_a_gpu_cannot_do_the_cpu_does(monkeypatch: pytest.MonkeyPatch, half: bool | None) -> None:
    found = ready(SmallEncoder(), half=half)
    trials: list[str] = []
    monkeypatch.setattr(found, "_half_will_do", lambda some: trials.append(found.device.type) or found.device == META)
    elsewhere(monkeypatch, found, 0, NotImplementedError("The operator 'aten::x' is not implemented.\nMore."))
    assert found.encode(crops(3)).shape == (3, 2048)
    why = "(The operator 'aten::x' is not implemented.)"
    assert found.warnings == [f"meta failed: the networks go on on the CPU. {why}"]
    assert found.half is False
    assert trials == (["meta"] if half is None else [])


def test_a_gpu_that_crashed_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready(SmallEncoder(), half=False)
    crash = RuntimeError("CUDA error: an illegal memory access was encountered\nMore.")
    elsewhere(monkeypatch, found, 0, crash)

    def gone(_device: str) -> None:
        raise crash

    monkeypatch.setattr(found._exact, "to", gone)
    with pytest.raises(CaptureError, match="illegal memory access") as caught:
        found.encode(crops(3))
    assert caught.value.code == "device_failed"
    assert "--device cpu" in caught.value.hint


@pytest.mark.parametrize(
    "said", ["CUDA error: CUBLAS_STATUS_ALLOC_FAILED", "MPS backend out of memory", "CUDNN_STATUS_ALLOC_FAILED"]
)
def test_every_library_has_its_words_for_a_lack_of_memory(said: str) -> None:
    assert is_out_of_memory(RuntimeError(said))


def test_a_gpu_is_tried_with_as_many_crops_as_it_will_get(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready(SmallEncoder(), half=None)
    found.batch = 23
    given = elsewhere(monkeypatch, found, 99, RuntimeError())
    features = found.encode(crops(6))
    assert given == [4, 4, 23, 23, 23, 23, 6]
    assert features.shape == (6, 2048)


def test_what_is_too_large_for_half_the_precision_is_done_with_all_of_it() -> None:
    class Large(SmallEncoder):
        def forward(self, pictures: Tensor) -> Tensor:
            return super().forward(pictures) * (1e38 if pictures.dtype == torch.float32 else torch.inf)

    found = ready(Large(), half=True)
    features = found.encode(crops(3))
    assert found.half is False
    assert torch.equal(features, ready(Large()).encode(crops(3)))


@pytest.mark.parametrize(
    ("apart_m", "seconds", "half"),
    [(0.2e-3, (2.0, 1.0), True), (0.4e-3, (2.0, 1.0), False), (0.1e-3, (1.0, 2.0), False)],
    ids=["near and faster", "too far", "slower"],
)
def test_half_the_precision_is_used_where_it_is_faster_and_good_enough(
    monkeypatch: pytest.MonkeyPatch, apart_m: float, seconds: tuple[float, float], half: bool
) -> None:
    found = ready(SmallEncoder(), half=None, apart=lambda one, other: apart_m)
    monkeypatch.setattr(found, "_seconds", lambda some, half: seconds[half])
    rough = found.encode(crops(5))
    assert found.half is half
    exact = ready(SmallEncoder()).encode(crops(5))
    assert torch.equal(rough, exact) is not half
    assert (rough - exact).abs().max() < 0.02 * exact.abs().max()


def test_numbers_that_overflow_are_not_good_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ready(SmallEncoder(), half=None, apart=lambda one, other: float("nan"))
    monkeypatch.setattr(found, "_seconds", lambda some, half: 1.0 if half else 2.0)
    found.encode(crops(1))
    assert found.half is False


def test_a_device_that_is_not_there_is_replaced_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in ("cuda", "mps"):
        choice = choose_device(name)
        assert choice.device == CPU
        assert name in choice.warning
    for name in ("auto", "cpu"):
        assert choose_device(name) == devices.Choice(CPU)


def test_a_device_that_does_not_work_is_replaced_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments, **_options) -> Tensor:
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device\nmore")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", broken)
    choice = choose_device("auto")
    assert choice.device == CPU
    assert "no kernel image" in choice.warning
    assert "more" not in choice.warning


@pytest.mark.parametrize(("free", "batch"), [(80 << 30, 64), (4 << 30, 51), (10 << 20, 1)])
def test_a_batch_is_what_fits_into_half_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, batch: int
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 96 << 30))
    assert batch_size(torch.device("cuda")) == batch


class OnlyWhole(SmallEncoder):
    """Cannot calculate with half the precision, as some processors."""

    def forward(self, pictures: Tensor) -> Tensor:
        if pictures.dtype != torch.float32:
            raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'BFloat16'")
        return super().forward(pictures)


@pytest.mark.parametrize("half", [None, True])
def test_a_device_that_cannot_do_half_the_precision_does_all_of_it(half: bool | None) -> None:
    found = ready(OnlyWhole(), half)
    assert torch.equal(found.encode(crops(9)), ready(SmallEncoder()).encode(crops(9)))
    assert (found.half, found.device, found.warnings) == (False, CPU, [])
