# SPDX-License-Identifier: MIT
"""Builds our own CC0 body in SMPL's file format, by code alone.

The steps, one module each: ``anatomy`` describes the body as an implicit solid (``field``); ``cage`` lays a coarse quad
cage with loops round every limb on it; ``surface`` subdivides the cage twice and draws it onto the solid; ``weights``
gives every vertex its bones and every joint its regressor; ``shape`` the ten shape components; ``correctives`` the
pose-corrective shapes; ``clothing`` a material per face; ``build`` puts the arrays together.

In the file's terms, with betas b and joint rotations R (Loper et al. 2015):

    rest skin    V(b) = v_template + shapedirs b
    rest joints  J(b) = J_regressor V(b) = REST_JOINTS + joint_directions b
    posed skin   blend(weights, V(b) + posedirs vec(R - I), J(b), R)

``J_regressor shapedirs`` equals ``shape.joint_directions()``: one unit of each beta moves the joints by

    0 stature         everything grows by 7 cm / 1.72 m about the pelvis
    1 weight          no joint; about 9 litres of flesh
    2 leg_length      3 cm between hip and ankle, spread over thigh and shank
    3 arm_length      2.5 cm between shoulder and wrist, spread over upper arm and forearm
    4 shoulder_width  each shoulder 1.5 cm outwards, with its arm
    5 hip_width       each hip joint 7 mm outwards, with its leg; the skin there 12 mm
    6 torso_length    2.5 cm between pelvis and neck, spread over the spine
    7 head_size       no joint; the head grows by 4 % about its joint
    8 muscularity     no joint; about 4 litres of muscle
    9 belly           no joint; up to 3 cm to the front
"""
