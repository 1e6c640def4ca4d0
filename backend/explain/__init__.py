# SPDX-License-Identifier: MIT
"""``vibe explain``: what a network looked at in a clip, as a picture.

A clip comes from a take and its video, or from a clip archive (clips); the networks say what they attended to
(attending), and that is drawn (drawing). Torch is needed where a network runs.
"""
