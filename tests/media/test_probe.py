"""Facts of files, and one clear line for every file that is none."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from lipdub.errors import InputError
from lipdub.media.audio import load_audio
from lipdub.media.frame_index import read_frame_pts, read_frame_times
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from tests.media.clips import chirp, make_sound, make_video


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
    made = make_video(tmp_path / "made.mp4", sound=chirp(0.2))
    monkeypatch.chdir(tmp_path)
    made.rename(name)
    assert probe(name).video.frames == 12  # type: ignore[union-attr]
    assert len(list(read_frames(Path(name)))) == 12
    assert len(load_audio(name)) > 1000
