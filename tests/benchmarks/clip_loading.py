# SPDX-License-Identifier: MIT
"""Prints how many clips a second are loaded, and which share of its time a training waits for them.

    python tests/benchmarks/clip_loading.py [--gigabytes G] [--pictures N] [--workers 0 1 2] [--step-ms 10 20 50 100]
        [--seconds S] [--folder DIR] [--no-step]

Writes archives of random labels: one of G gigabytes of features with 2D labels, one of a tenth of that with 3D labels,
one of motion, and one of N pictures of 384 pixels. A batch is VIBE's: 19 clips of 16 frames with 2D labels, 13 with 3D
ones, 32 of motion. "Cold" is after the system was told to forget the files (Linux only). Milliseconds are of the CPU of
the process that learns, for a clip and its share of motion: all there are without workers, what is left to do with
some. Then a training takes batches from two workers and works for so many milliseconds on each without the CPU, as with
a GPU; waiting is what passes between its asking for a batch and having it. The last rows are VIBE's own networks,
forward and backward, on the CPU and on the GPU where there is one. The first batches, while workers start, do not
count.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from backend.networks.motion_discriminator import MotionDiscriminator
from backend.networks.vibe import Vibe
from backend.training.archive import ArchiveWriter, ClipArchive, Facts
from backend.training.augment import NONE, Augmentation
from backend.training.clips import ClipDataset, MotionDataset, needs
from backend.training.mixing import Mixed, MixedDataset, MixedSampler, new_loader, shares_of
from backend.training.windows import Windows

BATCH, SHARE_2D, FRAMES = 32, 0.6, 16
_SEQUENCE = 8192
_SIDE_PX = 384
_FIRST = 3
_LABELS_2D = ("joints2d", "boxes")
_LABELS_3D = (*_LABELS_2D, "joints3d", "rotations", "betas")


def main() -> int:
    """Runs the benchmark."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        archives = _archives(Path(folder), options.gigabytes, options.pictures)
        print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
        for kind in ("features", "pictures"):
            dataset = _dataset(archives, pictures=kind == "pictures")
            changed = ", shaken, mirrored, occluded, recoloured" if kind == "pictures" else ""
            print(f"\n{kind}{changed}: {sum(dataset.counts.values())} windows")
            print("  workers  clips/s  ms/clip")
            for workers in options.workers:
                rate, busy_ms = _rate(dataset, workers, options.seconds)
                print(f"  {workers:7d}  {rate:7.0f}  {busy_ms:7.2f}", flush=True)
            print("  step ms  batches/s  waiting")
            for step_ms in options.step_ms:
                _report(f"{step_ms:7d}", *_waiting(dataset, _asleep(step_ms), options.seconds))
            if not options.no_step and kind == "features":
                for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
                    _report(
                        f"{device:>7s}", *_waiting(dataset, _learning(device), options.seconds, pin=device == "cuda")
                    )
            if _forget(archives):
                print(f"  cold, 2 workers: {_rate(dataset, 2, options.seconds)[0]:.0f} clips/s", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--step-ms", type=int, nargs="+", default=[10, 20, 50, 100])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, help="on which disk")
    parser.add_argument("--no-step", action="store_true", help="leave out VIBE's own networks")
    return parser.parse_args()


def _archives(folder: Path, gigabytes: float, pictures: int) -> list[ClipArchive]:
    """Random archives: features with 2D labels, with 3D labels, motion, pictures with both."""
    frames = max(_SEQUENCE, int(gigabytes * 2**30 / 4096))
    began = time.perf_counter()
    made = [
        _write(folder / "2.clips", (*_LABELS_2D, "features"), frames),
        _write(folder / "3.clips", (*_LABELS_3D, "features"), frames // 10),
        _write(folder / "motion.clips", ("rotations",), frames // 10),
        _write(folder / "pictures.clips", (*_LABELS_3D, "pictures", "picture_boxes"), pictures),
    ]
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{size / 2**30:.2f} GB written and hashed in {time.perf_counter() - began:.0f} s")
    return made


def _write(folder: Path, columns: tuple[str, ...], frames: int) -> ClipArchive:
    random = np.random.default_rng(0)
    writer = ArchiveWriter(folder, Facts("random", "train", "Free for all uses."), columns)
    jpegs = [_jpeg(random) for _ in range(64)] if "pictures" in columns else []
    for first in range(0, frames, _SEQUENCE):
        count = min(_SEQUENCE, frames - first)
        made: dict[str, Callable[[int], np.ndarray]] = {
            "features": lambda n: random.integers(0, 0x3C00, (n, 2048), np.uint16).view(np.float16),  # 0 to 1
            "joints2d": lambda n: random.random((n, 49, 3), np.float32) * [400, 400, 1],
            "joints3d": lambda n: random.random((n, 49, 4), np.float32),
            "rotations": lambda n: random.normal(size=(n, 24, 3)),
            "betas": lambda n: random.normal(size=(n, 10)),
            "boxes": lambda n: np.tile([200.0, 200, 250, 300], (n, 1)),
            "picture_boxes": lambda n: np.tile([0.0, 0, _SIDE_PX, _SIDE_PX], (n, 1)),
        }
        arrays = {name: made[name](count) for name in columns if name in made}
        writer.add(f"{first}", 25.0, arrays, [jpegs[n % len(jpegs)] for n in range(count)] if jpegs else None)
    return writer.finish()


def _jpeg(random: np.random.Generator) -> bytes:
    """A picture with as much in it as a photograph: 30 to 40 kilobytes."""
    coarse = random.integers(0, 256, (24, 24, 3)).astype(np.uint8)
    picture = cv2.resize(coarse, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(picture + random.normal(scale=8, size=picture.shape), 0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _dataset(archives: list[ClipArchive], *, pictures: bool) -> MixedDataset:
    def clips(archive: ClipArchive, seed: int) -> ClipDataset:
        windows = Windows([archive], FRAMES, overlap=0.75, needs=needs(pictures))
        return ClipDataset(windows, pictures=pictures, augmentation=Augmentation() if pictures else NONE, seed=seed)

    two_d, three_d, motion, with_pictures = archives
    pair = (with_pictures, with_pictures) if pictures else (two_d, three_d)
    return MixedDataset(clips(pair[0], 1), clips(pair[1], 2), MotionDataset(Windows([motion], FRAMES)))


def _batches(dataset: MixedDataset, workers: int, *, pin: bool = False) -> Iterator[Mixed]:
    """Batches without end, from places nobody was at before."""
    shares = shares_of(BATCH, SHARE_2D, two_d=True, three_d=True, motion=True)
    sampler = MixedSampler(dataset.counts, shares, 1 << 20, int(time.time()))
    return iter(new_loader(dataset, sampler, workers=workers, pin=pin))


def _forget(archives: list[ClipArchive]) -> bool:
    """Whether the system forgot the archives' files."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for archive in archives:
        archive._maps.clear()  # mapped pages are not forgotten
        for path in archive.folder.glob("*.bin"):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _rate(dataset: MixedDataset, workers: int, seconds: float) -> tuple[float, float]:
    """Clips a second, without anybody who works on them, and milliseconds of this process's CPU for each."""
    batches = _batches(dataset, workers)
    for _ in range(_FIRST):
        next(batches)
    count, began, busy = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - began) < seconds:
        count += len(next(batches)[0])
    return count / passed, 1000 * (time.process_time() - busy) / count


def _waiting(
    dataset: MixedDataset, step: Callable[[Mixed], None], seconds: float, *, pin: bool = False
) -> tuple[float, float]:
    """Batches a second, and the share of time between asking for one and having it."""
    batches = _batches(dataset, 2, pin=pin)
    for _ in range(_FIRST):
        step(next(batches))
    count, waited, began = 0, 0.0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        step(batch)
        count += 1
    return count / passed, waited / passed


def _asleep(milliseconds: int) -> Callable[[Mixed], None]:
    return lambda batch: time.sleep(milliseconds / 1000)


def _learning(device: str) -> Callable[[Mixed], None]:
    """One step of VIBE's networks: generator and discriminator, forward, backward and Adam, without a body."""
    generator, judge = Vibe().to(device), MotionDiscriminator("attention").to(device)
    optimisers = [torch.optim.Adam(network.parameters(), lr=5e-5) for network in (generator, judge)]

    def step(batch: Mixed) -> None:
        clips, motion = batch[0].to(torch.device(device)), batch[1]
        assert motion is not None
        said, _ = generator(clips.features)
        real = judge(motion.to(device, non_blocking=True)).score
        losses: tuple[torch.Tensor, ...] = (
            nn.functional.mse_loss(said.rotations, clips.rotations) + nn.functional.mse_loss(said.betas, clips.betas),
            ((real - 1) ** 2).mean(),
        )
        for optimiser, loss in zip(optimisers, losses, strict=True):
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        losses[0].item()  # as a training does that looks at its losses

    return step


def _report(name: str, rate: float, waiting: float) -> None:
    print(f"  {name}  {rate:9.2f}  {waiting:6.1%}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
