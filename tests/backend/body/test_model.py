# SPDX-License-Identifier: MIT
"""The mannequin's file: what it must hold, and what the loader refuses."""

from pathlib import Path

import numpy as np
import pytest

from backend.body.model import BodyModel, load
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.skeleton import PARENTS, REST_JOINTS

MANNEQUIN = Path(__file__).parents[3] / "vibe_blender" / "assets" / "mannequin.npz"


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load(MANNEQUIN)


def test_rest_joints_are_the_contracts(body: BodyModel):
    np.testing.assert_allclose(body.rest_joints(np.zeros(10)), REST_JOINTS, atol=1e-5)


def test_rest_joints_are_those_of_the_shaped_skin(body: BodyModel):
    betas = np.random.default_rng(0).normal(size=(3, 10))
    np.testing.assert_allclose(body.rest_joints(betas), body.joint_regressor @ body.rest_vertices(betas), atol=1e-9)


def test_regressor_rows_are_convex_and_local(body: BodyModel):
    assert body.joint_regressor.min() >= 0
    np.testing.assert_allclose(body.joint_regressor.sum(axis=1), 1, atol=1e-5)
    spread = np.linalg.norm(body.template[None] - REST_JOINTS[:, None], axis=2)
    assert np.all((body.joint_regressor * spread).sum(axis=1) < 0.17)


def test_skin_weights_are_a_partition_over_at_most_four_bones(body: BodyModel):
    assert body.skin_weights.min() >= 0
    assert (body.skin_weights > 0).sum(axis=1).max() <= 4
    np.testing.assert_allclose(body.skin_weights.sum(axis=1), 1, atol=1e-6)


def _edges(faces: np.ndarray) -> np.ndarray:
    return np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)


@pytest.mark.parametrize("kind", ["triangles", "quads"])
def test_surface_is_watertight_and_faces_outwards(body: BodyModel, kind: str):
    faces = getattr(body, kind)
    directed = _edges(faces)
    keys = directed[:, 0] * len(body.template) + directed[:, 1]
    back = directed[:, 1] * len(body.template) + directed[:, 0]
    assert len(np.unique(keys)) == len(keys), "two faces run along one edge in the same direction"
    assert set(keys) == set(back), "an edge has one face only"
    assert np.unique(faces).size == len(body.template), "a vertex has no face"
    euler = len(body.template) - len(keys) // 2 + len(faces)
    assert euler == 2, "the surface is not one closed skin without handles"
    a, b, c = (body.template[body.triangles[:, i]] for i in range(3))
    assert 0.055 < np.einsum("fi,fi->", a, np.cross(b, c)) / 6 < 0.075


def test_skin_is_exactly_symmetric(body: BodyModel):
    left = {tuple(v) for v in body.template}
    assert left == {(-x + 0.0, y, z) for x, y, z in body.template}


def _rewrite(tmp_path: Path, **changes: object) -> Path:
    with np.load(MANNEQUIN) as file:
        arrays = {name: file[name] for name in file.files}
    for name, value in changes.items():
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value(arrays[name]) if callable(value) else value
    path = tmp_path / "人体 🧍.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"weights": None}, "no array 'weights'"),
        ({"posedirs": np.zeros((5, 3, 207))}, "shape"),
        ({"weights": lambda weights: weights * np.nan}, "not numbers"),
        ({"weights": lambda weights: weights * 0.5}, "sum to 1"),
        ({"f": np.array([[0, 1, 10**6]])}, "do not exist"),
        ({"f": np.zeros((3, 3))}, "faces"),
        ({"kintree_table": np.zeros((2, 24), int)}, "connected"),
        ({"material": np.zeros(3, np.uint8)}, "materials"),
        ({"material": lambda material: material + 200}, "materials"),
        ({"v_template": np.array([{}], dtype=object)}, "plain arrays"),
    ],
)
def test_loader_refuses_a_broken_file(tmp_path: Path, changes: dict, reason: str):
    with pytest.raises(CaptureError, match=reason) as caught:
        load(_rewrite(tmp_path, **changes))
    assert caught.value.hint


def test_loader_names_a_missing_file(tmp_path: Path):
    with pytest.raises(CaptureError, match="No body model"):
        load(tmp_path / "nothing.npz")


def test_loader_refuses_what_is_no_archive(tmp_path: Path):
    path = tmp_path / "text.npz"
    path.write_text("SMPL")
    with pytest.raises(CaptureError, match="plain arrays"):
        load(path)


def test_a_file_without_quads_still_loads(tmp_path: Path):
    body = load(_rewrite(tmp_path, faces_quads=None, material=None, material_names=None))
    assert body.quads.shape == (0, 4)
    assert body.material_names == ("skin",)


def test_parents_are_those_of_smpl():
    with np.load(MANNEQUIN) as file:
        assert tuple(file["kintree_table"][0, 1:]) == PARENTS[1:]


def test_clothes_lie_where_they_belong(body: BodyModel):
    middle = body.template[body.quads].mean(axis=1)
    heights = {name: middle[body.materials == index, 1].mean() for index, name in enumerate(body.material_names)}
    assert list(heights) == ["skin", "hair", "shirt", "trousers", "shoes", "eyes", "lips"]
    assert (
        heights["hair"] > heights["eyes"] > heights["lips"] > heights["shirt"] > heights["trousers"] > heights["shoes"]
    )
    assert middle[body.materials == 1, 2].mean() < 0 < middle[body.materials == 5, 2].min()
