# SPDX-License-Identifier: MIT
"""A backend that speaks the protocol with the standard library and numpy alone, and misbehaves on demand.

Run as ``python fake_backend.py MODE job``; the job comes on standard input as for the real one. The modes that make a
take obey its range and ``resume``, and let it grow as the real one does. For those of many frames the environment
says how many there are (``FAKE_FRAMES``), how fast they come (``FAKE_FPS``, 0: at once) and how many people
(``FAKE_PEOPLE``).

``MODE doctor`` and ``MODE models list`` answer as the real commands do in JSON: the networks' files are there where
files of their names are in the folder; PyTorch is, unless ``FAKE_TORCH`` is 0; ``FAKE_GPU`` names a graphics card.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from vibe_blender.contract import protocol
from vibe_blender.contract.interrupted import note_job
from vibe_blender.contract.kept_take import KeptTake
from vibe_blender.contract.quaternions import from_axis_angles, multiply
from vibe_blender.contract.skeleton import REST_JOINTS
from vibe_blender.contract.take import Camera, Person, Take, Video
from vibe_blender.contract.take_file import TakeWriter, load_take, partial_path

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


def long_take(video: Path | str, count: int, people: int) -> Take:
    """The first of the people is always there; the second comes later and goes earlier, the third stays a moment."""
    seen = [np.arange(count), np.arange(count // 5, 4 * count // 5), np.arange(count // 2, 3 * count // 5)]
    take, parts = small_take(video, count), []
    for number, frames in enumerate(seen[:people], start=1):
        person = walking_person(frames, number)
        # Walks to and fro before the camera, however long it takes.
        across = 1.5 * np.sin(frames / 60.0 + 2.0 * number)
        root = np.column_stack([across, person.root[:, 1] + number - 1, person.root[:, 2]])
        boxes = np.column_stack([take.camera.project(root), person.boxes[:, 2:] * 4.0 / (4.0 + root[:, 1:2])])
        parts.append(replace(person, root=root, boxes=boxes))
    return replace(take, people=tuple(part for part in parts if len(part.frames)))


def part_of(take: Take, start: int, end: int) -> Take:
    """What a capture of the frames ``start`` to ``end`` (excluded) of a whole video finds: those who are there."""
    timed = ("frames", "rotations", "root", "contacts", "confidence", "boxes", "keypoints")
    people = []
    for person in take.people:
        rows = (person.frames >= start) & (person.frames < end)
        if rows.any():
            people.append(replace(person, **{name: getattr(person, name)[rows] for name in timed}))
    video = replace(take.video, times=take.video.times[start:end], first_frame=start)
    return replace(take, video=video, people=tuple(people))


def say(event: protocol.Event) -> None:
    sys.stdout.write(event.to_line())
    sys.stdout.flush()


@dataclass(frozen=True)
class Script:
    """How a capture goes.

    Attributes:
        whole: what there is to be found.
        stretch: frames solved at once.
        fps: frames a second, 0 for at once.
        mishap: what happens when three tenths are done.
    """

    whole: Take
    stretch: int = 1
    fps: float = 0.0
    mishap: Callable[[], None] | None = None


def capture(job: protocol.Job, cancelled: threading.Event, script: Script) -> None:
    whole = replace(script.whole, estimator=job.estimator, notice="")
    start, count = job.start or 0, len(whole.video.times)
    end = min(job.end or count, count)
    kept, told = KeptTake(Path(job.take)), set[int]()
    say(protocol.Hello(job.estimator, "cpu"))
    say(protocol.VideoOpened(job.video, WIDTH_PX, HEIGHT_PX, FPS, count))
    with TakeWriter(Path(job.take), keep=job.resume) as writer:
        note_job(writer, job)
        before = writer.evidence(0, "take.times")
        done = start + (0 if before is None else len(before))
        if before is not None:
            tell(load_take(partial_path(Path(job.take))), told)
        say(protocol.Stage("watch"))
        began, first = time.monotonic(), done
        while done < end:
            stop = min(done + script.stretch, end)
            for frame in range(done, stop):
                if script.fps and cancelled.wait(began + (frame - first) / script.fps - time.monotonic()):
                    break
                say(protocol.Progress("watch", frame + 1 - start, end - start, script.fps, None))
            if cancelled.is_set():
                say(protocol.Cancelled(kept.find()))
                return
            found = part_of(whole, done, stop)
            tell(found, told)
            writer.extend(found)
            if script.mishap and done < start + 0.3 * (end - start) <= stop:
                script.mishap()
            done = stop
        for stage in ("solve", "world", "save"):
            say(protocol.Stage(stage))
        found = part_of(whole, start, end)
        writer.finish(found)
    say(protocol.Done(job.take, end - start, len(found.people)))


def tell(found: Take, told: set[int]) -> None:
    """The events about solved frames, thirty of them at once."""
    for person in found.people:
        if person.id not in told:
            told.add(person.id)
            say(protocol.PersonFound(person.id, int(person.frames[0]), person.rest_joints.tolist()))
        for first in range(0, len(person.frames), 30):
            rows = slice(first, first + 30)
            say(
                protocol.Frames(
                    person.id,
                    int(person.frames[first]),
                    np.round(person.rotations[rows], 5).tolist(),
                    np.round(person.root[rows], 4).tolist(),
                    np.round(person.confidence[rows], 3).tolist(),
                )
            )


def stream(job: protocol.Job, cancelled: threading.Event, mishap: Callable[[], None] | None = None) -> None:
    """As many frames as the environment says, in stretches like the real one's."""
    count, people = int(os.environ.get("FAKE_FRAMES", "2000")), int(os.environ.get("FAKE_PEOPLE", "3"))
    fps = float(os.environ.get("FAKE_FPS", "100"))
    capture(job, cancelled, Script(long_take(job.video, count, people), 30, fps, mishap))


def vanish() -> None:
    """Dies without a word."""
    if sys.platform == "win32":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)


def watch(cancelled: threading.Event) -> None:
    # The descriptor itself: a thread that waits inside Python's buffer would hold its lock at exit.
    while os.read(0, 4096):
        pass
    cancelled.set()


PUBLISHED = ("spin_model_checkpoint.pth.tar", "vibe_model_wo_3dpw.pth.tar", "SMPL_NEUTRAL.pkl")
NETWORKS = {
    "vibe": PUBLISHED,
    "tcmr": ("spin_model_checkpoint.pth.tar", "tcmr_demo_model.pth.tar", "SMPL_NEUTRAL.pkl"),
    "dts-vibe": ("spin_model_checkpoint.pth.tar", "SMPL_NEUTRAL.pkl"),
}
_SOURCES = {
    "SMPL_NEUTRAL.pkl": "smpl.is.tue.mpg.de or smplify.is.tue.mpg.de, after registration, or vibe_data.zip",
    "tcmr_demo_model.pth.tar": "the project TCMR (github.com/hongsukchoi/TCMR_RELEASE)",
}
_SOURCE = "vibe_data.zip of the project VIBE (github.com/mkocabas/VIBE)"


def list_files(folder: Path) -> list[dict]:
    """As ``vibe models list --json``."""
    return [
        {
            "estimator": estimator, "name": name, "state": "present" if (folder / name).is_file() else "missing",
            "needed": True, "purpose": "what networks are made of", "source": _SOURCES.get(name, _SOURCE),
            "licence": "research, non-commercial",
        }
        for estimator, names in NETWORKS.items()
        for name in names
    ]  # fmt: skip


def diagnose(folder: Path) -> dict:
    """As ``vibe doctor --json``."""
    devices = [{"name": "cpu", "label": "Processor, 2 cores"}]
    if card := os.environ.get("FAKE_GPU"):
        devices.append({"name": "cuda", "label": card})
    estimators = [{"name": "keypoints", "label": "Keypoints", "available": True, "reason": "", "remedy": ""}]
    for name, files in NETWORKS.items():
        absent = [file for file in files if not (folder / file).is_file()]
        reason = f"published files: missing: {', '.join(absent)}" if absent else ""
        if os.environ.get("FAKE_TORCH") == "0":
            reason = "torch: not installed; only the network estimators need it"
        said = {"name": name, "label": name, "available": not reason, "reason": reason, "remedy": "Mend it."}
        estimators.append(said)
    return {"capture_works": True, "findings": [], "devices": devices, "estimators": estimators}


def answer(words: list[str]) -> None:
    """What a command that is no capture says."""
    named = words[words.index("--models") + 1] if "--models" in words else os.environ.get("VIBE_MODELS", ".")
    print(json.dumps(diagnose(Path(named)) if words[0] == "doctor" else list_files(Path(named))))


def main(mode: str, *words: str) -> int:
    if words and words[0] != "job":
        if mode == "says_nothing":
            return 1
        answer(list(words))
        return 0
    job = protocol.Job.from_line(sys.stdin.buffer.readline().decode())
    cancelled = threading.Event()
    threading.Thread(target=watch, args=(cancelled,), daemon=True).start()
    hello = protocol.Hello("keypoints", "cpu")
    short = Script(small_take(job.video))
    if mode == "works":
        capture(job, cancelled, short)
    elif mode == "slow":
        capture(job, cancelled, replace(short, fps=2.0))
    elif mode == "stream":
        stream(job, cancelled)
    elif mode == "dies_half_way":
        stream(job, cancelled, None if job.resume else vanish)
    elif mode == "stalls_half_way":
        stream(job, cancelled, None if job.resume else lambda: time.sleep(600))
    elif mode == "echo":
        Path(f"{job.take}.job").write_text(job.to_line(), encoding="utf-8")
        capture(job, cancelled, short)
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
    elif mode == "says_nothing":
        return 1
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
    sys.exit(main(*sys.argv[1:]))
