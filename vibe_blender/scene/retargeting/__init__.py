# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion from one rig to another in Blender: reading rigs and their motion, writing actions, following live."""
