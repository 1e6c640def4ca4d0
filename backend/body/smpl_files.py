# SPDX-License-Identifier: MIT
"""SMPL as its authors publish it, or as we keep it: files to arrays, without running any code that a file may carry."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from backend.npz import NO_ARRAYS, read_arrays
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.quaternions import Array

from .model import SHAPE_COUNT, BodyModel, from_arrays
from .pickled_arrays import UnsafePickleError, read_pickled_arrays

VERTEX_COUNT = 6890
_ARRAYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
_LARGEST_NPZ = 1 << 29
_LARGEST_REGRESSOR = 1 << 24
_HINT = "Download the file again from its authors' site; `vibe models list` says where it is to be had."


def read_smpl(path: Path) -> BodyModel:
    """The body in a published .pkl, or in an .npz such as ``import_smpl`` writes.

    Raises:
        CaptureError: ``body_missing``, ``body_unsafe`` or ``body_broken``.
    """
    return _body(_arrays(path), path)


def import_smpl(source: Path, target: Path) -> None:
    """Writes a published SMPL file's arrays to an .npz that can be read without pickle; never half of them.

    Raises:
        CaptureError: as ``read_smpl``; ``models_unwritable``.
    """
    arrays = _arrays(source)
    _body(arrays, source)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="import-", dir=target.parent) as scratch:
            unfinished = Path(scratch) / target.name
            with unfinished.open("wb") as file:
                np.savez(file, **arrays)
            unfinished.replace(target)
    except OSError as error:
        raise CaptureError(
            "models_unwritable",
            f"{target} cannot be written: {error.strerror or error}.",
            "Free some space, or choose another folder with --models.",
        ) from error


def read_regressor(path: Path, joints: int) -> Array:
    """(joints, 6890) weights that give joints from SMPL's vertices, out of an .npy file.

    Raises:
        CaptureError: ``body_missing`` or ``body_broken``.
    """
    try:
        if path.stat().st_size > _LARGEST_REGRESSOR:
            raise ValueError("it is too large")
        weights = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (ValueError, *NO_ARRAYS) as error:
        raise _broken(path, f"it is no .npy file of numbers ({error})") from error
    if not isinstance(weights, np.ndarray) or weights.shape != (joints, VERTEX_COUNT) or weights.dtype.kind != "f":
        raise _broken(path, f"it does not hold weights for {joints} joints of {VERTEX_COUNT} vertices")
    if not np.all(np.isfinite(weights)):
        raise _broken(path, "it holds values that are not numbers")
    return weights.astype(np.float64)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The model's arrays, of the shapes only the first ten, which are all that VIBE knows."""
    try:
        ours = path.suffix.lower() == ".npz"
        found = read_arrays(path, _LARGEST_NPZ) if ours else read_pickled_arrays(path, _ARRAYS)
    except FileNotFoundError as error:
        raise _missing(path) from error
    except UnsafePickleError as error:
        raise CaptureError(
            "body_unsafe",
            f"{path} is refused: it asks for {error}, which no body model needs, and loading it could run a program.",
            "Nothing in it was run. Get the file from its authors' site, and delete this one.",
        ) from error
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from error
    except ValueError as error:
        raise _broken(path, str(error)) from error
    arrays = {name: found[name] for name in _ARRAYS if name in found}
    if "v_template" in arrays and len(arrays["v_template"]) != VERTEX_COUNT:
        raise _broken(path, f"it has {len(arrays['v_template'])} vertices, SMPL has {VERTEX_COUNT}")
    if "shapedirs" in arrays:
        arrays["shapedirs"] = arrays["shapedirs"][..., :SHAPE_COUNT]
    return arrays


def _body(arrays: dict[str, np.ndarray], path: Path) -> BodyModel:
    try:
        return from_arrays(arrays, path)
    except CaptureError as error:  # it takes them for the program's own
        raise CaptureError(error.code, error.message, _HINT) from error


def _missing(path: Path) -> CaptureError:
    return CaptureError("body_missing", f"There is no file {path}.", "`vibe models list` says where it is to be had.")


def _broken(path: Path, why: str) -> CaptureError:
    return CaptureError("body_broken", f"{path} cannot be used: {why}.", _HINT)
