# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""What a capture may be used for, by the files its estimator needs: the same words in the take and on every screen."""

from __future__ import annotations

NAMES = {"keypoints": "Keypoints", "vibe": "VIBE", "tcmr": "TCMR", "dts-vibe": "DTS-VIBE"}
"""The estimators as people call them."""
LIMIT = "non-commercial research"
_NOTICES = {
    "vibe": "Captured with the published weights of VIBE and the SMPL body, which are for non-commercial scientific "
    "research.",
    "tcmr": "Captured with the published weights of TCMR and the SMPL body, which are for non-commercial scientific "
    "research.",
}
_NOTICE_OF_OWN = (
    "Captured with a network of one's own on the published weights of SPIN and the SMPL body, which are for "
    "non-commercial scientific research."
)


def notice_of(estimator: str, *, own: bool = False) -> str:
    """What whoever uses a take of this estimator has to know, empty where they may use it for anything.

    Args:
        estimator: its name.
        own: whether it had a network that its user has trained, as DTS-VIBE always has.
    """
    if own or estimator == "dts-vibe":
        return _NOTICE_OF_OWN
    return _NOTICES.get(estimator, "")


def described(estimator: str, notice: str) -> str:
    """The estimator's name, with the limit where a take has a notice: ``VIBE, non-commercial research``."""
    name = NAMES.get(estimator, estimator)
    return f"{name}, {LIMIT}" if notice else name
