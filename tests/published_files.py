# SPDX-License-Identifier: MIT
"""Files in the layout in which VIBE's, TCMR's and SPIN's authors publish theirs, with random numbers in them.

Nothing here was ever trained: the bodies such files give are nonsense, but the same nonsense on every road.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from backend.networks.regressor import Regressor
from backend.networks.resnet import ResNet50
from backend.networks.tcmr import Tcmr
from backend.networks.vibe import Vibe

Network = TypeVar("Network", bound=nn.Module)

POSE_ROOT = (1.0, 0.0, 0.0, -1.0, 0.0, 1.5e-7)
MEAN_SHAPE = (
    0.20560974, 0.33556297, -0.35068282, 0.35612896, 0.41754073, 0.03088791, 0.30475676, 0.23613405, 0.20912662,
    0.31212646,
)  # fmt: skip
MEAN_CAMERA = (0.9, 0.0, 0.0)
_SMPL_SHAPES = {
    "betas": (64, 10), "global_orient": (64, 3), "body_pose": (64, 69), "faces_tensor": (13776, 3),
    "v_template": (6890, 3), "shapedirs": (6890, 3, 10), "J_regressor": (24, 6890), "posedirs": (207, 20670),
    "parents": (24,), "lbs_weights": (6890, 24), "vertex_joint_selector.extra_joints_idxs": (21,),
    "J_regressor_extra": (9, 6890),
}  # fmt: skip
_WHOLE_NUMBERS = ("faces_tensor", "parents", "vertex_joint_selector.extra_joints_idxs")


def make_mean_params(path: Path, seed: int = 0) -> Path:
    """``smpl_mean_params.npz``: the published root, shape and camera, and a slightly bent random pose."""
    np.savez(path, **{name: values[0].numpy() for name, values in _mean_body(seed).items()})
    return path


def make_spin(path: Path, seed: int = 0, *, zipped: bool = False) -> Path:
    """``spin_model_checkpoint.pth.tar``: image encoder and regressor, and the training's state."""
    model = {**random_image_encoder(seed).state_dict(), **_random_regressor(seed + 1).state_dict()}
    content = {
        "model": model,
        "optimizer": _optimizer_state(),
        "epoch": 64,
        "batch_idx": 0,
        "batch_size": 64,
        "dataset_perm": list(range(70_000)),
        "total_step_count": 312_000,
    }
    return save(content, path, zipped=zipped)


def make_vibe(path: Path, seed: int = 0, *, zipped: bool = False) -> Path:
    """``vibe_model_wo_3dpw.pth.tar``: the generator with the body model inside it, and the training's state."""
    return _save_generator(random_vibe(seed), path, zipped=zipped)


def make_tcmr(path: Path, seed: int = 0, *, zipped: bool = False) -> Path:
    """``tcmr_demo_model.pth.tar``: in the layout of VIBE's."""
    return _save_generator(random_tcmr(seed), path, zipped=zipped)


def save(content: object, path: Path, *, zipped: bool = False) -> Path:
    """Writes as torch 1.4 did, or, ``zipped``, as torch does now."""
    with path.open("wb") as file:
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
    return path


def _save_generator(network: nn.Module, path: Path, *, zipped: bool) -> Path:
    """A network of VIBE's authors or TCMR's as they saved it."""
    state = network.state_dict()
    for name, shape in _SMPL_SHAPES.items():
        state[f"regressor.smpl.{name}"] = _constant(shape, torch.int64 if name in _WHOLE_NUMBERS else torch.float32)
    content = {
        "epoch": 27,
        "gen_state_dict": state,
        "performance": np.float64(56.56),
        "gen_optimizer": _optimizer_state(),
        "disc_motion_state_dict": {
            "encoder.gru.weight_ih_l0": _constant((3072, 69)),
            "attention.attention.0.weight": _constant((1024, 1024)),
            "fc.weight": _constant((1, 1024)),
        },
        "disc_motion_optimizer": _optimizer_state(),
    }
    return save(content, path, zipped=zipped)


def random_image_encoder(seed: int) -> ResNet50:
    """An encoder whose features are about as large as a trained one's and depend on the picture."""
    generator = torch.Generator().manual_seed(seed)
    network = _empty(ResNet50)
    with torch.no_grad():
        for name, module in network.named_modules():
            if isinstance(module, nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0, math.sqrt(2 / fan_in), generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                size = 0.1 if name.endswith("bn3") else 1.0
                module.weight.uniform_(0.7 * size, 1.3 * size, generator=generator)
                module.bias.uniform_(-0.2, 0.1, generator=generator)
                module.running_mean.uniform_(-0.1, 0.1, generator=generator)
                module.running_var.uniform_(0.7, 1.3, generator=generator)
                module.num_batches_tracked.fill_(1000)
    return network.eval()


def random_vibe(seed: int) -> Vibe:
    """A VIBE whose bodies move with the features."""
    generator = torch.Generator().manual_seed(seed)
    network = _empty(Vibe)
    with torch.no_grad():
        for weight in network.encoder.parameters():
            weight.uniform_(-1 / 32, 1 / 32, generator=generator)
        network.regressor.load_state_dict(_random_regressor(seed).state_dict())
    return network.eval()


def random_tcmr(seed: int, hidden: int = 1024, *, residual: bool = False) -> Tcmr:
    """A TCMR whose bodies move with the features."""
    generator = torch.Generator().manual_seed(seed)
    network = _empty(lambda: Tcmr(hidden, residual=residual))
    with torch.no_grad():
        for weight in network.encoder.parameters():
            weight.uniform_(-1 / math.sqrt(hidden), 1 / math.sqrt(hidden), generator=generator)
        network.regressor.load_state_dict(_random_regressor(seed, hidden).state_dict())
    return network.eval()


def _random_regressor(seed: int, hidden: int = 1024) -> Regressor:
    generator = torch.Generator().manual_seed(seed + 1000)
    network = _empty(lambda: Regressor(hidden))
    with torch.no_grad():
        for layer in (network.fc1, network.fc2, network.decpose, network.decshape, network.deccam):
            layer.weight.normal_(0, 0.3 / math.sqrt(layer.in_features), generator=generator)
            layer.bias.uniform_(-0.01, 0.01, generator=generator)
        for name, values in _mean_body(seed).items():
            getattr(network, f"init_{name}").copy_(values)
    return network.eval()


def _empty(make: Callable[[], Network]) -> Network:
    """A network whose numbers are still to be filled in."""
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu")


def _mean_body(seed: int) -> dict[str, Tensor]:
    """``pose`` (1, 144), ``shape`` (1, 10) and ``cam`` (1, 3): a body upside down, as a camera sees the upright."""
    axes = torch.linalg.qr(torch.eye(3) + 0.2 * torch.randn(24, 3, 3, generator=torch.Generator().manual_seed(seed)))[0]
    axes = axes * torch.sign(torch.diagonal(axes, dim1=1, dim2=2))[:, None]
    pose = axes[:, :, :2].reshape(24, 6)  # the first two columns, row by row
    pose[0] = torch.tensor(POSE_ROOT)
    numbers = (pose.reshape(1, 144), torch.tensor([MEAN_SHAPE]), torch.tensor([MEAN_CAMERA]))
    return dict(zip(("pose", "shape", "cam"), numbers, strict=True))


def _optimizer_state() -> dict:
    """What Adam saves after a step."""
    weight = nn.Parameter(torch.ones(3, 1024))
    optimizer = torch.optim.Adam([weight], lr=5e-5)
    weight.sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    # In torch 1.4 steps are plain numbers, and parameters are known by their place in memory.
    place = 140_234_567_890_123
    state["state"] = {place: {**state["state"][0], "step": 1}}
    state["param_groups"][0]["params"] = [place]
    return state


def _constant(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of the shape that takes no room in the file."""
    return torch.ones(1, dtype=dtype).expand(shape)
