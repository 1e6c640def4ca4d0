# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""One rig's motion on another rig: arrays in, arrays out."""
