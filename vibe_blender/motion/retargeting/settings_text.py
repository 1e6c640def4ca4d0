# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Settings of a retargeted motion as text: single values on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...contract.errors import CaptureError
from .settings import NAMES, Retarget

_SWITCHES = {"true": True, "false": False}


def retarget_from(texts: Sequence[str], otherwise: Retarget) -> Retarget:
    """The settings with each value that a text such as ``feet=0.5`` names.

    Args:
        texts: as ``contract.arguments.add_retarget_arguments`` collects them.
        otherwise: what is not named is as it has it.

    Raises:
        CaptureError: ``bad_setting``.
    """
    settings = otherwise
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise CaptureError("bad_setting", f"{text!r} sets nothing.", "Write it as feet=0.5.")
        settings = changed(settings, name.strip(), value.strip())
    return settings


def changed(settings: Retarget, name: str, text: str) -> Retarget:
    """The settings with one value, read from text.

    Raises:
        CaptureError: ``bad_setting``.
    """
    if name not in NAMES:
        raise CaptureError("bad_setting", f"There is no setting {name!r}.", f"There are: {', '.join(NAMES)}.")
    before = getattr(settings, name)
    value: Any = text
    if isinstance(before, bool):
        value = _SWITCHES.get(text, text)
    elif not isinstance(before, str):
        try:
            value = float(text)
        except ValueError as error:
            raise CaptureError("bad_setting", f"{name} cannot be {text!r}.", "Give a number.") from error
    return replace(settings, **{name: value})
