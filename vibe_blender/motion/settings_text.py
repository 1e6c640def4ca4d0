# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Clean-up settings as text: a preset's name, a JSON file, or single values on a command line."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..contract import records
from ..contract.errors import CaptureError
from .presets import PRESETS
from .settings import Cleanup

_LARGEST_FILE = 1 << 20
_NOT_AS_TEXT = ("view.path",)
"""What comes out of a scene, and can be in no file."""


def cleanup_from(options: argparse.Namespace, otherwise: Cleanup) -> Cleanup:
    """The settings that options of ``contract.arguments.add_cleanup_arguments`` ask for; else ``otherwise``.

    Raises:
        CaptureError: ``bad_setting`` or ``settings_missing``.
    """
    if not options.cleanup:
        settings = otherwise
    elif options.cleanup in PRESETS:
        settings = PRESETS[options.cleanup]
    else:
        settings = read_settings(Path(options.cleanup))
    for text in options.set:
        name, sign, value = text.partition("=")
        if not sign:
            raise CaptureError("bad_setting", f"{text!r} sets nothing.", "Write it as smoothing.cutoff_hz=4.")
        settings = changed(settings, name.strip(), value.strip())
    return settings


def changed(settings: Cleanup, name: str, text: str) -> Cleanup:
    """The settings with one value, named as in ``feet.ease_s``, read from text.

    Raises:
        CaptureError: ``bad_setting``.
    """
    record = as_record(settings)
    *sections, last = name.split(".")
    place: Any = record
    for section in sections:
        place = place.get(section) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
        raise CaptureError("bad_setting", f"There is no setting {name!r}.", f"There are: {', '.join(_names(record))}.")
    try:
        place[last] = text if isinstance(place[last], str) else json.loads(text)
    except ValueError as error:
        raise CaptureError("bad_setting", f"{name} cannot be {text!r}.", "Give a number, true or false.") from error
    return from_record(record)


def read_settings(path: Path) -> Cleanup:
    """The settings in a JSON file; what it does not name is as ``Cleanup()`` has it.

    Raises:
        CaptureError: ``settings_missing`` or ``bad_setting``.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CaptureError("bad_setting", f"{path} is too long for settings.", "Name another file.")
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaptureError(
            "settings_missing",
            f"There is neither a preset nor a readable file {path}.",
            f"Presets: {', '.join(PRESETS)}.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise CaptureError("bad_setting", f"{path} is no JSON: {error}.", "Correct it, or name another.") from error
    return from_record(record)


def as_record(settings: Cleanup) -> dict[str, Any]:
    """The settings as plain values; a moving camera is left out."""
    record = dataclasses.asdict(settings)
    for name in _NOT_AS_TEXT:
        section, last = name.split(".")
        del record[section][last]
    return record


def from_record(record: object) -> Cleanup:
    """The settings of plain values, each checked: they may come from a stranger.

    Raises:
        CaptureError: ``bad_setting``, which names the value.
    """
    return records.from_record(Cleanup, record, _NOT_AS_TEXT)


def _names(record: Mapping[str, Any], before: str = "") -> list[str]:
    """All single settings."""
    found = []
    for key, value in record.items():
        nested = isinstance(value, dict) and bool(value)
        found += _names(value, f"{before}{key}.") if nested else [] if value == {} else [before + key]
    return found
