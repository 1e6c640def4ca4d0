# SPDX-License-Identifier: MIT
"""VIBE (Kocabas et al. 2020) with its published weights: crops of a person over time become SMPL bodies.

An image network makes 2048 numbers of every crop (encoder), a recurrent one, which remembers the frames before, makes
bodies of them (reading), and these become motion in the camera's frame (estimator). Everything here needs torch.
"""

from .devices import choose_device
from .estimator import WordsEstimator
from .files import open_networks
from .gathering import CropReader
from .reading import VibeReader

__all__ = ["CropReader", "VibeReader", "WordsEstimator", "choose_device", "open_networks"]
