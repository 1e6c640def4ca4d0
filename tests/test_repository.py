# SPDX-License-Identifier: MIT
"""The house rules that a machine can check: layout, imports, versions, licences, pins, and the documents' promises."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from packaging.requirements import Requirement

from vibe_blender.contract.version import VERSION

REPOSITORY = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    "vibe_blender", "backend", "tests", "docs", ".ci", ".gitignore", ".gitattributes",
    "blender_manifest.toml", "pyproject.toml", "constraints.txt", "README.md", "CHANGELOG.md", "CONTRIBUTING.md",
    "LICENSE", "LICENSE-MIT", "LICENSE-CC0",
}  # fmt: skip
INSTALLERS = {"pip", "uv"}
"""Pinned too, for the add-on installs the backend with them, but no part of the program requires them."""
HOME_FOLDERS = ("work", "farm", "root", "tmp", "home", "Users")
NEED_TORCH = (
    *(f"backend.networks.{name}" for name in (
        "attending", "dts_vibe", "frame_based", "motion_discriminator", "regressor", "resnet", "tcmr", "transformer",
        "vibe",
    )),
    "backend.body.axis_angles", "backend.body.rotation6d", "backend.body.smpl", "backend.checkpoints",
    "backend.estimators.vibe", "backend.estimators.windowed", "backend.flow_networks", "backend.own_networks",
    *(f"backend.training.{name}" for name in (
        "augment", "bodies", "clips", "config", "curves", "distributed", "features", "feeding", "flow_loss", "losses",
        "measuring", "mixing", "networks", "prepare.human36m", "prepare.insta_variety", "prepare.joint_orders",
        "prepare.mpi_inf_3dhp", "prepare.penn_action", "prepare.posetrack", "prepare.rendered", "prepare.threedpw",
        "state", "testing", "trainer",
    )),
)  # fmt: skip
"""The modules, and two packages, that the default road does without."""
NEED_BLENDER = tuple(f"backend.training.rendering.{name}" for name in ("filming", "materials", "stage"))
"""The worker that renders, a program of its own."""
IMPORT_ALL = """
import importlib, pkgutil, sys

blocked, packages, left_out = (argument.split(",") for argument in sys.argv[1:])


class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ImportError(f"{name} must not be imported here")


sys.meta_path.insert(0, Block())
for name in packages:
    package = importlib.import_module(name)
    print(name)
    for module in pkgutil.walk_packages(package.__path__, name + ".", onerror=lambda _: None):
        if not any(f"{module.name}.".startswith(f"{other}.") for other in left_out):
            importlib.import_module(module.name)
            print(module.name)
"""


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files git knows, relative to the repository."""
    git = shutil.which("git")
    if git is None or not (REPOSITORY / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run([git, "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    return [Path(name) for name in names.decode().split("\0") if name and (REPOSITORY / name).is_file()]


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))


def imported(blocked: str, packages: str, left_out: tuple[str, ...] = ()) -> list[str]:
    """The modules a fresh interpreter could import while others were blocked."""
    command = [sys.executable, "-E", "-s", "-c", IMPORT_ALL, blocked, packages, ",".join(left_out)]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_import_rules_hold(monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert lint_imports(no_cache=True) == 0


def test_contract_motion_and_client_need_nothing_but_numpy() -> None:
    packages = ("vibe_blender.contract", "vibe_blender.motion", "vibe_blender.client")
    names = imported("bpy,bmesh,mathutils,torch,cv2,scipy,smplx,av,platformdirs,backend", ",".join(packages))
    assert {*packages, "vibe_blender.contract.take", "vibe_blender.contract.protocol"} <= set(names)


def test_capture_needs_neither_blender_nor_torch() -> None:
    names = imported("bpy,bmesh,mathutils,torch,smplx,skimage,pytest", "backend", NEED_TORCH + NEED_BLENDER)
    assert {"backend", "backend.evaluation", "backend.video", "backend.pipeline", "backend.networks"} <= set(names)


@pytest.mark.parametrize(("package", "modules"), [("torch", NEED_TORCH), ("bpy", NEED_BLENDER)])
def test_only_what_needs_a_package_is_let_off(package, modules) -> None:
    code = """
import importlib, sys

sys.modules[sys.argv[1]] = None
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except ImportError:
        print(name)
"""
    run = subprocess.run(
        [sys.executable, "-E", "-s", "-c", code, package, *modules],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == list(modules)


def test_the_backend_package_itself_imports_nothing() -> None:
    tree = ast.parse((REPOSITORY / "backend" / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_add_on_imports_itself_relatively() -> None:
    absolute = []
    for path in (REPOSITORY / "vibe_blender").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            absolute += [f"{path.name}: {name}" for name in names if name.partition(".")[0] == "vibe_blender"]
    assert absolute == []


def test_one_version_everywhere(project) -> None:
    assert project["project"]["version"] == VERSION
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## \[([^\]]+)\]", changelog, flags=re.MULTILINE)[1] == VERSION
    manifest = REPOSITORY / "blender_manifest.toml"
    if manifest.is_file():
        assert tomllib.loads(manifest.read_text(encoding="utf-8"))["version"] == VERSION


def test_every_python_file_names_its_licence(tracked) -> None:
    wrong = []
    for path in tracked:
        if path.suffix != ".py":
            continue
        licence = "MIT"
        if path.parts[0] == "vibe_blender":
            licence = "GPL-3.0-or-later OR MIT" if path.parts[1] in ("contract", "motion") else "GPL-3.0-or-later"
        first = (REPOSITORY / path).read_text(encoding="utf-8").partition("\n")[0]
        if first != f"# SPDX-License-Identifier: {licence}":
            wrong.append(f"{path}: {first!r} should name {licence}")
    assert wrong == []


def test_the_top_level_is_the_house_plan(tracked) -> None:
    assert {path.parts[0] for path in tracked} - TOP_LEVEL == set()


def test_no_file_names_a_machine_or_a_package_host(tracked) -> None:
    folders = re.compile(rf"(?<![\w.~])/(?:{'|'.join(HOME_FOLDERS)})/[\w.-]")
    host = re.compile(r"https?://[a-z.-]*(?:pypi|debian)")
    found = []
    for path in tracked:
        content = (REPOSITORY / path).read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
            if folders.search(line) or host.search(line):
                found.append(f"{path}:{number}: {line[:120]}")
    assert found == []


def test_tests_mirror_the_packages(tracked) -> None:
    homeless = []
    for path in tracked:
        if path.parts[0] == "tests" and path.name.startswith("test_") and path.parts[1] in ("backend", "vibe_blender"):
            folder, subject = REPOSITORY.joinpath(*path.parts[1:-1]), path.stem.removeprefix("test_")
            homes = (folder / subject, folder / f"{subject}.py", folder / f"__{subject}__.py")
            homes += ((REPOSITORY / path).with_name(f"{subject}.py"),)
            if not any(home.exists() for home in homes):
                homeless.append(str(path))
    assert homeless == []


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_every_requirement_is_pinned_within_its_range(project, python) -> None:
    pins: dict[str, str] = {}
    for line in (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate({"python_version": python}):
                (specifier,) = pin.specifier
                assert specifier.operator == "=="
                assert pin.name not in pins
                pins[pin.name] = specifier.version
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *(line for extra in extras for line in extra)]
    required = [Requirement(line) for line in lines if Requirement(line).name != project["project"]["name"]]
    outside = [str(need) for need in required if not need.specifier.contains(pins.get(need.name, "0.0.0"))]
    assert outside == []
    assert set(pins) == {need.name for need in required} | INSTALLERS


def test_readme_has_two_commands_and_ci_runs_the_second() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    capture, tests = re.findall(r"^```bash\n(.*?)^```$", readme, flags=re.MULTILINE | re.DOTALL)
    for command in (capture, tests):
        assert command.count("\n") == 1
        assert "-m venv .venv" in command
        assert "-c constraints.txt" in command
    assert "-m vibe_blender tests/data/" in capture
    assert tests.rstrip().endswith("-m pytest")
    awk = re.search(r"\$\((awk '.*' README\.md)\)", (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8"))
    bash = shutil.which("bash")
    if bash is None or shutil.which("awk") is None:
        pytest.skip("bash and awk are not here")
    extracted = subprocess.run([bash, "-c", awk[1]], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    assert extracted == tests


def test_the_architecture_page_names_every_module() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    tree = page.split("## The tree")[1].split("```")[1]
    named = set(re.findall(r"[\w.]+", tree))
    missing = []
    for package, named_depth in (("backend", 1), ("vibe_blender", 2)):
        for path in (REPOSITORY / package).rglob("*.py"):
            inside = path.relative_to(REPOSITORY / package)
            by_name = path.name != "__init__.py" and len(inside.parts) <= named_depth
            if (path.name if by_name else path.parent.name) not in named:
                missing.append(str(inside))
    assert missing == []
    tops = [top for top in REPOSITORY.glob("[vbtd]*") if top.is_dir() and top.name not in ("build", "dist")]
    folders = (REPOSITORY, *(path for top in tops for path in top.glob("**/") if "__pycache__" not in path.parts))
    real = {entry.name for folder in folders for entry in folder.iterdir()}
    assert {name for name in named if name.endswith((".py", ".md", ".toml", ".txt"))} - real == set()
