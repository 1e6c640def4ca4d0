# SPDX-License-Identifier: MIT
"""The extension's manifest, held to the project; ``test_extension.py`` has Blender judge it."""

from __future__ import annotations

import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
MANIFEST = REPOSITORY / "blender_manifest.toml"


def test_the_manifest_agrees_with_the_project() -> None:
    manifest = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert manifest["version"] == project["version"]
    assert manifest["id"].isidentifier()
    assert "blender" not in manifest["name"].lower()


def test_the_network_permission_names_all_that_is_downloaded() -> None:
    reason = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["permissions"]["network"]
    assert "backend" in reason
    assert "models" in reason
    assert len(reason) <= 64
