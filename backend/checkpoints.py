# SPDX-License-Identifier: MIT
"""The published checkpoints as networks: every parameter by its name, nothing missing, nothing run."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from vibe_blender.contract.errors import CaptureError

from .networks.regressor import Regressor
from .networks.resnet import ResNet50
from .networks.tcmr import Tcmr
from .networks.vibe import Vibe
from .npz import read_arrays
from .torch_files import DeclaredTensor, declared, printable

Network = TypeVar("Network", bound=nn.Module)

_SPIN_PART, _GENERATOR_PART = "model", "gen_state_dict"
# Saved by the authors with VIBE and TCMR; we have the body from its own file, in a version of the user's choice.
_BODY = "regressor.smpl."
_COUNTERS = ".num_batches_tracked"  # of training only; files from before torch 0.4.1 have none
_MEAN_BODY = {"init_pose": "pose", "init_shape": "shape", "init_cam": "cam"}
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_MOST_NAMED = 4
_LARGEST_MEAN = 1 << 20
_ELSEWHERE = "Get the file again, from where its authors publish it."


def load_image_encoder(spin: Path) -> ResNet50:
    """SPIN's image encoder out of ``spin_model_checkpoint.pth.tar``: float32 on the CPU, in evaluation mode.

    Raises:
        CaptureError: ``checkpoint_missing``, ``checkpoint_unsafe``, ``checkpoint_damaged`` or ``checkpoint_mismatch``.
    """
    encoder = _empty(ResNet50)
    wanted = _shapes(encoder)
    # The file holds SPIN's own regressor too, which is looked at only to know the file.
    tensors = _read(spin, _SPIN_PART, {**wanted, **_shapes(_empty(Regressor))}, optional=_counters(wanted))
    for name in _counters(wanted):
        tensors.setdefault(name, torch.zeros((), dtype=torch.int64))
    return _filled(encoder, tensors)


def load_spin_regressor(spin: Path) -> Regressor:
    """SPIN's own regressor out of ``spin_model_checkpoint.pth.tar``: float32 on the CPU, in evaluation mode.

    Raises:
        CaptureError: as of ``load_image_encoder``.
    """
    regressor, encoder = _empty(Regressor), _shapes(_empty(ResNet50))
    wanted = _shapes(regressor)
    return _filled(regressor, _read(spin, _SPIN_PART, {**encoder, **wanted}, optional=_counters(encoder)))


def load_vibe(vibe: Path, spin: Path | None = None, mean_params: Path | None = None) -> Vibe:
    """VIBE's generator out of ``vibe_model_w[o]_3dpw.pth.tar``: float32 on the CPU, in evaluation mode.

    The body from which the regressor starts is in that file. Where it is not, it is SPIN's, or else that of
    ``smpl_mean_params.npz``, as when the published demo loads one file over the other.

    Raises:
        CaptureError: as of ``load_image_encoder``.
    """
    return _generator(Vibe, vibe, spin, mean_params)


def load_tcmr(tcmr: Path, spin: Path | None = None, mean_params: Path | None = None) -> Tcmr:
    """TCMR's network out of ``tcmr_demo_model.pth.tar`` or one of ``tcmr_table[46]_*.pth.tar``: as ``load_vibe``.

    Raises:
        CaptureError: as of ``load_image_encoder``.
    """
    return _generator(Tcmr, tcmr, spin, mean_params)


def _generator(make: type[Network], path: Path, spin: Path | None, mean_params: Path | None) -> Network:
    """A network with a ``regressor``, out of a file in the layout of VIBE's and TCMR's authors."""
    network = _empty(make)
    start = {f"regressor.{name}" for name in _MEAN_BODY}
    given = spin is not None or mean_params is not None
    tensors = _read(path, _GENERATOR_PART, _shapes(network), optional=start if given else (), dropped=_BODY)
    if not start <= tensors.keys():
        for name, values in _mean_body(spin, mean_params).items():
            tensors.setdefault(f"regressor.{name}", values)
    return _filled(network, tensors)


def _empty(make: type[Network]) -> Network:
    """The network without memory for its parameters."""
    with torch.device("meta"):
        return make()


def _filled(network: Network, tensors: Mapping[str, Tensor]) -> Network:
    names = network.state_dict().keys()
    network.load_state_dict({name: tensors[name] for name in names}, strict=True, assign=True)
    return network.eval()


def _shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values.shape) for name, values in network.state_dict().items()}


def _counters(names: Iterable[str]) -> set[str]:
    return {name for name in names if name.endswith(_COUNTERS)}


def load_mean_body(path: Path) -> dict[str, Tensor]:
    """The body that the regressor starts from, of ``smpl_mean_params.npz``, by the names of its buffers.

    ``init_pose`` (1, 144) in 6D, ``init_shape`` (1, 10) and ``init_cam`` (1, 3).

    Raises:
        CaptureError: ``checkpoint_missing``, ``checkpoint_damaged`` or ``checkpoint_mismatch``.
    """
    try:
        arrays = read_arrays(path, _LARGEST_MEAN)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    shapes = {theirs: _shapes(_empty(Regressor))[ours][1:] for ours, theirs in _MEAN_BODY.items()}
    held = {name: DeclaredTensor(values.shape, values.dtype.name) for name, values in arrays.items()}
    _compare(path, held, shapes, optional=())
    return {ours: torch.from_numpy(arrays[theirs].astype(np.float32))[None] for ours, theirs in _MEAN_BODY.items()}


def _mean_body(spin: Path | None, mean_params: Path | None) -> dict[str, Tensor]:
    """What ``load_mean_body`` gives, out of SPIN's file where there is one."""
    if spin is not None:
        encoder, regressor = _shapes(_empty(ResNet50)), _shapes(_empty(Regressor))
        tensors = _read(spin, _SPIN_PART, {**encoder, **regressor}, optional=_counters(encoder))
        return {name: tensors[name] for name in _MEAN_BODY}
    assert mean_params is not None
    return load_mean_body(mean_params)


def _read(
    path: Path, part: str, wanted: Mapping[str, tuple[int, ...]], *, optional: Iterable[str], dropped: str | None = None
) -> dict[str, Tensor]:
    """The tensors of one part of a checkpoint, by name: float32, of the shapes ``wanted``, all numbers finite.

    The file's own account of what it holds is compared with ``wanted`` before any of its numbers is read.
    """
    try:
        with path.open("rb") as file:
            contents = declared(file, path.name)
            state = contents.get(part) if isinstance(contents, dict) else None
            if not isinstance(state, dict):
                raise _mismatch(path, [f"it has no part named {part}"])
            held = {
                str(name): value for name, value in state.items() if not (dropped and str(name).startswith(dropped))
            }
            _compare(path, held, wanted, optional=optional)
            file.seek(0)
            loaded = _load(path, file)[part]
    except FileNotFoundError as error:
        raise _missing(path) from error
    except OSError as error:
        raise CaptureError(
            "checkpoint_missing", f"{path} cannot be read: {error.strerror}.", "Check the path."
        ) from error
    tensors = {name: loaded[name] for name in wanted if name in held}
    for name, values in tensors.items():
        if values.is_floating_point():
            # Contiguous, and apart from the rest of the file, which can then be forgotten.
            tensors[name] = values.detach().to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        if not torch.isfinite(values).all():
            raise _damaged(path, f"{name} holds values that are not numbers")
    return tensors


def _load(path: Path, file: BinaryIO) -> dict[str, dict[str, Tensor]]:
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        EOFError,
        AssertionError,
    ) as error:
        raise _damaged(path, str(error).partition("\n")[0]) from error


def _numpy_scalars() -> list:
    """What the number in a file's ``performance`` needs, under the names that old and new numpy give it."""
    scalar = type(np.float64(0)).__reduce__(np.float64(0))[0]
    types = [type(np.dtype(name)) for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    return [*((scalar, name) for name in names), np.dtype, *types]


def _compare(
    path: Path, held: Mapping[str, object], wanted: Mapping[str, tuple[int, ...]], *, optional: Iterable[str]
) -> None:
    """Refuses a file whose tensors are not those wanted."""
    missing = [name for name in wanted if name not in held and name not in set(optional)]
    surplus = [name for name in held if name not in wanted]
    wrong = []
    for name, shape in wanted.items():
        value = held.get(name, DeclaredTensor(shape, "float32"))
        if not isinstance(value, DeclaredTensor):
            wrong.append(f"{name} is no tensor")
        elif value.shape != shape:
            wrong.append(f"{name} has the shape {value.shape} instead of {shape}")
        elif value.dtype not in _FLOATS and not name.endswith(_COUNTERS):
            wrong.append(f"{name} has numbers of type {value.dtype}")
    faults = [*_named("it lacks", missing), *_named("it should not have", surplus), *_named("", wrong)]
    if faults:
        raise _mismatch(path, faults)


def _named(before: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return [f"{before} {', '.join(printable(name) for name in names[:_MOST_NAMED])}{more}".strip()]


def _mismatch(path: Path, faults: list[str]) -> CaptureError:
    return CaptureError(
        "checkpoint_mismatch",
        f"{path.name} is not the file that was expected: {'; '.join(faults)}.",
        "Give the file that the authors published, under its own name.",
    )


def _damaged(path: Path, why: str) -> CaptureError:
    return CaptureError("checkpoint_damaged", f"{path.name} is no whole checkpoint: {printable(why)}.", _ELSEWHERE)


def _missing(path: Path) -> CaptureError:
    return CaptureError("checkpoint_missing", f"There is no file {path}.", "Check the path.")
