# SPDX-License-Identifier: MIT
"""What a generator is trained to make small (Kocabas et al. 2020, equations 1 to 6), and a discriminator."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from backend.body.axis_angles import axis_angles_from_matrices
from backend.networks.motion_discriminator import POSE, Judged
from backend.networks.regressor import Regressed

from .bodies import EVALUATED, HIPS, BodyPoints, centred, projected
from .clips import ClipBatch
from .config import Weights
from .distributed import shared_mean
from .flow_loss import flow_loss


@dataclass(frozen=True)
class Losses:
    """The weighted parts of the generator's loss, whose sum is made small.

    Attributes:
        joints_2d, joints_3d, pose, shape, adversarial, flow: scalars.
    """

    joints_2d: Tensor
    joints_3d: Tensor
    pose: Tensor
    shape: Tensor
    adversarial: Tensor
    flow: Tensor

    @property
    def total(self) -> Tensor:
        """Their sum."""
        return torch.stack([getattr(self, item.name) for item in fields(self)]).sum()


def generator_losses(
    said: Regressed, points: BodyPoints, valid: Tensor, clips: ClipBatch, judged: Judged | None, weights: Weights
) -> Losses:
    """The losses of what a network said of clips; what a clip is not labelled with costs nothing.

    Equation 3: ``L = L_3D + L_2D + L_SMPL + L_adv``, each where there is a label for it.

    Args:
        said: (N, T, ...).
        points: of the bodies it said, camera axes.
        valid: (49,) which joints the body has.
        clips: the labels.
        judged: what the discriminator said of the poses; None without one.
        weights: of the parts.
    """
    shown = projected(points.joints, said.camera)
    has_2d, has_3d, has_smpl = (flags.to(shown.dtype) for flags in (clips.has_2d, clips.has_3d, clips.has_smpl))
    nothing = shown.new_zeros(())
    return Losses(
        joints_2d=weights.joints_2d * _joints_2d(shown, clips.joints2d, valid, has_2d),
        joints_3d=weights.joints_3d * _joints_3d(points.joints, clips.joints3d, valid, has_3d),
        pose=weights.pose * _mean((said.rotations - clips.rotations) ** 2, has_smpl[..., None, None, None]),
        shape=weights.shape * _mean((said.betas - clips.betas) ** 2, has_smpl[..., None]),
        adversarial=nothing if judged is None else weights.adversarial * taken_for_real(judged),
        flow=weights.flow * _flow(shown, clips, valid) if weights.flow else nothing,
    )


def taken_for_real(judged: Judged) -> Tensor:
    """How far made-up motion is from being judged real: ``mean (D - 1)^2`` (equation 5, LSGAN, Mao et al. 2017)."""
    return ((judged.score - 1.0) ** 2).mean()


def told_apart(real: Judged, made_up: Judged) -> Tensor:
    """What a discriminator makes small: ``mean (D(real) - 1)^2 + mean D(made up)^2`` (equation 6)."""
    return ((real.score - 1.0) ** 2).mean() + (made_up.score**2).mean()


def body_pose(said: Regressed) -> Tensor:
    """What a discriminator sees of bodies: (..., 69) axis-angle, radians, of the joints below the root."""
    return axis_angles_from_matrices(said.rotations[..., 1:, :, :]).reshape(*said.rotations.shape[:-3], POSE)


def _joints_2d(shown: Tensor, labelled: Tensor, valid: Tensor, has: Tensor) -> Tensor:
    """Mean squared distance in the crop (N, T, 49, 2), -1..1, times the labels' confidence (equation 3's L_2D)."""
    confidence = labelled[..., 2:] * valid[:, None]
    return _mean(confidence * (shown - labelled[..., :2]) ** 2, has[..., None, None] * valid[:, None])


def _joints_3d(joints: Tensor, labelled: Tensor, valid: Tensor, has: Tensor) -> Tensor:
    """Mean squared distance, metres, of the joints that are evaluated, from the middle of the hips (L_3D)."""
    apart = (centred(joints) - centred(labelled[..., :3]))[..., EVALUATED, :]
    hips = (labelled[..., HIPS, 3] > 0).all(-1).to(labelled.dtype)  # without them nothing is known of the others
    known = (labelled[..., 3:] * valid[:, None])[..., EVALUATED, :] * hips[..., None, None]
    return _mean(apart**2, has[..., None, None] * known)


def _flow(shown: Tensor, clips: ClipBatch, valid: Tensor) -> Tensor:
    """How far joints are from where optical flow says they have come from (``flow_loss``), all joints alike."""
    assert clips.flow is not None
    return flow_loss(shown, clips.flow, clips.boxes, valid.expand(shown.shape[:-1]))


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """The mean of those values (...) that count, 0 where none does.

    Of several processes, each divides by what counts in a process on average, so that the mean of their gradients is
    the gradient of the mean over all of their clips.
    """
    counts = counts.expand_as(values)
    return (values * counts).sum() / shared_mean(counts.sum()).clamp(min=1e-6)
