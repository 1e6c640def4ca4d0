# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per button, or per pair of buttons: read the settings, call one function, report."""
