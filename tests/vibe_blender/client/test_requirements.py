# SPDX-License-Identifier: MIT
"""The backend's requirements, from the program's own files; environments outdate only for what is in them."""

from __future__ import annotations

import pytest

from vibe_blender.client.process import PROGRAM_FOLDER
from vibe_blender.client.requirements import package_name, pinned, requirements


def digest(program, *parts: str) -> str:
    return requirements(("default", *parts), program).digest


def repin(program, old: str, new: str) -> None:
    path = program / "constraints.txt"
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def test_of_the_program_itself() -> None:
    needed = requirements(("default", "networks"))
    assert {"numpy", "scipy", "av", "ai-edge-litert"} <= {package_name(line) for line in needed.default}
    assert "torch" in {package_name(line) for line in needed.networks}
    assert not {"torch", "pytest"} & {package_name(line) for line in needed.default}
    assert needed.constraints.is_file()
    assert requirements(("default",)).networks == ()


@pytest.mark.parametrize("name", ["pip", "uv", "torch"])
def test_pins(name) -> None:
    assert pinned(name).startswith(f"{name}==")


@pytest.mark.parametrize(
    ("old", "new", "default", "networks"),
    [
        ("tiny-one==1.2", "tiny-one==1.3", True, True),
        ("tiny-net==2.0", "tiny-net==2.1", False, True),
        ("tiny-dev==3.0", "tiny-dev==3.1", False, False),
        ("# Tested versions.", "# Other words.", False, False),
    ],
)
def test_which_pin_outdates_which_environment(program, old, new, default, networks) -> None:
    before = digest(program), digest(program, "networks")
    repin(program, old, new)
    assert (digest(program) != before[0], digest(program, "networks") != before[1]) == (default, networks)


def test_the_page_on_installing_fills_an_offline_folder_with_all_of_them() -> None:
    page = (PROGRAM_FOLDER / "docs" / "install.md").read_text(encoding="utf-8")
    names = page.split("```bash\n")[1].splitlines()[0].partition("--dest FOLDER ")[2].split()
    assert names == ["pip", *(package_name(line) for line in requirements(("default",)).default)]


def test_a_new_requirement_outdates(program) -> None:
    before = digest(program)
    path = program / "pyproject.toml"
    path.write_text(path.read_text().replace('"tiny_two"', '"tiny_two", "tiny-three"'))
    assert digest(program) != before


@pytest.mark.parametrize(
    ("line", "name"),
    [("numpy>=1.26", "numpy"), ('OpenCV_python==4; python_version < "3.12"', "opencv-python"), ("a[b]>=1", "a")],
)
def test_names(line, name) -> None:
    assert package_name(line) == name
