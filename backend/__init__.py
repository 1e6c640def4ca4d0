# SPDX-License-Identifier: MIT
"""How a video becomes a take.

A frame (video) is searched for people (detection), who are followed over time (tracking); each is cut out (crops) and
read (landmarks). Once a stretch is read, an estimator turns one person's readings into body pose and camera-frame path
(estimators), which are placed in the world on a floor (world). ``pipeline`` calls these stages in this order and
writes the take as it grows.
"""
