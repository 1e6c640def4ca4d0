# SPDX-License-Identifier: MIT
"""The extension's manifest, held to the project and to Blender's own validator."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
MANIFEST = REPOSITORY / "blender_manifest.toml"


def test_the_manifest_agrees_with_the_project() -> None:
    manifest = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert manifest["version"] == project["version"]
    assert manifest["id"].isidentifier()
    assert "blender" not in manifest["name"].lower()


def test_blender_builds_and_validates_it(tmp_path) -> None:
    bpy = pytest.importorskip("bpy")
    tool = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(MANIFEST, source)
    (source / "__init__.py").write_text("def register(): ...\ndef unregister(): ...\n", encoding="utf-8")
    archive = tmp_path / "extension.zip"
    for command in (
        ["validate", str(source)],
        ["build", "--source-dir", str(source), "--output-filepath", str(archive)],
        ["validate", str(archive)],
    ):
        run = subprocess.run([sys.executable, str(tool), *command], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
