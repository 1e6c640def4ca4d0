# SPDX-License-Identifier: MIT
"""What the backend's tests share."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from backend.body.model import BodyModel, load


@pytest.fixture(scope="session")
def body() -> BodyModel:
    """The mannequin."""
    return load(Path(str(resources.files("vibe_blender") / "assets" / "mannequin.npz")))
