# SPDX-License-Identifier: MIT
"""A made body at rest, from which the rigs of `characters` take their places: metres, z up, facing -y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.characters_tables import FINGERS
from vibe_blender.contract.quaternions import Array

UP, AHEAD = np.array([0.0, 0.0, 1.0]), np.array([0.0, -1.0, 0.0])


@dataclass(frozen=True)
class Build:
    """A body at rest: metres and degrees.

    Attributes:
        thigh, shin, ankle: lengths, and the ankle's height above the sole.
        hip_x, ankle_x, shoulder_x: from the middle to the side.
        knee_ahead: how far the knee is before the line from hip to ankle.
        pelvis_up: of the pelvis's joint above the hips.
        torso, neck, head: lengths.
        hollow, hunch: how far the small of the back is to the front and the chest to the back.
        neck_lean: of neck to the front.
        shoulder_down: of the shoulders below the root of the neck.
        upper_arm, forearm, hand: lengths.
        arms_down: of the arms below the horizontal: 0 is a T-pose.
        elbow_bend: of the forearms to the front.
        foot, toe: lengths along the floor; toes_out: of the feet.
    """

    thigh: float = 0.42
    shin: float = 0.41
    ankle: float = 0.08
    hip_x: float = 0.09
    ankle_x: float = 0.1
    knee_ahead: float = 0.008
    pelvis_up: float = 0.06
    torso: float = 0.5
    neck: float = 0.09
    head: float = 0.2
    hollow: float = 0.015
    hunch: float = 0.03
    neck_lean: float = 18.0
    shoulder_x: float = 0.17
    shoulder_down: float = 0.04
    upper_arm: float = 0.28
    forearm: float = 0.25
    hand: float = 0.09
    arms_down: float = 0.0
    elbow_bend: float = 0.0
    foot: float = 0.13
    toe: float = 0.07
    toes_out: float = 5.0


def body(build: Build) -> dict[str, Array]:
    """Points of a body that stands on the floor and faces -y, metres; those of the left side where there are two."""
    hip_z = build.ankle + np.sqrt((build.thigh + build.shin) ** 2 - (build.ankle_x - build.hip_x) ** 2)
    at: dict[str, Array] = {"ground": np.zeros(3), "ahead": 0.2 * AHEAD}
    at["hip"], at["ankle"] = np.array([build.hip_x, 0.0, hip_z]), np.array([build.ankle_x, 0.02, build.ankle])
    share = build.thigh / (build.thigh + build.shin)
    at["knee"] = at["hip"] + share * (at["ankle"] - at["hip"]) + build.knee_ahead * AHEAD
    _feet(at, build)
    at["pelvis"] = np.array([0.0, -0.005, hip_z + build.pelvis_up])
    at["crotch"] = at["pelvis"] - 0.1 * UP
    for step in range(0, 101, 1):
        t = step / 100
        bow = -build.hollow * np.sin(np.pi * min(t / 0.45, 1.0)) + build.hunch * np.sin(np.pi * t) * t
        at[f"spine{t:g}"] = at["pelvis"] + np.array([0.0, bow + 0.03 * t, build.torso * t])
    at["neck"] = at["spine1"]
    lean = np.radians(build.neck_lean)
    at["head"] = at["neck"] + build.neck * np.array([0.0, -np.sin(lean), np.cos(lean)])
    at["crown"] = at["head"] + build.head * np.array([0.0, 0.05, 1.0])
    at["above"] = at["crown"] + 0.05 * UP
    at["chin"] = at["head"] + [0.0, -0.09, -0.02]
    at["nape"], at["mane"] = at["head"] + [0.0, 0.09, 0.1], at["head"] + [0.0, 0.12, -0.1]
    at["eye"], at["eye1"] = at["head"] + [0.03, -0.08, 0.07], at["head"] + [0.0, -0.08, 0.07]
    at["look"] = at["eye"] + 0.03 * AHEAD
    at["breast"] = at["spine0.65"] + [0.08, -0.12, 0.0]
    at["gun"], at["hem"] = np.array([-0.4, -0.1, 0.9]), at["hip"] + [0.08, 0.0, -0.3]
    _arms(at, build)
    return at


def _feet(at: dict[str, Array], build: Build) -> None:
    """Adds flat feet to the points of a body."""
    out = np.radians(build.toes_out)
    along, aside = np.array([np.sin(out), -np.cos(out), 0.0]), np.array([np.cos(out), np.sin(out), 0.0])
    floor = at["ankle"] * [1.0, 1.0, 0.0]
    at["ball"] = floor + build.foot * along + 0.02 * UP
    at["toe"] = at["ball"] + build.toe * along - 0.008 * UP
    at["beyond"] = at["toe"] + 0.02 * along
    for n, across, back in ((2, 0.02, 0.0), (5, 0.06, 0.03)):
        at[f"toe{n}"] = at["ball"] + across * aside - back * along
        at[f"tip{n}"] = at["toe"] + across * aside - 1.5 * back * along
    at["heel"] = floor - 0.05 * along - 0.03 * aside
    at["heel_out"] = floor - 0.05 * along + 0.03 * aside
    at["knee_ahead"] = at["knee"] + 0.4 * AHEAD


def _arms(at: dict[str, Array], build: Build) -> None:
    """Adds arms and fingers to the points of a body."""
    down, bend = np.radians(build.arms_down), np.radians(build.elbow_bend)
    at["shoulder"] = at["neck"] + [build.shoulder_x, 0.01, -build.shoulder_down]
    at["collar"] = at["neck"] + [0.025, -0.03, -build.shoulder_down - 0.01]
    out = np.array([np.cos(down), 0.0, -np.sin(down)])
    at["elbow"] = at["shoulder"] + build.upper_arm * out + [0.0, 0.012, 0.0]
    along = np.cos(bend) * out + np.sin(bend) * AHEAD
    at["wrist"] = at["elbow"] + build.forearm * along
    thumbwards = np.cos(bend) * AHEAD - np.sin(bend) * out
    palmwards = np.cross(along, thumbwards)
    palmwards *= -np.sign(palmwards[2]) if abs(palmwards[2]) > 0.1 else 1.0
    droop = np.radians(6.0)
    straight = np.cos(droop) * along + np.sin(droop) * palmwards
    for finger, across, start, length in zip(
        FINGERS, (0.035, 0.025, 0.004, -0.016, -0.034), (0.3, 1.0, 1.04, 1.0, 0.92),
        (0.9, 0.9, 1.0, 0.92, 0.72), strict=True,
    ):  # fmt: skip
        way = straight if finger != "thumb" else (straight + thumbwards + 0.5 * palmwards) / 1.5
        for joint, done in enumerate((0.0, 0.42, 0.7, 1.0, 1.1)):
            curl = 0.1 * done * build.hand * palmwards
            knuckle = start * build.hand * straight + across * thumbwards
            at[f"{finger}{joint}"] = at["wrist"] + knuckle + done * length * build.hand * way + curl
    at["elbow_behind"], at["ahead_of_hand"] = at["elbow"] - 0.4 * AHEAD, at["middle0"] + 0.3 * AHEAD
