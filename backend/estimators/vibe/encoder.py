# SPDX-License-Identifier: MIT
"""The image network at work: crops in, features out, as many at once and as roughly as the machine and the truth allow.

Half the precision is used where it is faster and moves no joint by more than a millimetre, which is tried with the
first crops; batches are halved where memory does not suffice, and at last the CPU takes over.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from backend.networks.resnet import Bottleneck, ResNet50
from vibe_blender.contract.errors import CaptureError

from .devices import batch_size, is_out_of_memory

_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, red, green and blue: what the published image network was trained with."""
_TRIAL = 4
_MOST_APART_M = 1e-3
_NORMS = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))


class Encoder:
    """Makes features of crops.

    Attributes:
        device: where it runs; the CPU once memory elsewhere did not suffice.
        batch: how many crops it takes at once.
        half: whether it works with half the precision; None before that was tried.
    """

    def __init__(
        self,
        network: ResNet50,
        device: torch.device,
        apart: Callable[[Tensor, Tensor], float],
        half: bool | None = None,
    ) -> None:
        """Prepares a network.

        Args:
            network: in eval mode; is changed.
            device: where to run.
            apart: of two (B, 2048) features of the same crops, how far (metres) they put a joint from each other.
            half: as it was decided earlier.
        """
        self.device, self.half, self.batch = device, half, batch_size(device)
        self.warnings: list[str] = []
        self._exact = without_norms(network).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._rough: nn.Module | None = None
        self._apart = apart

    def encode(self, crops: Tensor) -> Tensor:
        """(B, 2048) features, on the CPU, of crops (B, 224, 224, 3) uint8 RGB."""
        done: list[Tensor] = []
        first = 0
        while first < len(crops):
            some = crops[first : first + self.batch]
            try:
                if self.half is None:
                    self.half = self._half_will_do(crops[:_TRIAL])
                done.append(self._run(some, self.half))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._make_do(len(some))
                continue
            first += len(some)
        return torch.cat(done)

    def _run(self, crops: Tensor, half: bool) -> Tensor:
        pixels = crops.to(self.device, non_blocking=True).permute(0, 3, 1, 2)  # channels last already
        mean, spread = (torch.tensor(values, device=self.device).view(3, 1, 1) for values in (_MEAN, _SPREAD))
        pictures = (pixels.float() / 255 - mean) / spread
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            if not half:
                return self._exact(pictures).cpu()
            if self._rough is None:
                self._rough = copy.deepcopy(self._exact).to(self._half_type)
            return self._rough(pictures.to(self._half_type)).float().cpu()

    @property
    def _half_type(self) -> torch.dtype:
        return torch.bfloat16 if self.device.type == "cpu" else torch.float16

    def _half_will_do(self, crops: Tensor) -> bool:
        exact, exact_s = self._timed(crops, half=False)
        rough, rough_s = self._timed(crops, half=True)
        will_do = rough_s < exact_s and bool(self._apart(exact, rough) < _MOST_APART_M)
        if not will_do:
            self._rough = None
        return will_do

    def _timed(self, crops: Tensor, half: bool) -> tuple[Tensor, float]:
        """Features, and the seconds they take when everything has found its place."""
        self._run(crops, half)
        began = time.perf_counter()
        features = self._run(crops, half)
        return features, time.perf_counter() - began

    def _make_do(self, count: int) -> None:
        """Goes on with less memory than ``count`` crops at once take."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if count > 1:
            self.batch = count // 2
            return
        if self.device.type == "cpu":
            raise CaptureError(
                "out_of_memory",
                "There is not enough memory for VIBE's image network.",
                "Close other programs, then go on with `--resume`.",
            )
        self.warnings.append(f"The memory of {self.device.type} does not suffice: VIBE goes on on the CPU.")
        self.device, self._rough = torch.device("cpu"), None
        self.batch = batch_size(self.device)
        self._exact.to(self.device)


def without_norms(network: ResNet50) -> ResNet50:
    """The same network, its normalisations, constant once it is trained, folded into the convolutions before them."""
    for module in list(network.modules()):
        if isinstance(module, ResNet50 | Bottleneck):
            for convolution, norm in _NORMS:
                if hasattr(module, norm):
                    setattr(module, convolution, _folded(getattr(module, convolution), getattr(module, norm)))
                    setattr(module, norm, nn.Identity())
        if isinstance(module, Bottleneck) and module.downsample is not None:
            module.downsample = _folded(*module.downsample.children())
    return network


def _folded(convolution: nn.Module, norm: nn.Module) -> nn.Module:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    return nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
