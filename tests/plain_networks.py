# SPDX-License-Identifier: MIT
"""The published networks and body once more, written out in numpy from their formulas, to hold ours against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = Mapping[str, Array]

_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)


def normalised(picture: NDArray[np.uint8]) -> Array:
    """(3, H, W) from (H, W, 3) RGB: ImageNet's mean and deviation."""
    return ((picture / 255 - _MEAN) / _DEVIATION).transpose(2, 0, 1)


def features(weights: Weights, pixels: Array) -> Array:
    """ResNet-50, one normalised picture (3, 224, 224) to its (2048,) features."""
    inner = np.maximum(_batch_norm(weights, "bn1", _convolution(weights["conv1.weight"], pixels, 2)), 0)
    padded = np.pad(inner, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    shifts = [padded[:, i : i + 112 : 2, j : j + 112 : 2] for i in range(3) for j in range(3)]
    inner = np.max(shifts, axis=0)
    for layer, blocks in enumerate((3, 4, 6, 3), start=1):
        for block in range(blocks):
            inner = _bottleneck(weights, f"layer{layer}.{block}.", inner, 2 if layer > 1 and block == 0 else 1)
    return inner.mean(axis=(1, 2))


def temporal(weights: Weights, sequence: Array) -> Array:
    """Two layers of GRU from rest, ReLU, a linear layer, plus the input: (T, 2048) to (T, 2048)."""
    inner = sequence
    for layer in ("l0", "l1"):
        inner = _gru(weights, layer, inner)
    weight, bias = weights["encoder.linear.weight"], weights["encoder.linear.bias"]
    return np.maximum(inner, 0) @ weight.T + bias + sequence


def body(weights: Weights, feature: Array) -> tuple[Array, Array, Array]:
    """HMR's regressor: (2048,) to rotations (24, 3, 3), betas (10,) and camera (3,)."""

    def linear(name: str, values: Array) -> Array:
        return weights[f"regressor.{name}.weight"] @ values + weights[f"regressor.{name}.bias"]

    pose, shape, camera = (weights[f"regressor.init_{name}"][0] for name in ("pose", "shape", "cam"))
    for _ in range(3):
        inner = linear("fc2", linear("fc1", np.concatenate([feature, pose, shape, camera])))
        pose, shape, camera = (
            old + linear(name, inner)
            for old, name in ((pose, "decpose"), (shape, "decshape"), (camera, "deccam"))
        )  # fmt: skip
    return np.array([rotation(numbers) for numbers in pose.reshape(24, 6)]), shape, camera


def rotation(numbers: Array) -> Array:
    """(3, 3) of six numbers: Gram-Schmidt of (0, 2, 4) and (1, 3, 5), which become columns."""
    x = numbers[0::2] / np.linalg.norm(numbers[0::2])
    y = numbers[1::2] - (x @ numbers[1::2]) * x
    y = y / np.linalg.norm(y)
    return np.column_stack([x, y, np.cross(x, y)])


def posed(arrays: Mapping[str, Array], rotations: Array, betas: Array) -> tuple[Array, Array]:
    """SMPL's vertices (6890, 3) and joints (24, 3) of rotations (24, 3, 3) and betas (10,): its paper's equations."""
    shaped = arrays["v_template"] + arrays["shapedirs"] @ betas
    rest = arrays["J_regressor"] @ shaped
    corrected = shaped + arrays["posedirs"] @ (rotations[1:] - np.eye(3)).ravel()
    moves: list[Array] = []
    for joint, parent in enumerate(_PARENTS):
        move = np.eye(4)
        move[:3, :3] = rotations[joint]
        move[:3, 3] = rest[joint] - (rest[parent] if joint else 0)
        moves.append(moves[parent] @ move if joint else move)
    joints = np.array([move[:3, 3] for move in moves])
    for move, place in zip(moves, rest, strict=True):
        move[:3, 3] -= move[:3, :3] @ place
    blended = np.einsum("vj,jab->vab", arrays["weights"], np.array(moves))
    return np.einsum("vab,vb->va", blended[:, :3, :3], corrected) + blended[:, :3, 3], joints


def _bottleneck(weights: Weights, name: str, pixels: Array, stride: int) -> Array:
    inner = pixels
    for number, step in ((1, 1), (2, stride), (3, 1)):
        inner = _convolution(weights[f"{name}conv{number}.weight"], inner, step)
        inner = _batch_norm(weights, f"{name}bn{number}", inner)
        if number < 3:
            inner = np.maximum(inner, 0)
    if f"{name}downsample.0.weight" in weights:
        pixels = _convolution(weights[f"{name}downsample.0.weight"], pixels, stride)
        pixels = _batch_norm(weights, f"{name}downsample.1", pixels)
    return np.maximum(inner + pixels, 0)


def _convolution(kernel: Array, pixels: Array, stride: int) -> Array:
    """(out, in, k, k) over (in, H, W), zeros around, to (out, H / stride, W / stride)."""
    size = kernel.shape[-1]
    height, width = pixels.shape[1] // stride, pixels.shape[2] // stride
    padded = np.pad(pixels, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    taps = np.ascontiguousarray(kernel.transpose(2, 3, 0, 1))  # numpy multiplies matrices with gaps ten times slower
    result = np.zeros((len(kernel), height * width))
    for i in range(size):
        for j in range(size):
            seen = padded[:, i : i + height * stride : stride, j : j + width * stride : stride]
            result += taps[i, j] @ seen.reshape(len(seen), -1)
    return result.reshape(-1, height, width)


def _batch_norm(weights: Weights, name: str, pixels: Array) -> Array:
    scale = weights[f"{name}.weight"] / np.sqrt(weights[f"{name}.running_var"] + 1e-5)
    shift = weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * scale
    return pixels * scale[:, None, None] + shift[:, None, None]


def _gru(weights: Weights, layer: str, sequence: Array) -> Array:
    """Cho et al. 2014 with the reset gate after the matrix, as cuDNN has it; the gates lie in the order r, z, n."""
    state, states = np.zeros(1024), []
    for values in sequence:
        seen = weights[f"encoder.gru.weight_ih_{layer}"] @ values + weights[f"encoder.gru.bias_ih_{layer}"]
        kept = weights[f"encoder.gru.weight_hh_{layer}"] @ state + weights[f"encoder.gru.bias_hh_{layer}"]
        reset, update = 1 / (1 + np.exp(-(seen + kept)[:2048])).reshape(2, 1024)
        new = np.tanh(seen[2048:] + reset * kept[2048:])
        state = (1 - update) * new + update * state
        states.append(state)
    return np.array(states)
