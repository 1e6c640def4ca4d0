# SPDX-License-Identifier: MIT
"""How long a capture takes to end at each stage: when it is cancelled, and when its parent is killed.

``python -m tests.benchmarks.stopping_time VIDEO`` prints, for each moment, the seconds until the backend's process is
gone, and what was kept of the take.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vibe_blender.client.process import CaptureProcess
from vibe_blender.contract.errors import CaptureError
from vibe_blender.contract.protocol import Event, Job
from vibe_blender.contract.take_file import load_take

REPOSITORY = Path(__file__).resolve().parents[2]
MOMENTS: dict[str, str | float] = {
    "0.0 s after the start": 0.0,
    "0.2 s after the start": 0.2,
    "0.5 s after the start": 0.5,
    "hello": "hello",
    "video opened, models load": "video",
    "seek": "stage seek",
    "watch": "stage watch",
    "first progress": "progress watch",
    "first motion": "frames",
    "solve": "stage solve",
    "world": "stage world",
    "save": "stage save",
}
PARENT = """
import sys
from pathlib import Path
from tests.benchmarks.stopping_time import said
from vibe_blender.client.process import CaptureProcess
from vibe_blender.contract.protocol import Job
running = CaptureProcess(Job.from_line(sys.argv[1]), Path(sys.executable), Path(sys.argv[2]))
print(running._process.pid, flush=True)
while True:
    for event in running.wait(1.0):
        print(said(event), flush=True)
"""


def said(event: Event) -> str:
    """The event in two words."""
    return f"{event.TYPE} {getattr(event, 'name', getattr(event, 'stage', ''))}".strip()


def cancelled(job: Job, moment: str | float, log: Path) -> tuple[float, str]:
    """Seconds from the cancel to the end, and how it ended; NaN where the moment never came."""
    with CaptureProcess(job, Path(sys.executable), log) as running:
        if isinstance(moment, float):
            time.sleep(moment)
        else:
            while running.last is None and moment not in map(said, running.wait(0.01)):
                pass
        if running.last is not None:
            return float("nan"), type(running.last).__name__
        before = time.monotonic()
        running.cancel()
        while running.last is None:
            running.wait(0.01)
        seconds = time.monotonic() - before
    return seconds, type(running.last).__name__


def orphaned(job: Job, moment: str | float, log: Path) -> float:
    """Seconds from the death of the parent, by the system's hardest signal, to that of the backend."""
    command = [sys.executable, "-c", PARENT, job.to_line(), str(log)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        backend = int(parent.stdout.readline())
        if isinstance(moment, float):
            time.sleep(moment)
        else:
            while parent.stdout.readline().strip() != moment:
                pass
        before = time.monotonic()
        parent.kill()
        parent.wait()
        while alive(backend):
            time.sleep(0.005)
        return time.monotonic() - before


def alive(process: int) -> bool:
    """Whether a process is there and has not ended."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


@contextmanager
def fresh_job(options: argparse.Namespace, name: str) -> Iterator[Job]:
    """A job with a take in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        start = options.late if name == "seek" else None
        take = str(Path(folder) / "stopped é.take")
        yield Job(video=str(Path(options.video).resolve()), take=take, models=options.models, start=start)


def main() -> None:
    """Prints a line per moment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--models", default="")
    parser.add_argument("--late", type=int, default=60, help="the start that is sought")
    parser.add_argument("--orphans", action="store_true", help="kill the parent, too (needs ps)")
    options = parser.parse_args()
    for name, moment in MOMENTS.items():
        with fresh_job(options, name) as job:
            log = Path(job.take).with_suffix(".log")
            seconds, how = cancelled(job, moment, log)
            try:
                kept = f"{len(load_take(Path(job.take)).video.times)} frames"
            except CaptureError as error:
                kept = error.code
        line = f"{name:28} cancelled: {seconds:5.2f} s, {how}, kept: {kept}"
        if options.orphans:
            with fresh_job(options, name) as job:
                line += f"; orphaned: {orphaned(job, moment, Path(job.take).with_suffix('.log')):5.2f} s"
        print(line, flush=True)


if __name__ == "__main__":
    main()
