# SPDX-License-Identifier: MIT
# ruff: noqa: E402 (what follows needs bpy)
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")

from tests.fake_backend import small_take, walking_person
from vibe_blender.__main__ import main
from vibe_blender.cleanup_kept import cleanup_registered
from vibe_blender.contract.take_file import load_take, save_take
from vibe_blender.motion.settings import RAW, Root
from vibe_blender.scene.camera import frame_rate
from vibe_blender.scene.takes import take_collections, take_record

REPOSITORY = Path(__file__).resolve().parents[2]
PRESS_CTRL_C = """
import sys
from pathlib import Path
from vibe_blender.__main__ import main
from vibe_blender.cleanup_kept import cleanup_registered
from vibe_blender.client import process
process.PROGRAM_FOLDER = Path(sys.argv[1])
print("ready", flush=True)
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out é 走"


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / "my walk é.mp4"
    path.write_bytes(b"the fake backend does not look")
    return path


def test_a_take_becomes_a_blend_and_a_picture(movie, tmp_path, out, capsys) -> None:
    path = save_take(small_take(movie), tmp_path / "walk.take")
    status = main(
        [str(path), "--save", str(out / "walk.blend"), "--picture", str(out / "walk.png"), "--picture-frames", "3"]
    )
    assert status == 0
    assert capsys.readouterr().out.splitlines() == [str(out / "walk.blend"), str(out / "walk.png")]
    bpy.ops.wm.open_mainfile(filepath=str(out / "walk.blend"))
    scene = bpy.context.scene
    assert frame_rate(scene) == pytest.approx(25.0)
    assert (scene.frame_start, scene.frame_end) == (1, 12)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (320, 180)
    assert scene.camera is not None
    assert sum(thing.type == "ARMATURE" for thing in scene.objects) == 1
    (collection,) = take_collections(scene)
    assert take_record(collection).path == str(path)


def test_the_clean_up_that_is_asked_for_is_shown_and_kept(movie, tmp_path, out) -> None:
    path = save_take(small_take(movie), tmp_path / "walk.take")
    heights = {}
    for name, options in {"raw": ["--cleanup", "raw"], "scaled": ["--cleanup", "raw", "--set", "root.scale=2"]}.items():
        assert main([str(path), "--save", str(out / f"{name}.blend"), *options]) == 0
        bpy.ops.wm.open_mainfile(filepath=str(out / f"{name}.blend"))
        (armature,) = (thing for thing in bpy.context.scene.objects if thing.type == "ARMATURE")
        heights[name] = (armature.matrix_world @ armature.pose.bones["head"].head).z
        with cleanup_registered():
            (collection,) = take_collections(bpy.context.scene)
            assert collection.vibe_cleanup.settings() == replace(RAW, root=Root(scale=2.0 if name == "scaled" else 1.0))
    assert heights["scaled"] == pytest.approx(2 * heights["raw"], rel=1e-4)


def test_a_clean_up_that_makes_no_sense_is_told_before_any_work(movie, tmp_path, out, capsys) -> None:
    path = save_take(small_take(movie), tmp_path / "walk.take")
    assert main([str(path), "--save", str(out / "walk.blend"), "--cleanup", "shiny"]) == 1
    assert "neither a preset nor" in capsys.readouterr().err
    assert not out.exists()


def test_paths_are_relative_to_where_one_stands(movie, tmp_path, monkeypatch, capsys) -> None:
    save_take(replace(small_take(movie), warnings=("The focal length is a guess.",)), tmp_path / "walk.take")
    monkeypatch.chdir(tmp_path)
    assert main(["walk.take", "--save", "here.blend", "--picture", "here.png"]) == 0
    assert (tmp_path / "here.blend").is_file()
    assert (tmp_path / "here.png").is_file()
    assert capsys.readouterr().err == "Warning: The focal length is a guess.\n"


def test_the_scene_can_have_another_rate(tmp_path, out) -> None:
    path = save_take(small_take(tmp_path / "gone.mp4"), tmp_path / "walk.take")
    assert main([str(path), "--save", str(out / "walk.blend"), "--scene-fps", "50"]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(out / "walk.blend"))
    assert bpy.context.scene.frame_end == 23


def test_a_video_is_captured_first(install_fake_backend, video, out, capsys) -> None:
    install_fake_backend("works")
    assert main([str(video), "--save", str(out / "walk.blend")]) == 0
    assert load_take(out / "walk.take").video.path == str(video)
    told = capsys.readouterr()
    assert told.out == f"{out / 'walk.blend'}\n"
    assert "320 x 180" in told.err
    assert "Warning: The video is not behind the camera" in told.err


def test_every_capture_option_reaches_the_backend(install_fake_backend, video, out, tmp_path) -> None:
    install_fake_backend("echo")
    options = ["--device", "cpu", "--start", "3", "--end", "9", "--people", "2", "--focal-mm", "28", "--height", "1.8"]
    options += ["--fast", "--resume", "--models", "m", "--boxes", "b.npz"]
    main([str(video), "--save", str(out / "w.blend"), "--take", str(tmp_path / "t.take"), *options])
    job = (tmp_path / "t.take.job").read_text()
    for part in ('"device": "cpu"', '"start": 3', '"end": 9', '"people": "2"', '"focal_mm": 28.0', '"height_m": 1.8',
                 '"fast": true', '"resume": true', '"focal_px": null'):  # fmt: skip
        assert part in job
    assert Path("m").absolute().name in job


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("fails", "vibe: The video has no pictures. Convert it to MP4."),
        ("crashes", "the sky fell"),
        ("lies", "protocol versions"),
        ("rubbish", "not part of the protocol"),
    ],
)
def test_a_capture_that_fails_is_one_line(install_fake_backend, video, out, capsys, mode, says) -> None:
    install_fake_backend(mode)
    assert main([str(video), "--save", str(out / "walk.blend")]) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert says in told[0]
    assert not (out / "walk.blend").exists()


def test_bad_sources_and_places_are_told_before_any_work(tmp_path, video, out, capsys) -> None:
    (tmp_path / "damaged.take").write_bytes(b"SQLite format 3\0 and then nothing")
    (tmp_path / "empty.take").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")
    blend = str(out / "walk.blend")
    for arguments, says in (
        ([str(tmp_path / "absent.mp4"), "--save", blend], "absent.mp4"),
        ([str(tmp_path / "damaged.take"), "--save", blend], "damaged.take"),
        ([str(tmp_path / "empty.take"), "--save", blend], "empty.take"),
        ([str(video), "--save", str(tmp_path / "file" / "walk.blend")], "cannot be written"),
        ([str(video), "--save", blend, "--picture", str(tmp_path / "file" / "walk.png")], "cannot be written"),
        ([str(video), "--save", str(out / "walk.max")], "none of the formats"),
        ([str(video), "--save", blend, "--backend-python", str(tmp_path / "no python")], "no python"),
    ):
        assert main(arguments) == 1
        told = capsys.readouterr().err.strip()
        assert says in told
        assert len(told.splitlines()) == 1


def test_a_take_without_people_is_told(tmp_path, out, capsys) -> None:
    path = save_take(replace(small_take(), people=()), tmp_path / "walk.take")
    assert main([str(path), "--save", str(out / "walk.blend")]) == 1
    assert "nobody" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk.mp4"],
        ["walk.mp4", "--save", "w.blend", "--start", "-1"],
        ["walk.mp4", "--save", "w.blend", "--hieght", "2"],
        ["walk.mp4", "--save", "w.blend", "--picture-frames", "one"],
        ["walk.mp4", "--save", "w.blend", "--scene-fps", "0"],
    ],
)
def test_wrong_arguments_end_with_2(arguments, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_two_people_are_two_rigs(tmp_path, out) -> None:
    take = small_take(tmp_path / "gone.mp4")
    take = replace(take, people=(walking_person(np.arange(12), 1), walking_person(np.arange(3, 9), 2)))
    path = save_take(take, tmp_path / "walk.take")
    assert main([str(path), "--save", str(out / "walk.blend")]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(out / "walk.blend"))
    names = sorted(thing.name for thing in bpy.data.objects if thing.type == "ARMATURE")
    assert names == ["gone person 1", "gone person 2"]


@pytest.mark.parametrize("how", [["-m", "vibe_blender"], [str(REPOSITORY / "vibe_blender" / "__main__.py")]])
def test_the_program_itself_prints_the_files_and_nothing_else(tmp_path, out, how) -> None:
    path = save_take(small_take(tmp_path / "gone.mp4"), tmp_path / "walk.take")
    command = [sys.executable, *how, str(path), "--save", str(out / "walk.blend"), "--picture", str(out / "walk.png")]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode().split() == f"{out / 'walk.blend'}\n{out / 'walk.png'}".split()
    assert (out / "walk.png").stat().st_size > 1000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a console, not to a process")
def test_ctrl_c_keeps_the_take(install_fake_backend, video, out) -> None:
    folder = install_fake_backend("slow")
    command = [sys.executable, "-c", PRESS_CTRL_C, str(folder), str(video), "--save", str(out / "walk.blend")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as running:
        assert running.stdout.readline() == b"ready\n"
        while b"Watching" not in running.stderr.readline():
            pass
        time.sleep(1.0)
        running.send_signal(signal.SIGINT)
        told = running.communicate(timeout=120)[1].decode()
    assert running.returncode == 130, told
    assert f"kept in {out / 'walk.take'}" in told
    assert load_take(out / "walk.take").status == "partial"
    assert not (out / "walk.blend").exists()


def test_a_picture_is_a_png_and_nothing_else(tmp_path, take, capsys) -> None:
    source, video = save_take(take, tmp_path / "walk.take"), tmp_path / "walk.mp4"
    video.write_bytes(b"precious")
    assert main([str(source), "--save", str(tmp_path / "walk.blend"), "--picture", str(video)]) == 1
    assert ".png" in capsys.readouterr().err
    assert video.read_bytes() == b"precious"
