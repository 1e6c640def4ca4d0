# SPDX-License-Identifier: MIT
"""Stage 1 on small made videos whose frames carry their own numbers."""

from __future__ import annotations

import struct
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from backend.video import probe, read_frames
from vibe_blender.contract.errors import CaptureError

av = pytest.importorskip("av")


def read(path: Path, start: int = 0, end: int | None = None) -> list:
    return list(read_frames(path, start, end))


def error_code(path: Path, **options) -> str:
    with pytest.raises(CaptureError) as caught:
        list(read_frames(path, **options))
    assert caught.value.hint
    assert str(path) in caught.value.message
    return caught.value.code


class TestPictures:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("b_frames.mp4", {"codec_options": {"bf": "3", "b-adapt": "0"}}),
            ("ten_bit.mp4", {"pix_fmt": "yuv420p10le"}),
            ("professional.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
            ("full_range.mov", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
            ("web.webm", {"codec": "libvpx-vp9"}),
            ("old.avi", {"codec": "mpeg4", "codec_options": {"bf": "2"}}),
            ("broadcast.ts", {}),
            ("with sound.mp4", {"sound": True}),
        ],
    )
    def test_every_frame_is_read_in_order(self, make_video, read_mark, name, options):
        frames = read(make_video(name, **options))
        assert [read_mark(frame.image) for frame in frames] == list(range(24))
        assert [frame.index for frame in frames] == list(range(24))

    @pytest.mark.parametrize("size", [(97, 63), (98, 66), (131, 75)])
    def test_odd_sizes(self, make_video, read_mark, size):
        path = make_video("odd.mp4", size=size, pix_fmt="yuv444p")
        frames = read(path)
        assert [read_mark(frame.image) for frame in frames] == list(range(24))
        assert frames[0].image.shape == (size[1], size[0], 3)
        assert frames[0].image.flags.c_contiguous
        assert (probe(path).width_px, probe(path).height_px) == size

    def test_colours_are_red_green_blue(self, make_video):
        image = read(make_video(pix_fmt="yuv444p"))[0].image
        assert np.abs(image[10, 10].astype(int) - (230, 20, 20)).max() < 12
        assert np.abs(image[10, 80].astype(int) - (20, 20, 230)).max() < 12

    def test_the_colour_matrix_the_file_names_is_used(self, tmp_path):
        colour = np.full((64, 96, 3), (200, 30, 60), np.uint8)
        path = tmp_path / "bt709.mp4"
        with av.open(str(path), "w") as output:
            stream = output.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
            picture = av.VideoFrame.from_ndarray(colour, format="rgb24")
            output.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace="ITU709")))
            output.mux(stream.encode())
        assert np.abs(read(path)[0].image[5, 5].astype(int) - (200, 30, 60)).max() < 6


class TestUpright:
    @pytest.mark.parametrize("flip", [False, True])
    @pytest.mark.parametrize("rotation", [0, 90, 180, 270])
    def test_rotated_and_mirrored_videos_are_stood_upright(self, tmp_path, pictures, rotation, flip):
        # The metadata say "turn counter-clockwise, then mirror", so the stored pictures are made the other way round.
        upright = pictures(6)
        stored = [np.rot90(np.fliplr(image) if flip else image, -rotation // 90) for image in upright]
        path = pictures.write(tmp_path / "turned.mp4", stored, rotation=rotation, flip=flip)
        facts, frames = probe(path), read(path)
        assert [pictures.mark(frame.image) for frame in frames] == list(range(6))
        assert frames[0].image.shape == (64, 96, 3)
        assert (facts.width_px, facts.height_px) == (96, 64)
        if not flip:
            assert facts.rotation_deg == rotation

    @pytest.mark.parametrize(("aspect", "size"), [(Fraction(2), (192, 64)), (Fraction(1, 2), (96, 128))])
    def test_pixels_become_square(self, make_video, read_mark, aspect, size):
        path = make_video(pixel_aspect=aspect)
        frames = read(path)
        assert [read_mark(frame.image) for frame in frames] == list(range(24))
        assert frames[0].image.shape == (size[1], size[0], 3)
        assert (probe(path).width_px, probe(path).height_px) == size

    def test_rotation_and_aspect_together(self, make_video):
        path = make_video(pixel_aspect=Fraction(2), rotation=90)
        assert (probe(path).width_px, probe(path).height_px) == (64, 192)
        assert read(path)[0].image.shape == (192, 64, 3)


VARIABLE_MS = [0, 40, 80, 200, 240, 280, 600, 640, *(1000 + 33 * n for n in range(16))]


class TestTimes:
    @pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv"])
    def test_variable_frame_rate(self, make_video, name):
        times = [frame.time_s for frame in read(make_video(name, times_ms=VARIABLE_MS))]
        assert times == pytest.approx([ms / 1000 for ms in VARIABLE_MS], abs=1e-3)

    def test_the_first_frame_is_at_zero(self, make_video):
        times = [frame.time_s for frame in read(make_video("late.ts", times_ms=[2000 + 40 * n for n in range(24)]))]
        assert times == pytest.approx([0.04 * n for n in range(24)], abs=1e-3)

    def test_containers_without_presentation_times(self, make_video):
        times = [frame.time_s for frame in read(make_video("old.avi", codec_options={"bf": "2", "b-adapt": "0"}))]
        # FFmpeg guesses the last stamp, and doubles one.
        assert times[:-1] == pytest.approx([0.04 * n for n in range(23)], abs=1e-3)
        assert times[-1] > times[-2]

    def test_doubled_and_missing_stamps_are_repaired(self):
        assert stated_times([0, 40, 40, 120, None, 200]) == pytest.approx([0, 0.04, 0.06, 0.12, 0.16, 0.2])

    def test_a_clock_set_back_goes_on_from_where_it_was(self):
        assert stated_times([9000, 9040, 0, 40]) == pytest.approx([0, 0.04, 0.08, 0.12])

    def test_rate_length_and_count(self, make_video):
        facts = probe(make_video())
        assert (facts.fps, facts.frames, facts.duration_s) == (25, 24, pytest.approx(0.96))
        assert probe(make_video("matroska.mkv")).duration_s == pytest.approx(0.96)
        facts = probe(make_video("old.avi", codec="mpeg4"))  # 1000 slots a second, of which 25 are filled
        assert (facts.fps, facts.frames) == (25, 24)


def stated_times(stamps_ms: list[int | None]) -> list[float]:
    from backend.video.timing import Clock

    class Stream:
        time_base, average_rate, guessed_rate = Fraction(1, 1000), Fraction(25), None

    clock = Clock(Stream())
    return [clock.time_s(stamp) for stamp in stamps_ms]


class TestRange:
    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("short_gop.mp4", {"gop": 6}),
            ("long_gop.mp4", {"gop": 600, "codec_options": {"bf": "2"}}),
            ("open_gop.mp4", {"codec_options": {"x264-params": "open-gop=1:bframes=3:keyint=8:b-adapt=0:scenecut=0"}}),
            ("open_gop_hevc.mp4", {"codec": "libx265", "codec_options": {"x265-params": "keyint=8:log-level=none"}}),
            ("short_gop.mkv", {"gop": 6, "codec_options": {"bf": "2"}}),
            ("no_presentation_times.avi", {"gop": 6, "codec_options": {"bf": "2"}}),
            ("broadcast.ts", {"gop": 6}),
            ("variable.mp4", {"gop": 6, "times_ms": VARIABLE_MS}),
            ("old_web.webm", {"codec": "libvpx", "codec_options": {"auto-alt-ref": "1", "lag-in-frames": "10"}}),
        ],
    )
    def test_a_range_is_the_same_frames_as_in_the_whole(self, make_video, read_mark, name, options):
        path = make_video(name, **options)
        whole = read(path)
        for start, end in [(1, None), (5, 6), (7, 15), (8, 16), (13, 24), (23, 100)]:
            part = read(path, start, end)
            assert [frame.index for frame in part] == list(range(start, min(end or 24, 24)))
            assert [read_mark(frame.image) for frame in part] == [frame.index for frame in part]
            assert [frame.time_s for frame in part] == [frame.time_s for frame in whole[start:end]]

    def test_a_late_start_decodes_from_the_keyframe_before_it(self, make_video):
        from backend.video.timing import plan_landing

        path = make_video(codec_options={"x264-params": "keyint=8:min-keyint=8:scenecut=0"})
        with pytest.raises(StopIteration) as planned:
            next(plan_landing(path, 20))
        landing = planned.value.value
        assert landing is not None
        assert landing.numbers[landing.keyframe_pts] == 16

    @pytest.mark.parametrize(("name", "total"), [("counted.mp4", 120), ("decoded.ts", 100)])
    def test_the_way_to_a_late_start_is_told(self, make_video, monkeypatch, name, total):
        monkeypatch.setattr("backend.video.timing._PACKETS_PASSED", 50)
        monkeypatch.setattr("backend.video.reading._FRAMES_PASSED", 50)
        told: list[tuple[int, int]] = []
        frames = read_frames(make_video(name, count=120), 100, 102, on_passing=lambda *passed: told.append(passed))
        assert [frame.index for frame in frames] == [100, 101]
        assert (50, total) in told
        assert all(0 <= done <= total for done, total in told)

    @pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 5), (5, 4)])
    def test_a_range_of_nothing_is_refused_at_once(self, make_video, start, end):
        with pytest.raises(CaptureError) as caught:
            read_frames(make_video(), start, end)
        assert caught.value.code == "bad_range"

    @pytest.mark.parametrize("name", ["made.mp4", "made.ts"])
    def test_a_start_behind_the_end_names_the_length(self, make_video, name):
        with pytest.raises(CaptureError, match="24 frames") as caught:
            read(make_video(name), 24)
        assert caught.value.code == "bad_range"


def with_track_tag(content: bytes, kind: int, value: bytes) -> bytes:
    """The file with the 35 mm equivalent in its video track's metadata, as Apple's cameras write it."""

    def box(name: bytes, *parts: bytes) -> bytes:
        return struct.pack(">I", 8 + len(b"".join(parts))) + name + b"".join(parts)

    key = box(b"mdta", b"com.apple.quicktime.camera.focal_length.35mm_equivalent")
    handler = box(b"hdlr", bytes(8), b"mdta", bytes(13))
    item = box(struct.pack(">I", 1), box(b"data", struct.pack(">II", kind, 0), value))
    metadata = box(b"meta", handler, box(b"keys", struct.pack(">II", 0, 1), key), box(b"ilst", item))
    grown = bytearray(content)
    for name in (b"trak", b"moov"):
        place = grown.index(name) - 4
        (size,) = struct.unpack_from(">I", grown, place)
        if name == b"trak":
            grown[place + size : place + size] = metadata
        struct.pack_into(">I", grown, place, size + len(metadata))
    return bytes(grown)


class TestFocalLength:
    @pytest.mark.parametrize(
        "tag", ["com.apple.quicktime.camera.focal_length.35mm_equivalent", "FocalLengthIn35mmFilm"]
    )
    def test_the_camera_s_own_focal_length(self, make_video, tag):
        path = make_video("phone.mov", tags={tag: "26.00mm"}, container_options={"movflags": "use_metadata_tags"})
        assert probe(path).focal_px == pytest.approx(26 * np.hypot(96, 64) / np.hypot(36, 24))

    @pytest.mark.parametrize("value", [(1, b"26.00mm"), (23, struct.pack(">f", 26.0)), (22, b"\0\x1a")])
    @pytest.mark.parametrize("name", ["phone.mov", "phone.mp4"])
    def test_metadata_of_the_track(self, make_video, name, value):
        path = make_video(name)
        path.write_bytes(with_track_tag(path.read_bytes(), *value))
        assert probe(path).focal_px == pytest.approx(26 * np.hypot(96, 64) / np.hypot(36, 24))
        assert len(read(path)) == 24

    def test_rubbish_in_the_track_s_metadata_is_no_focal_length(self, make_video):
        path = make_video("phone.mov")
        content = with_track_tag(path.read_bytes(), 1, b"26.00mm")
        place = content.index(b"ilst")
        path.write_bytes(content[: place + 4] + b"\xff" * 8 + content[place + 12 :])
        assert probe(path).focal_px is None

    def test_none_where_the_file_does_not_say(self, make_video):
        assert probe(make_video()).focal_px is None


class TestBadFiles:
    @pytest.mark.parametrize("check", [probe, read])
    def test_missing(self, tmp_path, check):
        with pytest.raises(CaptureError, match="nowhere") as caught:
            check(tmp_path / "nowhere.mp4")
        assert caught.value.code == "video_missing"

    def test_a_folder(self, tmp_path):
        assert error_code(tmp_path) == "video_missing"

    def test_an_address(self):
        with pytest.raises(CaptureError, match="address") as caught:
            probe("https://example.org/walk.mp4")
        assert caught.value.code == "video_missing"

    def test_empty(self, tmp_path):
        path = tmp_path / "empty.mp4"
        path.touch()
        assert error_code(path) == "video_empty"

    @pytest.mark.parametrize("name", ["notes.mp4", "notes.txt", "notes"])
    def test_not_a_video(self, tmp_path, name):
        path = tmp_path / name
        path.write_text("walk to the left, then wave\n" * 50)
        assert error_code(path) == "video_unreadable"

    def test_only_sound(self, tmp_path, pictures):
        assert error_code(pictures.write_sound(tmp_path / "voice.m4a")) == "no_video_stream"

    def test_unknown_codec(self, make_video):
        path = make_video()
        path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
        assert error_code(path) == "unknown_codec"

    def test_cut_off_before_its_index(self, make_video):
        path = make_video()
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert error_code(path) == "video_unreadable"

    def test_cut_off_before_its_first_picture(self, make_video):
        path = make_video(container_options={"movflags": "faststart"})
        content = path.read_bytes()
        path.write_bytes(content[: content.index(b"mdat") + 8])
        assert error_code(path) == "video_unreadable"

    @pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
    def test_cut_off_half_way_yields_what_is_there(self, make_video, read_mark, name):
        # One picture per packet and no frames held back, so that half the bytes are about half the pictures.
        path = make_video(
            name, codec="mjpeg", pix_fmt="yuvj420p", container_options={"movflags": "faststart"}, tags={"title": name}
        )
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        warnings: list[str] = []
        frames = list(read_frames(path, on_warning=lambda code, message: warnings.append(code)))
        assert 4 < len(frames) < 20
        assert [read_mark(frame.image) for frame in frames[:-1]] == list(range(len(frames) - 1))
        assert "video_truncated" in warnings

    def test_damage_in_the_middle_is_stepped_over(self, make_video):
        path = make_video(codec="prores_ks", name="damaged.mov", pix_fmt="yuv422p10le")
        content = bytearray(path.read_bytes())
        places = [n for n in range(len(content) - 4) if content[n : n + 4] == b"icpf"]
        content[places[5] : places[5] + 400] = bytes(400)
        path.write_bytes(content)
        warnings: list[str] = []
        frames = list(read_frames(path, on_warning=lambda code, message: warnings.append(code)))
        assert len(frames) == 23
        assert warnings == ["video_damaged"]

    @pytest.mark.parametrize("name", ["a b.mp4", "舞蹈 视频.mp4", "💃 тест.mp4", "frame%03d.mp4"])
    def test_any_path(self, make_video, name):
        path = make_video(name)
        assert probe(path).frames == len(read(path)) == 24


class TestThread:
    def test_few_frames_are_decoded_ahead_and_stopping_early_ends_the_thread(self, make_video):
        frames = read_frames(make_video(count=200))
        first = next(frames)
        assert first.index == 0
        assert any(thread.name == "video" for thread in threading.enumerate())
        frames.close()
        assert not any(thread.name == "video" for thread in threading.enumerate())

    def test_a_consumer_that_fails_ends_the_thread(self, make_video):
        def consume() -> None:
            for frame in read_frames(make_video()):
                if frame.index == 3:
                    raise RuntimeError("stop")

        with pytest.raises(RuntimeError, match="stop"):
            consume()
        # The exception's traceback held the generator until here.
        assert not any(thread.name == "video" for thread in threading.enumerate())
