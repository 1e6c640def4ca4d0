# SPDX-License-Identifier: MIT
"""The packages that only the network estimators need: there and whole, or what to do about it."""

from __future__ import annotations

import importlib
import importlib.util

from vibe_blender.contract.errors import CaptureError

_CALLED = {"torch": "PyTorch"}


def require_package(name: str, who: str) -> None:
    """Loads a package.

    Args:
        name: of the package.
        who: what needs it, as the beginning of a sentence.

    Raises:
        CaptureError: ``torch_missing``, or the like: it is not installed, or cannot be loaded.
    """
    called = _CALLED.get(name, name)
    if importlib.util.find_spec(name) is None:
        raise CaptureError(
            f"{name}_missing",
            f"{who} needs {called}, which is not installed.",
            "Install the network packages in the panel, or `vibe-for-blender[networks]` with pip.",
        )
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library that is cut off, or made for another system
        raise CaptureError(
            f"{name}_missing",
            f"{who} needs {called}, which is installed but cannot be loaded: {str(error).rstrip('.')}.",
            "Install it again.",
        ) from error
