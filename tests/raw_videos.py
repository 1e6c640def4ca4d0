# SPDX-License-Identifier: MIT
"""Tiny made copies of the datasets that come as videos and as MATLAB's, NASA's and TensorFlow's files."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from scipy.io import savemat

from tests.raw_datasets import COUNT, Truth, grey_picture, jpeg, made_joints, write_jpegs
from tests.training_data import HEIGHT_PX, WIDTH_PX

INTRINSICS = (300.0, 310.0, 160.0, 120.0)
CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)
"""Of MPI-INF-3DHP, those that are used."""


def write_greys(path: Path, count: int, codec: str, pixels: str, fps: int) -> None:
    """A video of ``grey_picture``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, pixels
        for number in range(count):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(grey_picture(number), format="rgb24")))
        output.mux(stream.encode())


def made_points(count: int, joints: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(count, joints, 3) millimetres, camera axes, and (count, joints, 2) where a camera sees them, pixels."""
    pixels = made_joints(count, joints, seed)
    depth = np.random.default_rng(seed).uniform(3000, 3600, (1, joints, 1)) + np.arange(count)[:, None, None]
    focal, middle = np.array(INTRINSICS[:2]), np.array(INTRINSICS[2:])
    return np.concatenate([(pixels - middle) / focal * depth, depth], axis=2), pixels


def make_mpi_inf_3dhp(folder: Path, *, videos: bool = True) -> dict[str, Truth]:
    """One sequence of the training set."""
    home, truth = folder / "S1" / "Seq1", {}
    home.mkdir(parents=True)
    annot2, annot3, univ = (np.empty((14, 1), object) for _ in range(3))
    text = "Skeletool Camera Calibration File V1.0\n"
    for camera in range(14):
        points, pixels = made_points(COUNT, 28, 30 + camera)
        pixels[3, 14] = (WIDTH_PX + 5, 100)  # a right shoulder outside of the picture
        annot2[camera, 0], annot3[camera, 0] = pixels.reshape(COUNT, 56), points.reshape(COUNT, 84)
        univ[camera, 0] = 1.1 * points.reshape(COUNT, 84)
        matrix = np.eye(4)
        matrix[[0, 1, 0, 1], [0, 1, 2, 2]] = INTRINSICS
        numbers = " ".join(f"{number:.6f}" for number in matrix.reshape(-1))
        text += (
            f"name          {camera}\n  sensor      10 10\n  size        {WIDTH_PX} {HEIGHT_PX}\n  animated    0\n"
            f"  intrinsic   {numbers} \n  extrinsic   {numbers} \n  radial      0\n"
        )
        if camera in CAMERAS:
            truth[f"S1/Seq1/video_{camera}"] = Truth(pixels, np.ones((COUNT, 28)), {"points": points})
            if videos:
                write_greys(home / "imageSequence" / f"video_{camera}.avi", COUNT, "mjpeg", "yuvj420p", 50)
    frames = np.arange(COUNT)[:, None]
    held = {"annot2": annot2, "annot3": annot3, "univ_annot3": univ, "frames": frames, "cameras": np.arange(14)}
    savemat(home / "annot.mat", held, do_compression=True)
    (home / "camera.calibration").write_text(text, encoding="utf-8")
    return truth


def make_mpi_inf_3dhp_tests(folder: Path) -> dict[str, Truth]:
    """Two videos of the test set; in the second, frames in the middle are not valid."""
    import h5py

    truth = {}
    for number in (1, 5):
        home, count = folder / "mpi_inf_3dhp_test_set" / f"TS{number}", 2 * COUNT + 1
        points, pixels = made_points(count, 17, 60 + number)
        valid = np.ones((count, 1))
        valid[COUNT] = number == 1
        home.mkdir(parents=True)
        with h5py.File(home / "annot_data.mat", "w") as file:
            file["annot2"], file["annot3"] = pixels[:, None], points[:, None]
            file["univ_annot3"], file["valid_frame"] = points[:, None], valid
            file["bb_crop"], file["activity_annotation"] = np.ones((count, 4)), np.ones((count, 1))
        write_jpegs(home / "imageSequence", "img_{:06d}.jpg", range(count), first=1)
        truth[f"TS{number}"] = Truth(pixels, np.ones((count, 17)), {"points": points})
    return truth


def make_human36m(folder: Path, *, extracted: bool = False) -> dict[str, Truth]:
    """An action of one person of the training set before two cameras; the videos end a frame early."""
    import cdflib
    from cdflib.cdfwrite import CDF

    truth = {}
    for seed, camera in enumerate((54138969, 60457274)):
        name = f"Directions 1.{camera}"
        points, pixels = made_points(COUNT, 32, 90 + seed)
        for part, values in (("D3_Positions_mono", points), ("D2_Positions", pixels)):
            home = folder / "S1" / (f"Poses_{part}" if extracted else f"MyPoseFeatures/{part}")
            home.mkdir(parents=True, exist_ok=True)
            flat = values.reshape(1, COUNT, -1).astype(np.float32)
            file = CDF(home / f"{name}.cdf", delete=True)
            facts = {"Variable": "Pose", "Data_Type": cdflib.cdfwrite.CDF.CDF_REAL4, "Num_Elements": 1,
                     "Rec_Vary": True, "Dim_Sizes": list(flat.shape[1:]), "Compress": 6}  # fmt: skip
            file.write_var(facts, var_data=flat)
            file.close()
        write_greys(folder / "S1" / "Videos" / f"{name}.mp4", COUNT - 1, "libx264", "yuv420p", 50)
        truth[f"S1/{name}"] = Truth(pixels, np.ones((COUNT, 32)), {"points": points})
    return truth


def make_insta_variety(folder: Path) -> dict[str, Truth]:
    """A file of two people."""
    truth, records = {}, []
    for number in range(2):
        marked, seen = made_joints(COUNT, 25, 70 + number), np.ones((COUNT, 25))
        seen[:, 13] = 0  # OpenPose knows no head top
        faces, toes = (
            np.concatenate([marked[:, part], seen[:, part, None]], axis=2) for part in (slice(14, 19), slice(19, 25))
        )
        example = {
            "meta/N": [COUNT],
            "image/heightwidths": [HEIGHT_PX, WIDTH_PX],
            "image/filenames": [b"a.jpg"] * COUNT,
            "image/xys": marked[:, :14].reshape(-1).astype(np.float32),
            "image/visibilities": seen[:, :14].reshape(-1).astype(int).tolist(),
            "image/face_pts": faces.reshape(-1).astype(np.float32),
            "image/toes_pts": toes.reshape(-1).astype(np.float32),
            "image/encoded": [jpeg(frame) for frame in range(COUNT)],
            "image/phi": [bytes(2048 * 4)] * COUNT,
            "mosh/shape": np.zeros(10, np.float32),
            "meta/has_3d": [0],
            "meta/time_pts": [-1, 1 << 40],
        }
        records.append(example_bytes(example))
        truth[f"insta_000/{number:04d}"] = Truth(marked, seen)
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "insta_000.tfrecord").write_bytes(framed(records))
    return truth


def crc32c_by_bit(data: bytes) -> int:
    """CRC-32C as RFC 3720 defines it, a bit at a time."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def framed(records: Iterable[bytes], crc=None) -> bytes:
    """A TFRecord file."""
    from backend.training.prepare.tfrecords import crc32c

    def check(data: bytes) -> bytes:
        value = (crc or crc32c)(data)
        return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    parts = []
    for record in records:
        length = struct.pack("<Q", len(record))
        parts += [length, check(length), record, check(record)]
    return b"".join(parts)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def example_bytes(features: dict) -> bytes:
    """An ``Example`` on the wire: lists of bytes, arrays of float32, lists of integers."""
    entries = b""
    for name, values in features.items():
        if isinstance(values, np.ndarray):
            held = message(2, message(1, values.astype("<f4").tobytes()))
        elif isinstance(values[0], bytes):
            held = message(1, b"".join(message(1, value) for value in values))
        else:
            held = message(3, message(1, b"".join(varint(value) for value in values)))
        entries += message(1, message(1, name.encode()) + message(2, held))
    return message(1, entries)
