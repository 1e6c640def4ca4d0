# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender data in and out; objects come as arguments, no user interface."""
