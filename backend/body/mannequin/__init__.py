# SPDX-License-Identifier: MIT
"""Builds our own CC0 body in SMPL's file format, by code alone."""
