# SPDX-License-Identifier: MIT
"""The published files of the network estimators: which each needs, where they are to be had, and which are there."""

from __future__ import annotations

import mmap
import re
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from vibe_blender.contract.errors import CaptureError

from .body.smpl_files import import_smpl
from .npz import NO_ARRAYS

Slot = Literal["spin", "vibe", "tcmr", "mean_params", "smpl", "regressor_extra", "regressor_h36m"]
LICENCE = "research, non-commercial"
_ARCHIVE = "vibe_data.zip of the project VIBE (github.com/mkocabas/VIBE)"
_TCMR = "base_data.zip of the project TCMR (github.com/hongsukchoi/TCMR_RELEASE)"
_VERTICES = 6890


@dataclass(frozen=True)
class PublishedFile:
    """A file that its authors publish, and that nobody else may hand on.

    Attributes:
        slot: what it is to the program.
        name: how its authors call it.
        names: regular expressions of the names it is known by, the best first, in lower case.
        purpose: what it does.
        source: where it is to be had, in words.
        licence: the kind of its licence.
    """

    slot: Slot
    name: str
    names: tuple[str, ...]
    purpose: str
    source: str
    licence: str = LICENCE


@dataclass(frozen=True)
class PublishedFiles:
    """Where each published file is, None where it is not there; ``folders`` are those that were looked through."""

    spin: Path | None = None
    vibe: Path | None = None
    tcmr: Path | None = None
    mean_params: Path | None = None
    smpl: Path | None = None
    regressor_extra: Path | None = None
    regressor_h36m: Path | None = None
    folders: tuple[Path, ...] = ()


PUBLISHED: tuple[PublishedFile, ...] = (
    PublishedFile(
        "spin", "spin_model_checkpoint.pth.tar", (r"spin_model_checkpoint\.pth(\.tar)?",),
        "the image network of VIBE, TCMR and DTS-VIBE, from the project SPIN", _ARCHIVE,
    ),
    PublishedFile(
        "vibe", "vibe_model_wo_3dpw.pth.tar", (r"vibe_model_wo_3dpw\.pth(\.tar)?", r"vibe_model_w_3dpw\.pth(\.tar)?"),
        "VIBE's network over time (vibe_model_w_3dpw.pth.tar will do too)", _ARCHIVE,
    ),
    PublishedFile(
        "tcmr", "tcmr_demo_model.pth.tar",
        (r"tcmr_demo_model\.pth(\.tar)?", r"tcmr_table[46]_3dpw_test\.pth(\.tar)?", r"tcmr_table[46]_\w+\.pth(\.tar)?"),
        "TCMR's network over time (one of tcmr_table4_… or tcmr_table6_… will do too)", _TCMR,
    ),
    PublishedFile(
        "smpl", "SMPL_NEUTRAL.pkl",
        (r"smpl_neutral\.npz", r"smpl_neutral\.pkl", r"basicmodel_neutral_lbs_10_207_0_v1\.[01]\.0\.pkl"),
        "the neutral SMPL body, also called basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
        f"smpl.is.tue.mpg.de or smplify.is.tue.mpg.de, after registration, or {_ARCHIVE}",
    ),
    PublishedFile(
        "mean_params", "smpl_mean_params.npz", (r"smpl_mean_params\.npz",),
        "the body that the networks start from; the checkpoints hold it too", _ARCHIVE,
    ),
    PublishedFile(
        "regressor_extra", "J_regressor_extra.npy", (r"j_regressor_extra\.npy",),
        "joints as training data marks them; only for comparisons", _ARCHIVE,
    ),
    PublishedFile(
        "regressor_h36m", "J_regressor_h36m.npy", (r"j_regressor_h36m\.npy",),
        "joints as Human3.6M marks them; only for comparisons", _ARCHIVE,
    ),
)  # fmt: skip
"""Of all estimators, those that a capture needs first."""

NEEDED: dict[str, tuple[Slot, ...]] = {
    "vibe": ("spin", "vibe", "smpl"), "tcmr": ("spin", "tcmr", "smpl"), "dts-vibe": ("spin", "smpl"),
}  # fmt: skip
"""What a capture cannot do without, by estimator, whose network over time may also be one of the user's own."""
USED: dict[str, tuple[Slot, ...]] = {
    "vibe": (*NEEDED["vibe"], "mean_params", "regressor_extra", "regressor_h36m"),
    "tcmr": (*NEEDED["tcmr"], "mean_params"),
    "dts-vibe": NEEDED["dts-vibe"],
}
"""The same, and what is good for something else beside."""

_SUFFIXES = (".pth", ".tar", ".pt", ".ckpt", ".pkl", ".npz", ".npy")
_SLOTS: dict[str, tuple[Slot, ...]] = {
    ".npy": ("regressor_extra", "regressor_h36m"), ".npz": ("mean_params", "smpl"), ".pkl": ("smpl",),
}  # fmt: skip
"""What a file of this suffix can be; a checkpoint has any other."""
_DEEPEST = 5
_MOST_FOLDERS = 2000
_HEAD = 1 << 20
_OWN = b"vibe-network"
"""A network of the user's own, which has the same parts."""
_LARGEST_BODY = 1 << 29


def find_published(*folders: Path) -> PublishedFiles:
    """The published files in folders, earlier ones first, however they are laid out below.

    A file is known by its published name or else, where that was changed, by what is in it. Nothing is unpickled.
    """
    folders = tuple(dict.fromkeys(folders))
    found: dict[Slot, Path] = {}
    for folder in folders:
        paths = list(_candidates(folder))
        for item in PUBLISHED:
            for pattern in item.names:
                named = (path for path in paths if re.fullmatch(pattern, path.name.lower()))
                if item.slot not in found and (path := next(named, None)) is not None:
                    found[item.slot] = path
        for path in paths:
            possible = _SLOTS.get(path.suffix.lower(), ("spin", "vibe", "tcmr"))
            known = path in found.values() or all(slot in found for slot in possible)
            if not known and (slot := recognised(path)) is not None:
                found.setdefault(slot, path)
    return PublishedFiles(**found, folders=folders)


def missing(files: PublishedFiles, estimator: str) -> list[PublishedFile]:
    """What an estimator needs and is not there; each says where it is to be had and its licence."""
    return [item for item in PUBLISHED if item.slot in NEEDED[estimator] and getattr(files, item.slot) is None]


def import_body(source: Path, folder: Path) -> Path:
    """Converts SMPL's .pkl, or the one in a folder, to an .npz in ``folder`` under the name it is looked for.

    Raises:
        CaptureError: ``published_missing``, or what is wrong with the file.
    """
    if source.is_dir():
        (source,) = require(find_published(source), "smpl")
    target = folder / f"SMPL_{sex_of(source).upper()}.npz"
    import_smpl(source, target)
    return target


def require(files: PublishedFiles, *slots: Slot) -> tuple[Path, ...]:
    """The paths of files that have to be there.

    Raises:
        CaptureError: ``published_missing``, which names the files, and where they are to be had.
    """
    absent = [item for item in PUBLISHED if item.slot in slots and getattr(files, item.slot) is None]
    if absent:
        places = " or ".join(str(folder) for folder in files.folders) or "any folder"
        raise CaptureError(
            "published_missing",
            f"{no_folder(files.folders)}{_listed(item.name for item in absent)} "
            f"{'is' if len(absent) == 1 else 'are'} not in {places}.{_near_miss(files, absent)}",
            f"Get {_with_sources(absent)} (licence: {LICENCE}), and name the folder with --models.",
        )
    return tuple(getattr(files, slot) for slot in slots)


def no_folder(folders: Sequence[Path]) -> str:
    """A sentence about the folder that somebody named and that is none, with a space after it, or nothing.

    Args:
        folders: that were looked through; the last is the default one, which need not be there.
    """
    return next((f"There is no folder {folder}. " for folder in folders[:-1] if not folder.is_dir()), "")


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _with_sources(absent: Sequence[PublishedFile]) -> str:
    """Each of the files with where it is to be had; the archive, where several are, is named in full once."""
    by_source: dict[str, list[str]] = {}
    for item in absent:
        by_source.setdefault(item.source, []).append(item.name)
    text = "; ".join(f"{_listed(names)} from {source}" for source, names in by_source.items())
    before, archive, after = text.partition(_ARCHIVE)
    return before + archive + after.replace(_ARCHIVE, "the same archive")


def _near_miss(files: PublishedFiles, absent: Sequence[PublishedFile]) -> str:
    """A sentence about what is there and will not do, with a space before it, or nothing."""
    for folder in files.folders:
        for path in _candidates(folder, (".zip", ".pkl", ".npz")):
            if path.suffix.lower() == ".zip" and path.stem.lower().startswith("vibe_data"):
                return f" {path.name} is there, but it has to be unpacked."
            body = re.fullmatch(
                r"(smpl_(fe)?male|basicmodel_[fm]_lbs_10_207_0_v1\.[01]\.0)\.(pkl|npz)", path.name.lower()
            )
            if body and any(item.slot == "smpl" for item in absent):
                return f" {path.name} is there, but the neutral body is needed."
    return ""


def _candidates(folder: Path, suffixes: tuple[str, ...] = _SUFFIXES) -> Iterator[Path]:
    """Files that could be published ones, those nearer to the folder first."""
    waiting = deque([(folder, 0)])
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            return
        place, depth = waiting.popleft()
        try:
            entries = sorted(place.iterdir(), key=lambda path: path.name.lower())
        except OSError:
            continue
        for path in entries:
            if path.is_dir():
                if depth < _DEEPEST and not path.name.startswith((".", "__")):
                    waiting.append((path, depth + 1))
            elif path.name.lower().endswith(suffixes) and path.is_file():
                yield path


def recognised(path: Path) -> Slot | None:
    """What a file is by its content, None where it is none of ours or cannot be read."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".npy":
            return _regressor(path)
        if suffix == ".npz":
            return _archive_of_arrays(path)
        if suffix == ".pkl":
            return "smpl" if _is_neutral_smpl(path) else None
        return _checkpoint(_head(path))
    except (ValueError, *NO_ARRAYS):
        return None


def _regressor(path: Path) -> Slot | None:
    with path.open("rb") as file:
        shape = _shape(file)
    slots: dict[tuple[int, ...], Slot] = {(9, _VERTICES): "regressor_extra", (17, _VERTICES): "regressor_h36m"}
    return slots.get(shape)


def _shape(file: IO[bytes]) -> tuple[int, ...]:
    """The shape that the beginning of an .npy file tells."""
    first = np.lib.format.read_magic(file) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    return read(file)[0]


def _archive_of_arrays(path: Path) -> Slot | None:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if {"pose.npy", "shape.npy", "cam.npy"} <= names:
            return "mean_params"
        if not {"v_template.npy", "shapedirs.npy", "posedirs.npy", "J_regressor.npy", "weights.npy"} <= names:
            return None
        with archive.open("v_template.npy") as file:
            shape = _shape(file)
    return "smpl" if shape == (_VERTICES, 3) and sex_of(path) == "neutral" else None


def _is_neutral_smpl(path: Path) -> bool:
    """Whether a pickle has SMPL's entries and no hands; of which sex it is only its name can say."""
    if not 0 < path.stat().st_size <= _LARGEST_BODY or sex_of(path) != "neutral":
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        has = [content.find(name) >= 0 for name in (b"v_template", b"posedirs", b"J_regressor", b"kintree_table")]
        return all(has) and content.find(b"hands_mean") < 0


def sex_of(path: Path) -> Literal["neutral", "female", "male"]:
    """Whose body a file of SMPL's holds, by its name; neutral where the name does not say."""
    words = re.split(r"[^a-z]+", path.stem.lower())
    if "female" in words or "f" in words:
        return "female"
    return "male" if "male" in words or "m" in words else "neutral"


def _head(path: Path) -> bytes:
    """The beginning of a checkpoint's pickled part, where the names of its tensors are."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.startswith(b"PK"):
        return head
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in (*archive.namelist(), "") if name.endswith("data.pkl") or not name)
        with archive.open(name) as file:
            return file.read(_HEAD)


def _checkpoint(head: bytes) -> Slot | None:
    if b"gen_state_dict" in head:
        if _OWN in head:
            return None
        # Both files hold a discriminator beside the network, which has a GRU too.
        if b"encoder.gru_cur.weight_ih_l0" in head:
            return "tcmr" if b"encoder.gru_aft.weight_ih_l0" in head else None
        return "vibe" if b"encoder.gru.weight_ih_l0" in head else None
    return "spin" if b"layer4.2.conv3.weight" in head and b"decpose.weight" in head else None
