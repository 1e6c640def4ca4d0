# SPDX-License-Identifier: MIT
"""Stage 6, where it is asked for: an estimate fitted to its own 2D landmarks over the whole clip (temporal SMPLify)."""

from __future__ import annotations

from .stage import Refined, refine

__all__ = ["Refined", "refine"]
