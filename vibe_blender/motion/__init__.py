# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Motion as arrays: numpy in, numpy out, no Blender."""
