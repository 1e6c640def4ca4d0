# SPDX-License-Identifier: MIT
"""The file in the add-on is what the code builds."""

from pathlib import Path

import numpy as np
import pytest

from backend.body.mannequin import build

MANNEQUIN = Path(__file__).parents[4] / "vibe_blender" / "assets" / "mannequin.npz"


@pytest.mark.slow
def test_the_code_builds_the_file(tmp_path: Path):
    path = tmp_path / "rebuilt body.npz"
    build.write(path)
    with np.load(path, allow_pickle=False) as built, np.load(MANNEQUIN, allow_pickle=False) as kept:
        assert built.files == kept.files
        for name in kept.files:
            assert built[name].dtype == kept[name].dtype
            if kept[name].dtype.kind == "f":
                np.testing.assert_allclose(built[name], kept[name], atol=1e-3, err_msg=name)
            else:
                np.testing.assert_array_equal(built[name], kept[name], err_msg=name)


def test_the_file_is_small():
    assert MANNEQUIN.stat().st_size < 2_500_000
