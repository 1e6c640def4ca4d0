# SPDX-License-Identifier: MIT
"""What several tests need: a small take, small made videos, and the big files where they are there."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before numpy is imported

import shutil
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vibe_blender.contract.quaternions import continuous, from_axis_angles, multiply
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.contract.take import Camera, Person, Take, Video

REPOSITORY = Path(__file__).resolve().parent.parent
_status = pytest.StashKey[int]()
MARK_BITS = 8


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Keeps how the tests ended, for the end."""
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends the program when all is told: pip's bpy may crash or wait for ever while it is torn down."""
    bpy = sys.modules.get("bpy")
    if bpy is None or _status not in config.stash or hasattr(config, "workerinput"):
        return
    shutil.rmtree(bpy.app.tempdir, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(config.stash[_status])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of clips, videos and motions that is too big for the repository."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared clips and motions are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def models() -> Path:
    """The folder with the BlazePose files, where they were fetched."""
    from backend.models import MODEL_FILES, default_folder

    folder = default_folder()
    missing = [item.name for item in MODEL_FILES if not (folder / item.name).is_file()]
    if missing:
        pytest.skip(f"{', '.join(missing)} not fetched (python -m backend models fetch)")
    return folder


@pytest.fixture
def take() -> Take:
    """Twelve frames at 30 a second of two people who sway: the first is not seen in frames 4 and 5."""
    random = np.random.default_rng(3)
    # From (0, -5, 1) along +y: camera x is world x, camera y is down.
    from_world = np.array([[1.0, 0, 0, 0], [0, 0, -1, 1], [0, 1, 0, 5], [0, 0, 0, 1]])

    def person(number: int, frames: list[int]) -> Person:
        phase = np.array(frames)[:, None, None] * 0.1
        rotations = from_axis_angles(np.sin(phase + random.normal(size=(24, 3))) * 0.6)
        standing = from_axis_angles(np.array([np.pi / 2, 0, 0]))
        rotations[:, 0] = multiply(standing, rotations[:, 0])
        root = np.array([number - 1.5, 0.3, 0.95]) + 0.02 * np.array(frames)[:, None]
        return Person(
            id=number,
            frames=np.array(frames),
            rotations=continuous(rotations),
            root=root,
            contacts=np.full((len(frames), 2), 0.5),
            confidence=np.full(len(frames), 0.9),
            boxes=np.tile([400.0 + 50 * number, 280.0, 120.0, 300.0], (len(frames), 1)),
            rest_joints=REST_JOINTS * (1 + 0.02 * number),
            betas=random.normal(size=10),
            keypoints=random.uniform(0, 1, (len(frames), 33, 3)),
        )

    return Take(
        video=Video("walk.mp4", 960, 540, 30.0, np.arange(12) / 30),
        camera=Camera(1100.0, np.array([480.0, 270.0]), from_world),
        people=(person(1, [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]), person(2, list(range(12)))),
        warnings=("In frames 3 to 5 the hand is hidden.",),
    )


def marked_picture(number: int, width: int = 96, height: int = 64) -> np.ndarray:
    """(height, width, 3) RGB: ``number`` in eight black and white bars below, red at the top left, blue beside it."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = (20, 20, 230)
    picture[: height // 2, : width // 2] = (230, 20, 20)
    for bit in range(MARK_BITS):
        left, right = bit * width // MARK_BITS, (bit + 1) * width // MARK_BITS
        picture[height // 2 :, left:right] = 255 * (number >> bit & 1)
    return picture


def read_mark(picture: np.ndarray) -> int:
    """The number ``marked_picture`` wrote, read back from a decoded upright picture; -1 where it is not upright."""
    height, width = picture.shape[:2]
    red, blue = picture[height // 4, width // 4], picture[height // 4, 3 * width // 4]
    if not (red[0] > 150 > red[2] and blue[2] > 150 > blue[0]):
        return -1
    bars = [picture[3 * height // 4, (2 * bit + 1) * width // (2 * MARK_BITS)].mean() for bit in range(MARK_BITS)]
    return sum(int(bar > 127) << bit for bit, bar in enumerate(bars))


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    codec_options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
    rotation: int = 0,
    flip: bool = False,
    container_options: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    sound: bool = False,
) -> Path:
    """Encodes pictures, at 25 a second or at the times given in milliseconds."""
    import av

    times_ms = times_ms if times_ms is not None else [40 * n for n in range(len(pictures))]
    with av.open(str(path), "w", options=container_options or {}) as output:
        output.metadata.update(tags or {})
        stream = output.add_stream(codec, rate=25, options=codec_options or {})
        height, width = pictures[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, pix_fmt, gop
        stream.codec_context.time_base = Fraction(1, 1000)
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if rotation or flip:
            stream.set_display_rotation(rotation, hflip=flip)
        if sound:
            voice = output.add_stream("aac", rate=16000)
        for picture, time_ms in zip(pictures, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
        if sound:
            output.mux(_silence(voice, seconds=times_ms[-1] / 1000))
    return path


def write_sound(path: Path) -> Path:
    """A file with sound and no picture."""
    import av

    with av.open(str(path), "w") as output:
        output.mux(_silence(output.add_stream("aac", rate=16000), seconds=1.0))
    return path


def _silence(voice, seconds: float) -> list:
    import av

    samples = np.zeros((1, int(16000 * seconds)), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 16000, 0
    return [*voice.encode(frame), *voice.encode()]


class Pictures:
    """``marked_picture`` and its kin, for tests that write their own videos."""

    write = staticmethod(write_video)
    write_sound = staticmethod(write_sound)
    mark = staticmethod(read_mark)

    def __call__(self, count: int, width: int = 96, height: int = 64) -> list[np.ndarray]:
        return [marked_picture(number, width, height) for number in range(count)]


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """Numbered pictures and the means to write them: ``pictures(6)``, ``pictures.write(path, images, ...)``."""
    return Pictures()


@pytest.fixture(name="read_mark", scope="session")
def read_mark_fixture() -> Callable[[np.ndarray], int]:
    """The number that a decoded picture carries, -1 where it is not upright."""
    return read_mark


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small video whose frames carry their own numbers: ``make_video(name, count, **options)``."""

    def make(name: str = "made.mp4", count: int = 24, size: tuple[int, int] = (96, 64), **options) -> Path:
        path = tmp_path / name
        return write_video(path, [marked_picture(n, *size) for n in range(count)], **options)

    return make
