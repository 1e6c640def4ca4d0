# SPDX-License-Identifier: GPL-3.0-or-later
"""Armatures in motion as files for other programs: sampled, rebuilt plainly in a passing scene, written, read back."""
