# SPDX-License-Identifier: MIT
"""The human body as arrays: model files, shape, skinning, landmarks on the body."""
