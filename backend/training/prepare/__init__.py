# SPDX-License-Identifier: MIT
"""Datasets as their owners publish them, made into clip archives: one module each, so that differences end on disk."""
