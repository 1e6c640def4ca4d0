# SPDX-License-Identifier: GPL-3.0-or-later OR MIT
"""The options of a capture on a command line: the same for ``vibe capture`` and ``python -m vibe_blender``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .protocol import DEVICES, ESTIMATORS, Job


def add_capture_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options to a parser; ``job_from`` reads them back."""
    group = parser.add_argument_group("capture")
    add = group.add_argument
    add("--estimator", choices=ESTIMATORS, default="keypoints", help="what reads the pose")
    add("--models", default="", metavar="DIR", help="folder of the model files")
    add("--device", choices=DEVICES, default="auto", help="where the estimator runs")
    add("--start", type=_at_least(0), metavar="F", help="first frame")
    add("--end", type=_at_least(1), metavar="F", help="frame before which to stop")
    add("--people", type=_people, default="all", metavar="all|largest|N", help="how many people to follow at most")
    add("--boxes", default="", metavar="FILE.npz", help="boxes of the people, instead of detecting them")
    focal = group.add_mutually_exclusive_group()
    focal.add_argument("--focal-px", type=_between(1, 1e6), metavar="F", help="focal length in pixels")
    focal.add_argument("--focal-mm", type=_between(1, 5000), metavar="F", help="focal length on a full-frame sensor")
    add("--height", type=_between(0.4, 2.8), metavar="M", help="height of the person in metres")
    add("--fast", action="store_true", help="keypoints: read every picture once only, not its mirror image too")
    add("--chunk", type=_at_least(1), metavar="N", help="vibe: forget after N frames (the published demo: 450)")
    add(
        "--compat", action="store_true",
        help="full precision; vibe: the published demo's camera; tcmr: the published demo's first and last frames",
    )  # fmt: skip
    add(
        "--network",
        default="",
        metavar="FILE",
        help="vibe, tcmr, dts-vibe: a network of `vibe train`, instead of the published",
    )
    add("--slerp", type=_share, metavar="A", help="tcmr: smooth as the published evaluation does (there: 0.3)")
    add("--refine", action="store_true", help="fit the motion to the landmarks once more, over the whole clip")
    add("--resume", action="store_true", help="go on with an interrupted capture of the same video")


CLEANUP_PRESETS = ("raw", "light", "game", "film")
"""The names in ``motion.presets``, which needs numpy."""


def add_cleanup_arguments(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Adds the options of the clean-up; ``motion.settings_text.cleanup_from`` reads them back.

    Args:
        parser: to add them to.
        otherwise: what is done without them, for the help.
    """
    group = parser.add_argument_group("clean-up")
    names = ", ".join(CLEANUP_PRESETS)
    group.add_argument(
        "--cleanup",
        default="",
        metavar="NAME|FILE.json",
        help=f"{names}, or settings in a file (default: {otherwise})",
    )
    group.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="one setting, such as smoothing.cutoff_hz=4"
    )


RETARGET_SETTINGS = (
    "place", "root", "lock_height", "path_scale", "heading_deg", "feet", "hands", "twist", "align_trunk",
    "arm_spread_deg", "foot_spread_deg", "limbs", "result",
)  # fmt: skip
"""The names in ``motion.retargeting.settings``: of the add-on the contract knows nothing."""


def add_retarget_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that give the motion to characters; ``casting.roles_from`` reads them back."""
    group = parser.add_argument_group(
        "characters",
        "The n-th --target follows the n-th person. Object, person and map are given once for all, or for each.",
    )
    add = group.add_argument
    add("--target", action="append", default=[], metavar="RIG.blend", help="a file with a character's armature")
    add("--target-object", action="append", default=[], metavar="NAME", help="which of the armatures in the file")
    add("--person", action="append", default=[], type=_at_least(0), metavar="ID", help="whom it follows")
    add(
        "--bone-map",
        action="append",
        default=[],
        metavar="FILE.json",
        help="which of its bones are what (default: as recognised)",
    )
    names = ", ".join(RETARGET_SETTINGS)
    add("--retarget", action="append", default=[], metavar="NAME=VALUE", help=f"one setting; there are {names}")


def job_from(options: argparse.Namespace, video: Path, take: Path) -> Job:
    """The job that parsed options ask for, its paths absolute: the backend may run in another folder."""
    return Job(
        video=str(video.absolute()),
        take=str(take.absolute()),
        estimator=options.estimator,
        models=_absolute(options.models),
        device=options.device,
        start=options.start,
        end=options.end,
        people=options.people,
        boxes=_absolute(options.boxes),
        focal_px=options.focal_px,
        focal_mm=options.focal_mm,
        height_m=options.height,
        fast=options.fast,
        chunk=options.chunk,
        compat=options.compat,
        network=_absolute(options.network),
        slerp=options.slerp,
        refine=options.refine,
        resume=options.resume,
    )


def _absolute(path: str) -> str:
    return str(Path(path).absolute()) if path else ""


def _at_least(smallest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < smallest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {smallest}")
        return int(text)

    return number


def _between(low: float, high: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low:g} to {high:g}")
        return value

    return number


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and of 1 at most")
    return value


def _people(text: str) -> str:
    if text not in ("all", "largest") and not (text.isdecimal() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is neither `all`, `largest` nor a number of people")
    return text
