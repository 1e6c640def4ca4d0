# SPDX-License-Identifier: MIT
"""Builds the extension's zip with Blender's own builder: the same bytes from the same files, wherever it runs.

``python .ci/build_extension.py -o dist`` with pip's bpy in this Python, or with ``--blender PATH`` any Blender.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import utime
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = ("vibe_blender", "backend")
# The add-on makes the backend's environment from these two, so that no requirement is written twice.
PROJECT_FILES = ("pyproject.toml", "constraints.txt")
MANIFEST = "blender_manifest.toml"
ENTRY = '''# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension as Blender sees it: both halves beside each other, the first of them with the user interface."""

from .vibe_blender import register, unregister

__all__ = ["register", "unregister"]
'''
MOMENT = (1980, 1, 1, 0, 0, 0, 0, 1, -1)
"""The earliest time a zip can tell; every file in it carries this one."""
MAX_BYTES = 5_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0, or 1 where Blender's builder or validator refused."""
    parser = argparse.ArgumentParser(description="Builds and validates the extension's zip.")
    parser.add_argument("-o", "--output", type=Path, default=REPOSITORY / "dist", metavar="DIR", help="default: dist/")
    parser.add_argument("--blender", type=Path, help="build with this Blender instead of pip's bpy")
    options = parser.parse_args(arguments)
    try:
        archive = build(options.output, find_builder(options.blender))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(archive, archive.stat().st_size)
    return 0


class BuildError(Exception):
    """No builder was found, or it refused; the argument is what it said."""


@dataclass(frozen=True)
class Builder:
    """How Blender's builder is called: ``command``, then ``build`` or ``validate`` with ``options``."""

    command: tuple[str, ...]
    options: tuple[str, ...] = ()

    def run(self, action: str, *arguments: str) -> None:
        """Raises BuildError with all it said where it refuses."""
        command = (*self.command, action, *self.options, *arguments)
        run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
        if run.returncode:
            raise BuildError(f"{' '.join(command)}\n{run.stdout}{run.stderr}")


def build(output: Path, builder: Builder) -> Path:
    """The finished zip in the folder ``output`` (made where missing), named after the manifest's id and version.

    Raises:
        BuildError: the builder or the validator refused.
    """
    manifest = tomllib.loads((REPOSITORY / MANIFEST).read_text(encoding="utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    archive = output.resolve() / f"{manifest['id']}-{manifest['version']}.zip"
    with tempfile.TemporaryDirectory(prefix="vibe-extension-") as folder:
        stage = Path(folder)
        stage_files(stage)
        builder.run("validate", str(stage))
        builder.run("build", "--source-dir", str(stage), "--output-filepath", str(archive))
    builder.run("validate", str(archive))
    if archive.stat().st_size > MAX_BYTES:
        raise BuildError(f"{archive} has {archive.stat().st_size} bytes; {MAX_BYTES} are allowed.")
    return archive


def stage_files(stage: Path) -> None:
    """Lays the extension out in an empty folder, every file with the same date and rights.

    The staged manifest lists the files, because Blender's builder otherwise takes them in the order of the file system.
    """
    names = [path.relative_to(REPOSITORY) for package in PACKAGES for path in _files(REPOSITORY / package)]
    names += [Path(name) for name in PROJECT_FILES]
    names += [path.relative_to(REPOSITORY) for path in REPOSITORY.glob("LICENSE*")]
    for name in names:
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / name, stage / name)
    (stage / "__init__.py").write_bytes(ENTRY.encode())
    listed = sorted([name.as_posix() for name in names] + ["__init__.py"])
    lines = "".join(f'    "{name}",\n' for name in listed)
    manifest = (REPOSITORY / MANIFEST).read_bytes() + f"\n[build]\npaths = [\n{lines}]\n".encode()
    (stage / MANIFEST).write_bytes(manifest)
    for name in (*listed, MANIFEST):
        (stage / name).chmod(0o644)
        utime(stage / name, (time.mktime(MOMENT),) * 2)


def find_builder(blender: Path | None) -> Builder:
    """Blender's own builder: a Blender's, or that of pip's bpy, which is not imported for it.

    Raises:
        BuildError: there is none.
    """
    if blender is not None:
        return Builder((str(blender), "--command", "extension"))
    found = importlib.util.find_spec("bpy")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        for tool in Path(folder).glob("*/scripts/addons_core/bl_pkg/cli/blender_ext.py"):
            tags = tool.parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py"
            return Builder((sys.executable, str(tool)), ("--valid-tags", str(tags)))
    raise BuildError(
        "Blender's extension builder is not here: install pip's bpy into this Python, or name a --blender."
    )


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside)
        if path.is_file() and not hidden:
            yield path


if __name__ == "__main__":
    sys.exit(main())
