# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The program's version, the same in pyproject.toml and blender_manifest.toml (a test compares them)."""

VERSION = "0.1.0"
