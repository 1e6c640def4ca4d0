# SPDX-License-Identifier: MIT
"""Made-up videos of our own mannequin with exact labels: what ``prepare.rendered`` has its workers do.

A ``plan`` says which motions a scene shows; a ``recipe`` draws everything else from the plan's seed: bodies and clothes
(``people``), camera, light, surroundings and faults of the picture. ``labels`` are computed before anything is drawn:
they say which parts of which frames are worth a picture. ``stage`` and ``materials`` are Blender's side: Cycles on one
core, because that needs no GPU; a program of its own (``__main__``) per core, because bpy has one scene per program.
"""
