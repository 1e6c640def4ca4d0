# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What the Blender half and the backend agree on; standard library and numpy only.

Shape letters, used in every docstring of the project:

    T frames of one person    N frames of the video    P people    J joints (24)
    K keypoints               V vertices               B batch

Units: radians, metres, seconds. Pixels only in names that end in ``_px``.

Frames of reference, named wherever a position is described:

    image   pixels, x right, y down, (0, 0) the top left corner of the image
    camera  metres, x right, y down, z forward (OpenCV)
    world   metres, right-handed, z up, the floor at z = 0 (Blender)
    body    metres, the SMPL rest pose: x to the person's left, y up, z out of the chest

Quaternions are ``w x y z``, unit length and sign-continuous over time. A joint's rotation maps its own axes to its
parent's; the root's maps the body frame to the world, so an identity root lies on its back, and a standing person
whose heading is zero faces -y, as in AMASS files.
"""
