# SPDX-License-Identifier: MIT
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bpy")

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = """
def test_registering(panel):
    pass

def test_sums():
    assert {sum} == 4
"""


@pytest.mark.parametrize(("found", "status"), [("2 + 2", 0), ("2 + 3", 1)])
def test_pytest_ends_with_its_own_status(tmp_path, found, status) -> None:
    path = tmp_path / "test_registering.py"
    path.write_text(SOURCE.format(sum=found), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.vibe_blender.conftest", "--rootdir", tmp_path, path]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stderr
    assert f"{2 - status} passed" in ended.stdout
