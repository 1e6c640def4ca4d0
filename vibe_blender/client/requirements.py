# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages the backend needs, as the program's own pyproject.toml and constraints.txt say."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .process import PROGRAM_FOLDER

Part = Literal["default", "networks"]


@dataclass(frozen=True)
class Requirements:
    """The packages of the parts asked for.

    Attributes:
        default: requirement lines that every capture needs, such as ``numpy>=1.26``.
        networks: those of the network estimators, empty where that part was not asked for.
        constraints: the file with the pinned versions.
        digest: changes when a requirement or the pin of a package that may be installed does.
    """

    default: tuple[str, ...]
    networks: tuple[str, ...]
    constraints: Path
    digest: str


def requirements(parts: tuple[str, ...], program: Path = PROGRAM_FOLDER) -> Requirements:
    """What to install for ``parts``; ``program`` holds pyproject.toml and constraints.txt."""
    project = tomllib.loads((program / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: dict[str, Any] = project.get("optional-dependencies", {})
    default = tuple(project["dependencies"])
    networks = tuple(extras.get("networks", ())) if "networks" in parts else ()
    constraints = program / "constraints.txt"
    # Pins of what only developers install, or of parts not asked for, make no environment outdated.
    elsewhere = {package_name(line) for lines in extras.values() for line in lines} - {
        package_name(line) for line in networks
    }
    pins = [line for line in _pins(constraints) if package_name(line) not in elsewhere]
    text = "\n".join([*default, *networks, *pins])
    return Requirements(default, networks, constraints, hashlib.sha256(text.encode()).hexdigest())


def pinned(package: str, program: Path = PROGRAM_FOLDER) -> str:
    """The one tested version of a package of the installation itself, such as ``pip==26.3``."""
    return next(line for line in _pins(program / "constraints.txt") if package_name(line) == package)


def package_name(requirement: str) -> str:
    """The package a requirement line is about, as the index spells it."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _pins(constraints: Path) -> list[str]:
    lines = (line.strip() for line in constraints.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
