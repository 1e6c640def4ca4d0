# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend process as the Blender half sees it."""
