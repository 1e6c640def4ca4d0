# SPDX-License-Identifier: MIT
"""The networks as tensors in, tensors out: no files, no device."""
