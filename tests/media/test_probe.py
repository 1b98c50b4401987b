"""Facts of files, and one clear line for every file that is none."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lipdub.errors import InputError, LipdubError
from lipdub.media.audio import load_audio
from lipdub.media.frame_index import read_frame_pts, read_frame_times
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from tests.media.clips import chirp, make_sound, make_video
from tests.properties import repeatable


def test_facts(tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4",
        size=(96, 48),
        pts=[507 + 512 * n for n in range(10)],
        time_base=Fraction(1, 15360),
        rotation=90,
        aspect=Fraction(4, 3),
        colour=(1, 9, 9, 16),
        pix_fmt="yuv420p10le",
        sound=chirp(0.5),
        metadata={"title": "A title"},
        chapters=[(0.0, 0.2, "one"), (0.2, 0.4, "two")],
    )
    facts = probe(path)
    video = facts.video
    assert video is not None
    assert (video.codec, video.pix_fmt, video.bit_depth) == ("h264", "yuv420p10le", 10)
    assert (video.width, video.height, video.coded_width, video.coded_height) == (48, 96, 96, 48)
    assert (video.rotation, video.mirrored, video.sample_aspect) == (90, False, Fraction(4, 3))
    assert (video.time_base, video.start_time, video.frames) == (Fraction(1, 15360), Fraction(507, 15360), 10)
    assert video.average_rate == 30 and not video.variable and not video.is_image
    assert (video.colour.matrix, video.colour.primaries, video.colour.transfer) == ("bt2020nc", "bt2020", "smpte2084")
    assert not video.colour.full_range and video.colour.range_raw == 1
    assert facts.metadata["title"] == "A title" and [chapter.title for chapter in facts.chapters] == ["one", "two"]
    assert (facts.audio[0].codec, facts.audio[0].rate, facts.audio[0].channels) == ("aac", 48000, 1)
    assert facts.audio[0].start_time == 0
    assert json.loads(json.dumps(facts.to_json()))["video"]["time_base"] == "1/15360"
    assert read_frame_pts(path).tolist() == [507 + 512 * n for n in range(10)]
    assert np.allclose(read_frame_times(path), (507 + 512 * np.arange(10)) / 15360, atol=1e-12)


def test_variable_rate_is_seen(tmp_path: Path) -> None:
    even = make_video(
        tmp_path / "even.mkv", pts=[round(n * 1000 / 29.97) for n in range(20)], time_base=Fraction(1, 1000)
    )
    uneven = make_video(tmp_path / "uneven.mp4", pts=[0, 3, 4, 9, 10, 20], time_base=Fraction(1, 50))
    assert not probe(even).video.variable  # type: ignore[union-attr]
    assert probe(uneven).video.variable  # type: ignore[union-attr]
    assert abs(float(probe(even).video.average_rate) - 29.97) < 0.05  # type: ignore[union-attr]


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp"])
def test_still_picture(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"50% of it%03d{ending}"
    image = np.zeros((41, 61, 3), np.uint8)
    image[:, 20:] = (200, 120, 40)
    path.write_bytes(cv2.imencode(ending, image)[1].tobytes())
    video = probe(path).video
    assert video is not None and video.is_image and video.frames == 1
    assert (video.width, video.height, video.average_rate) == (61, 41, 25)
    assert video.duration == Fraction(1, 25)
    frames = list(read_frames(path))
    assert len(frames) == 1
    assert np.abs(frames[0].picture.rgb()[20, 45].astype(int) - (40, 120, 200)).max() < 8


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "empty", "zeros", "noise", "no index", "header only"])
def test_what_is_no_media(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a file.mp4"
    whole = make_video(tmp_path / "whole.mp4", sound=chirp(0.3)).read_bytes()
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(
            {
                "text": b"This is no film,\nit is a letter.\n" * 40,
                "empty": b"",
                "zeros": bytes(5000),
                "noise": np.random.default_rng(0).bytes(5000),
                "no index": whole[: len(whole) // 2],
                "header only": whole[:24],
            }[kind]
        )
    for reader in (probe, read_frame_times, load_audio, lambda p: next(read_frames(p))):
        with pytest.raises(InputError) as caught:
            reader(path)
        assert "\n" not in str(caught.value) and "a file.mp4" in str(caught.value)
    if kind == "no index":
        assert "cut short" in str(caught.value)
    if kind == "text":
        assert "text" in str(caught.value)


@pytest.mark.parametrize("kind", ["animated WebP", "JPEG XL", "JPEG XL in a container"])
def test_pictures_that_ffmpeg_does_not_decode_are_named(tmp_path: Path, kind: str) -> None:
    path, noise = tmp_path / "a", np.random.default_rng(2).integers(0, 256, (300, 40, 50, 3), np.uint8)
    if kind == "animated WebP":
        path = tmp_path / "a.webp"
        first, *others = [Image.fromarray(picture) for picture in noise[:4]]
        first.save(path, save_all=True, append_images=others, duration=100)
    elif kind == "JPEG XL":
        path = tmp_path / "a.jxl"
        path.write_bytes(b"\xff\x0a" + noise[0].tobytes())
    else:
        path = tmp_path / "b.jxl"
        path.write_bytes(bytes.fromhex("0000000c4a584c200d0a870a") + noise[0].tobytes())
    with pytest.raises(InputError, match=rf"is an? {kind.split(' in ')[0]}.* do not decode") as error:
        probe(path)
    assert "first" in error.value.hint


def test_cut_file_gives_what_is_there(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mp4", pts=range(60), container_options={"movflags": "faststart"}, size=(128, 96))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    facts = probe(cut)
    assert facts.video is not None and 5 < facts.video.frames < 60
    assert any("cut short" in note for note in facts.notes)
    frames = list(read_frames(cut))
    assert [frame.index for frame in frames] == list(range(facts.video.frames))
    assert np.array_equal(frames[2].picture.planes[0], list(read_frames(whole))[2].picture.planes[0])


def test_frames_hidden_by_an_edit_list_are_not_missing(tmp_path: Path) -> None:
    import subprocess

    from lipdub.media.ffmpeg import find_ffmpeg

    whole = make_video(tmp_path / "a.mp4", pts=range(60), size=(128, 96))
    later = tmp_path / "later.mp4"
    command = [find_ffmpeg(), "-v", "error", "-ss", "0.9", "-i", str(whole), "-c", "copy", str(later)]
    subprocess.run(command, check=True)
    facts = probe(later)
    assert facts.video is not None and facts.video.missing == 0 and not facts.notes
    assert facts.video.frames < 60


def test_sound_only(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "a.wav", chirp(0.2))
    assert probe(path).video is None and len(probe(path).audio) == 1
    with pytest.raises(InputError, match="no video"):
        read_frame_times(path)
    with pytest.raises(InputError):
        next(read_frames(path))


def test_video_without_frames(tmp_path: Path) -> None:
    import av

    path = tmp_path / "none.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        container.start_encoding()
    with pytest.raises(InputError):
        probe(path)


@pytest.mark.parametrize(
    "name", ["-dash.mp4", "a b 'c' \"d\".mp4", "new\nline.mp4", "100%d.mp4", "http:x.mp4", "ü.mp4"]
)
def test_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    video = make_video(tmp_path / "video.mp4", sound=chirp(0.2))
    monkeypatch.chdir(tmp_path)
    video.rename(name)
    assert probe(name).video.frames == 12  # type: ignore[union-attr]
    assert len(list(read_frames(Path(name)))) == 12
    assert len(load_audio(name)) > 1000


def test_a_sound_stream_without_a_decoder(tmp_path: Path) -> None:
    """It is listed, does not decode, and does not keep the file from being read."""
    path = make_video(tmp_path / "a.mkv", sound=chirp(0.2))
    data = path.read_bytes()
    assert data.count(b"A_AAC") == 1
    path.write_bytes(data.replace(b"A_AAC", b"A_XYZ"))
    facts = probe(path)
    assert facts.video is not None
    sound = facts.audio[0]
    assert (sound.codec, sound.rate, sound.channels, sound.start_time) == ("unknown", 0, 0, None)
    with pytest.raises(InputError, match="no sound samples"):
        load_audio(path)


@pytest.fixture(scope="module")
def strange_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("strange") / "file.bin"


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Small files of the formats people bring."""
    folder = tmp_path_factory.mktemp("whole")
    pts = range(4)
    sound = chirp(0.2)
    paths = [
        make_video(folder / "a.mp4", pts=pts, sound=sound, chapters=[(0, 0.1, "one")], metadata={"title": "t"}),
        make_video(folder / "a.mkv", pts=pts, sound=sound),
        make_video(folder / "a.mov", pts=pts, codec="prores_ks", pix_fmt="yuv422p10le", rotation=90),
        make_video(folder / "a.avi", pts=pts, codec="mpeg4"),
        make_video(folder / "a.ts", pts=pts, codec="mpeg2video"),
        make_sound(folder / "a.wav", sound),
        make_sound(folder / "a.flac", sound, codec="flac"),
    ]
    image = np.random.default_rng(0).integers(0, 255, (41, 61, 3)).astype(np.uint8)
    pictures = [cv2.imencode(ending, image)[1].tobytes() for ending in (".png", ".jpg", ".webp", ".bmp")]
    return [path.read_bytes() for path in paths] + pictures


def probe_bytes(path: Path, data: bytes) -> None:
    """Probe a file of these bytes: it gives facts, or an error for a person."""
    path.write_bytes(data)
    with suppress(LipdubError):
        json.dumps(probe(path).to_json())


@settings(repeatable, max_examples=100)
@given(data=st.binary(max_size=400))
def test_random_bytes(strange_file: Path, data: bytes) -> None:
    probe_bytes(strange_file, data)


@settings(repeatable, max_examples=100)
@given(number=st.integers(0, 10), share=st.floats(0, 1))
def test_truncated_files(strange_file: Path, whole_files: list[bytes], number: int, share: float) -> None:
    whole = whole_files[number]
    probe_bytes(strange_file, whole[: round(share * len(whole))])


@pytest.mark.slow
@settings(repeatable, max_examples=300)
@given(
    number=st.integers(0, 10),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), min_size=1, max_size=8),
    head_only=st.booleans(),
)
def test_damaged_files(
    strange_file: Path, whole_files: list[bytes], number: int, changes: list[tuple[float, bytes]], head_only: bool
) -> None:
    data = bytearray(whole_files[number])
    reach = min(len(data), 200) if head_only else len(data)
    for share, values in changes:
        place = round(share * (reach - len(values)))
        data[place : place + len(values)] = values
    probe_bytes(strange_file, bytes(data))


READ_ALL = """
import gc, sys
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
facts = probe(sys.argv[1]).video
shapes = [frame.picture.rgb().shape for frame in read_frames(sys.argv[1])]
gc.collect()
print(facts.width, facts.height, facts.rotation, shapes)
"""


def test_a_png_with_a_colour_profile_does_not_crash_the_process(tmp_path: Path) -> None:
    """PyAV frees the profile's name twice once the frame's side data is read."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 6, 4, 8, 2, 0, 0, 0))
    profile = chunk(b"iCCP", b"a profile\0\0" + zlib.compress(bytes(140)))
    pixels = chunk(b"IDAT", zlib.compress(bytes(4 * (1 + 6 * 3))))
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + profile + pixels + chunk(b"IEND", b""))
    done = subprocess.run([sys.executable, "-c", READ_ALL, str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "6 4 0 [(4, 6, 3)]\n"), done.stderr


@pytest.mark.parametrize(
    ("pix_fmt", "place", "expected"),
    [
        ("yuv420p", "topleft", "topleft"),
        ("yuv422p", "topleft", "left"),
        ("yuv422p", "top", "center"),
        ("yuv444p", "topleft", "unspecified"),
    ],
)
def test_chroma_place(tmp_path: Path, pix_fmt: str, place: str, expected: str) -> None:
    options = {"chroma_sample_location": place}
    video = probe(make_video(tmp_path / "a.mkv", codec="ffv1", pix_fmt=pix_fmt, options=options, pts=range(2))).video
    assert video is not None
    assert video.colour.chroma_place == expected
