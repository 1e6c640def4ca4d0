# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command line asks to be made: which files, of which takes, with which characters in them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .contract.errors import CaptureError
from .motion.retargeting.settings import Retarget
from .motion.retargeting.settings_text import retarget_from

_OF_CHARACTERS = ("target_object", "person", "bone_map")
T = TypeVar("T")


@dataclass(frozen=True)
class Role:
    """A character that takes over somebody's motion.

    Attributes:
        rig: .blend file that has it.
        armature: name of its armature in the file; empty for the only one.
        person: whom it follows; None for the one whose turn it is.
        bone_map: file that says what its bones are; None for what is stored or recognised.
        settings: how.
    """

    rig: Path
    armature: str
    person: int | None
    bone_map: Path | None
    settings: Retarget


@dataclass(frozen=True)
class Piece:
    """One file to be made.

    Attributes:
        source: video or take.
        roles: characters; where there are none, the file is of the captured people.
        save: where it goes.
    """

    source: Path
    roles: tuple[Role, ...]
    save: Path


def is_folder(path: Path) -> bool:
    """Whether a path names a folder, which need not be there yet."""
    return path.is_dir() or not path.suffix


def pieces_from(options: argparse.Namespace) -> tuple[Piece, ...]:
    """The files that options ask for: one, or where they name a folder, one for each take with each character.

    Args:
        options: ``source``, ``save``, ``format`` and those of ``contract.arguments.add_retarget_arguments``.

    Raises:
        CaptureError: ``bad_option`` or ``bad_setting``.
    """
    roles = roles_from(options)
    if is_folder(options.save):
        pieces = tuple(piece for source in options.source for piece in _pieces_of(source, roles, options))
    elif len(options.source) > 1:
        raise CaptureError("bad_option", "Several takes do not go into one file.", "Let --save name a folder.")
    else:
        pieces = (Piece(options.source[0], roles, options.save),)
    _check_distinct(pieces, [path for path in (options.picture, options.take) if path is not None])
    for name in ("picture", "take"):
        if getattr(options, name) is not None and len(pieces) > 1:
            raise CaptureError("bad_option", f"--{name} is for one file, not for several.", f"Leave --{name} out.")
    if roles and any(piece.save.suffix.lower() == ".npz" for piece in pieces):
        raise CaptureError("bad_option", "An .npz holds SMPL's parameters, no character.", "Choose another format.")
    return pieces


def roles_from(options: argparse.Namespace) -> tuple[Role, ...]:
    """The characters, as ``contract.arguments.add_retarget_arguments`` describes them.

    Raises:
        CaptureError: ``bad_option`` or ``bad_setting``.
    """
    rigs = [Path(text).absolute() for text in options.target]
    together = len(rigs) > 1 and not is_folder(options.save)
    settings = retarget_from(options.retarget, Retarget(place="world" if together else "object"))
    if not rigs:
        for name in (*_OF_CHARACTERS, "retarget"):
            if getattr(options, name):
                raise CaptureError("bad_option", f"{_option(name)} is about a character.", "Give one with --target.")
    names, people, maps = (_each(getattr(options, name), len(rigs), name) for name in _OF_CHARACTERS)
    return tuple(
        Role(rig, name or "", person, Path(bone_map).absolute() if bone_map else None, settings)
        for rig, name, person, bone_map in zip(rigs, names, people, maps, strict=True)
    )


def _pieces_of(source: Path, roles: Sequence[Role], options: argparse.Namespace) -> list[Piece]:
    """What becomes of one take in a folder."""
    if not roles:
        return [Piece(source, (), options.save / f"{source.stem}.{options.format}")]
    return [Piece(source, (role,), options.save / f"{source.stem}-{role.rig.stem}.{options.format}") for role in roles]


def _each(values: Sequence[T], count: int, name: str) -> list[T | None]:
    """One value for each character."""
    if len(values) in (0, 1):
        return [*values] * count if values else [None] * count
    if len(values) != count:
        raise CaptureError(
            "bad_option",
            f"{_option(name)} is there {len(values)} times, --target {count} times.",
            "Give it once for all characters, or once for each.",
        )
    return list(values)


def _check_distinct(pieces: Sequence[Piece], beside: Sequence[Path]) -> None:
    """Raises ``bad_option`` where a file would be written twice, or is read too; ``beside`` are written as well."""
    there = dict[Path, Piece]()
    for piece in pieces:
        if piece.save in there:
            raise CaptureError(
                "bad_option",
                f"{piece.save.name} would be written twice.",
                "Rename takes or characters that have the same name, or let them go to folders of their own.",
            )
        there[piece.save] = piece
    read = [piece.source for piece in pieces]
    read += [path for piece in pieces for role in piece.roles for path in (role.rig, role.bone_map) if path is not None]
    for written in (*(piece.save for piece in pieces), *beside):
        if any(_are_one(written, path) for path in read):
            raise CaptureError(
                "bad_option",
                f"{written} is read for this, and would be overwritten.",
                "Choose another name, or another folder.",
            )


def _are_one(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file, however they are written."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there, or nobody may look
        return one == other


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
