# SPDX-License-Identifier: MIT
"""A backend that speaks the protocol with the standard library and numpy alone, and misbehaves on demand.

Run as ``python fake_backend.py MODE``; the job comes on standard input as for the real one.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from vibe_blender.contract import protocol
from vibe_blender.contract.quaternions import from_axis_angles, multiply
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.contract.take import Camera, Person, Take, Video
from vibe_blender.contract.take_file import TakeWriter

WIDTH_PX, HEIGHT_PX, FPS = 320, 180, 25.0
UPRIGHT = from_axis_angles(np.array([np.pi / 2, 0.0, 0.0]))


def walking_person(frames: np.ndarray, person: int = 1, *, seed: int = 0) -> Person:
    """Somebody who turns and bends every joint while walking along x in front of the camera of ``small_take``."""
    frames = np.asarray(frames)
    count = len(frames)
    random = np.random.default_rng(seed + person)
    swing = random.normal(scale=0.4, size=(24, 3))
    phase = np.sin(frames[:, None] / 5.0 + np.arange(24))
    rotations = from_axis_angles(phase[..., None] * swing)
    heading = from_axis_angles(frames[:, None] * np.array([0.0, 0.03, 0.0]))
    rotations[:, 0] = multiply(UPRIGHT, multiply(heading, rotations[:, 0]))
    root = np.stack([0.02 * frames - 0.5 + person, 0.3 * np.sin(frames / 9.0), np.full(count, 0.95)], axis=-1)
    return Person(
        id=person,
        frames=frames.astype(np.int32),
        rotations=rotations,
        root=root,
        contacts=np.zeros((count, 2)),
        confidence=np.linspace(0.5, 1.0, count),
        boxes=np.tile([160.0, 90.0, 60.0, 150.0], (count, 1)),
        rest_joints=REST_JOINTS.copy(),
        betas=np.zeros(10),
        keypoints=np.zeros((count, 0, 3)),
    )


def small_take(video: Path | str = "walk.mp4", count: int = 12) -> Take:
    """One person seen for ``count`` frames by a camera 4 m away that looks along +y."""
    from_world = np.eye(4)
    from_world[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    from_world[:3, 3] = [0.0, 1.0, 4.0]
    return Take(
        video=Video(str(video), WIDTH_PX, HEIGHT_PX, FPS, np.arange(count) / FPS),
        camera=Camera(300.0, np.array([WIDTH_PX / 2, HEIGHT_PX / 2]), from_world),
        people=(walking_person(np.arange(count)),),
    )


def say(event: protocol.Event) -> None:
    sys.stdout.write(event.to_line())
    sys.stdout.flush()


def capture(job: protocol.Job, cancelled: threading.Event, *, seconds_per_frame: float = 0.0) -> None:
    take = small_take(job.video)
    person, count = take.people[0], len(take.video.times)
    say(protocol.Hello("keypoints", "cpu"))
    say(protocol.VideoOpened(job.video, WIDTH_PX, HEIGHT_PX, FPS, count))
    say(protocol.Stage("watch"))
    say(protocol.PersonFound(1, 0, person.rest_joints.tolist()))
    with TakeWriter(Path(job.take)) as writer:
        for n in range(count):
            time.sleep(seconds_per_frame)
            if cancelled.is_set():
                writer.finish(replace(take, status="partial"))
                say(protocol.Cancelled(job.take))
                return
            rows = slice(n, n + 1)
            say(
                protocol.Frames(
                    1,
                    n,
                    person.rotations[rows].tolist(),
                    person.root[rows].tolist(),
                    person.confidence[rows].tolist(),
                )
            )
            say(protocol.Progress("watch", n + 1, count, 25.0, (count - n - 1) / 25.0))
        writer.finish(take)
    say(protocol.Done(job.take, count, 1))


def watch(cancelled: threading.Event) -> None:
    # The descriptor itself: a thread that waits inside Python's buffer would hold its lock at exit.
    while os.read(0, 4096):
        pass
    cancelled.set()


def main(mode: str) -> int:
    job = protocol.Job.from_line(sys.stdin.buffer.readline().decode())
    cancelled = threading.Event()
    threading.Thread(target=watch, args=(cancelled,), daemon=True).start()
    hello = protocol.Hello("keypoints", "cpu")
    if mode == "works":
        capture(job, cancelled)
    elif mode == "slow":
        capture(job, cancelled, seconds_per_frame=0.5)
    elif mode == "echo":
        Path(f"{job.take}.job").write_text(job.to_line(), encoding="utf-8")
        capture(job, cancelled)
    elif mode == "fails":
        say(hello)
        say(protocol.Failed("video_undecodable", "The video has no pictures.", "Convert it to MP4."))
        return 1
    elif mode == "stalls":
        say(hello)
        time.sleep(600)
    elif mode == "crashes":
        say(hello)
        sys.stderr.write("loading\nRuntimeError: the sky fell\n")
        sys.stderr.flush()
        os._exit(7)
    elif mode == "lacks_a_module":
        raise ModuleNotFoundError("No module named 'cv2'")
    elif mode == "lies":
        say(protocol.Hello("keypoints", "cpu", protocol=99))
    elif mode == "rubbish":
        say(hello)
        sys.stdout.write("Downloading model… 100%\n")
    elif mode == "no_hello":
        say(protocol.Stage("watch"))
    elif mode == "endless_line":
        say(hello)
        sys.stdout.write("x" * 10_000_000 + "\n")
    elif mode == "quiet_exit":
        say(hello)
    elif mode == "newer":
        say(hello)
        sys.stdout.write('{"type": "telepathy", "thought": 1}\n')
        sys.stdout.write('{"type": "done", "take": "t.take", "frames": 1, "people": 1, "mood": "good"}\n')
    else:
        raise SystemExit(f"unknown mode {mode}")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
