"""Captions in the picture of H.264, H.265 and MPEG-2 go into results of H.264 and H.265."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest

from lipdub.media.captions import add_captions, read_captions
from lipdub.media.comparison import compare_files
from lipdub.media.frame_index import read_frame_index
from lipdub.media.probe import probe
from lipdub.media.video_encoder import VideoCodec
from tests.media.clips import make_video
from tests.media.test_write import encode

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 12


def captions_of(number: int) -> bytes:
    """Three captions, with zeros that need an escape in H.264."""
    triplets = bytes([0xFC, 0x80 | number, 0x94, 0xFD, 0x00, 0x00, 0xFA, 0x00, 0x00])
    return bytes([0x40 | len(triplets) // 3, 0xFF]) + triplets


def registered(number: int) -> bytes:
    return b"\xb5\x00\x31GA94\x03" + captions_of(number) + b"\xff"


def make_captioned(path: Path, codec: str, **how: object) -> Path:
    """A video whose frame of each number has the captions of that number."""
    plain = make_video(
        path.with_suffix(".ts" if codec == "mpeg2video" else ".nut"), codec=codec, pts=range(COUNT), **how
    )  # type: ignore[arg-type]
    with av.open(str(plain)) as old, av.open(str(path), "w") as new:
        video = old.streams.video[0]
        stream = new.add_stream_from_template(video, opaque=True)
        for packet in old.demux(video):
            if not packet.size:
                continue
            number = round(packet.pts * video.time_base * 25) - round((video.start_time or 0) * video.time_base * 25)
            data = bytes(packet)
            if codec == "mpeg2video":
                place = data.index(b"\x00\x00\x01\x01")  # before the first slice
                user = b"\x00\x00\x01\xb2GA94\x03" + captions_of(number) + b"\xff"
                data = data[:place] + user + data[place:]
            else:
                data = add_captions(data, [registered(number)], {"libx264": "h264", "libx265": "hevc"}[codec])
            copy = av.Packet(data)
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.is_keyframe, copy.stream = packet.is_keyframe, stream
            new.mux_one(copy)
    return path


def decode_captions(path: Path) -> list[bytes | None]:
    """The captions FFmpeg finds in each frame, without flags and count."""
    with av.open(str(path)) as media:
        return [
            bytes(frame.side_data["A53_CC"]) if "A53_CC" in {s.type.name for s in frame.side_data} else None
            for frame in media.decode(video=0)
        ]


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("codec", "file", "how"),
    [
        ("libx264", "a.mp4", {"options": {"bf": "2"}}),
        ("libx264", "a.mkv", {"options": {"bf": "0"}}),
        ("libx264", "a.ts", {"options": {"bf": "2"}}),
        ("libx265", "a.mp4", {"options": {"x265-params": "log-level=none"}}),
        ("mpeg2video", "a.mpg", {"options": {"bf": "2"}}),
    ],
)
@pytest.mark.parametrize(("wanted", "ending"), [("auto", ".mp4"), ("h264", ".mov"), ("hevc", ".mkv"), ("h264", ".avi")])
def test_captions_are_kept(tmp_path: Path, codec: str, file: str, how: dict, wanted: str, ending: str) -> None:
    source = make_captioned(tmp_path / file, codec, time_base=Fraction(1, 25), **how)
    expected = [captions_of(number)[2:] for number in range(COUNT)]
    assert decode_captions(source) == expected
    own = read_captions(source)
    assert [own[pts] for pts in read_frame_index(source).pts.tolist()] == [[registered(n)] for n in range(COUNT)]
    out = tmp_path / f"out{ending}"
    encode(tmp_path, source, out, VideoCodec(wanted))
    assert decode_captions(out) == expected
    assert not [what for what in compare_files(source, out).lost if "captions" in what]
    before, after = probe(source).video, probe(out).video
    assert before is not None
    assert after is not None
    assert after.frames == before.frames


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("wanted", "ending"), [("vp9", ".webm"), ("prores", ".mov"), ("ffv1", ".mkv")])
def test_captions_that_are_lost_are_said(tmp_path: Path, wanted: str, ending: str) -> None:
    source = make_captioned(tmp_path / "a.mp4", "libx264")
    out = tmp_path / f"out{ending}"
    encode(tmp_path, source, out, VideoCodec(wanted))
    assert "the captions in the picture (CEA-608/708)" in compare_files(source, out).lost


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert read_captions(make_video(tmp_path / "a.mp4")) == {}
    assert read_captions(make_video(tmp_path / "a.mkv", codec="ffv1")) == {}


def test_damaged_captions_are_passed_over(tmp_path: Path) -> None:
    mark = b"\xb5\x00\x31GA94\x03"
    for rest in (b"", b"\x40", b"\x40\xff", b"\x5f\xff\xfc\x80"):
        path = tmp_path / "a.h264"
        plain = make_video(tmp_path / "plain.nut", pts=range(2), options={"bf": "0"})
        with av.open(str(plain)) as media:
            packet = next(packet for packet in media.demux(video=0) if packet.size)
            path.write_bytes(bytes(media.streams.video[0].codec_context.extradata or b"") + bytes(packet) + mark + rest)
        assert read_captions(path) == {}
