# SPDX-License-Identifier: MIT
"""The image network at work: crops in, features out, as many at once and as roughly as the machine and the truth allow.

Half the precision is used where it moves no joint by more than a millimetre and is faster, which is tried with the
first crops; batches are halved where memory does not suffice, and at last the CPU takes over.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from backend.networks.resnet import COLOUR_MEAN, COLOUR_SPREAD, Bottleneck, ResNet50
from vibe_blender.contract.errors import CaptureError

from .devices import batch_size, exactly, first_line, is_out_of_memory

_TRIAL = 4
_MOST_APART_M = 0.3e-3
"""In a trial. The worst frame of a clip, with its memory of others, was three times as far off: a millimetre."""
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
            features = self._try(some)
            if features is not None:
                done.append(features)
                first += len(some)
        return torch.cat(done)

    def leave(self, error: RuntimeError) -> None:
        """Goes on on the CPU, with a warning, because of an error of the device.

        Raises:
            CaptureError: there is nowhere to go.
        """
        memory = is_out_of_memory(error)
        if self.device.type == "cpu":
            raise CaptureError(
                "out_of_memory",
                "There is not enough memory for the image network.",
                "Close other programs, then go on with `--resume`.",
            )
        why = f"The memory of {self.device.type} does not suffice" if memory else f"{self.device.type} failed"
        try:
            self._exact.to("cpu")
        except RuntimeError as worse:  # a GPU that crashed gives nothing back
            raise CaptureError(
                "device_failed", f"{why}: {first_line(error)}", "Go on with `--resume --device cpu`."
            ) from worse
        self.warnings.append(f"{why}: the networks go on on the CPU." + ("" if memory else f" ({first_line(error)})"))
        self.device, self._rough = torch.device("cpu"), None
        self.batch = batch_size(self.device)
        self.half = None if self.half else self.half  # the CPU's half is another

    def _try(self, crops: Tensor) -> Tensor | None:
        """Features (B, 2048), or None after a failure for which something was changed."""
        try:
            if self.half is None:
                self.half = self._half_will_do(crops[:: max(1, len(crops) // _TRIAL)][:_TRIAL])
            features = self._run(crops, self.half)
            if self.half and not features.isfinite().all():  # larger than anything in the trial
                self.half = False
                features = self._run(crops, self.half)
            return features
        except RuntimeError as error:
            memory = is_out_of_memory(error)
            if self.half and not memory:  # some devices cannot calculate so with everything
                self.half, self._rough = False, None
                return None
            if self.device.type == "cpu" and not memory:
                raise
            failure = error.with_traceback(None)  # which would hold on to everything that was on its way
        if self.device.type == "cuda" and memory:
            torch.cuda.empty_cache()
        if memory and len(crops) > 1:
            self.batch = len(crops) // 2
        else:
            self.leave(failure)
        return None

    def _run(self, crops: Tensor, half: bool) -> Tensor:
        # Page-locked crops go to the GPU while the CPU is doing something else; they are kept until features are back.
        pixels = crops.to(self.device, non_blocking=self.device.type == "cuda").permute(0, 3, 1, 2)
        mean, spread = (
            torch.tensor(values, device=self.device).view(3, 1, 1) for values in (COLOUR_MEAN, COLOUR_SPREAD)
        )
        with exactly():
            pictures = pixels.float().div_(255).sub_(mean).div_(spread)  # channels last already
            if not half:
                return self._exact(pictures).cpu()
            if self._rough is None:
                self._rough = copy.deepcopy(self._exact).to(self._half_type)
            return self._rough(pictures.to(self._half_type)).float().cpu()

    @property
    def _half_type(self) -> torch.dtype:
        """On GPUs the one that rounds less; what is too large for it is noticed. CPUs calculate with the other only."""
        return torch.bfloat16 if self.device.type == "cpu" else torch.float16

    def _half_will_do(self, crops: Tensor) -> bool:
        exact = self._run(crops, half=False)
        try:
            rough = self._run(crops, half=True)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            self._rough = None  # this device cannot calculate so
            return False
        near = bool(self._apart(exact, rough) < _MOST_APART_M)  # not where a number overflowed
        will_do = near and self._seconds(crops, half=True) < self._seconds(crops, half=False)
        if not will_do:
            self._rough = None
        return will_do

    def _seconds(self, crops: Tensor, half: bool) -> float:
        """How long crops take that have gone the same way before."""
        if self.device.type != "cpu":  # a few would keep it waiting for commands, whatever the precision
            crops = crops.repeat(-(-self.batch // len(crops)), 1, 1, 1)[: self.batch]
            self._run(crops, half)
        began = time.perf_counter()
        self._run(crops, half)
        return time.perf_counter() - began


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
