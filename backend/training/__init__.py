# SPDX-License-Identifier: MIT
"""Learning and measuring: datasets, clips, losses, the trainer. Captures never need it."""
