# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""Which bones of a rig are which parts of a body: known rigs, names, shape, and what the user says."""
