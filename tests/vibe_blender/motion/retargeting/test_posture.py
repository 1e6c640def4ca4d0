# SPDX-License-Identifier: MIT
import numpy as np

from tests.smpl_rig import SMPL_MAP, posed_motion, smpl_rig
from vibe_blender.contract.quaternions import from_axis_angles, multiply, to_axis_angles
from vibe_blender.motion.retargeting.figure import figure_of
from vibe_blender.motion.retargeting.posture import Posture, ends, partway, places


def test_bones_are_where_the_skeleton_has_them() -> None:
    random = np.random.default_rng(8)
    rig = smpl_rig()
    figure = figure_of(rig, SMPL_MAP)
    motion = posed_motion(from_axis_angles(0.8 * random.normal(size=(9, 24, 3))), random.normal(size=(9, 3)))
    thighs = motion.heads[:, [rig.numbers["left_hip"], rig.numbers["right_hip"]]]
    posture = Posture(motion.turned[:, figure.bones], thighs.mean(axis=1))
    begin = places(figure, posture)
    assert np.allclose(begin, motion.heads[:, figure.bones])
    elbow = figure.row("left_elbow")
    assert np.allclose(ends(figure, posture, begin)[:, elbow], motion.heads[:, rig.numbers["left_wrist"]])
    assert np.allclose(posture.turns(figure)[:, 0], multiply(motion.turned[:, 0], figure.axes[0] * [1, -1, -1, -1]))


def test_partway_is_the_shortest_way() -> None:
    before = from_axis_angles(np.radians([[10.0, 0.0, 0.0]]))
    after = -from_axis_angles(np.radians([[50.0, 0.0, 0.0]]))
    for share in (0.0, 0.25, 1.0):
        found = to_axis_angles(partway(before, after, share))
        assert np.allclose(np.degrees(found), [[10.0 + 40.0 * share, 0.0, 0.0]])
