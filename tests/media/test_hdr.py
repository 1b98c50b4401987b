"""Static HDR metadata goes from source to result; what fits the source's pictures only is said, or refused."""

from __future__ import annotations

import struct
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from lipdub.errors import InputError
from lipdub.media.comparison import compare_files
from lipdub.media.hdr import (
    NO_HDR,
    HdrMetadata,
    LightLevel,
    MasteringDisplay,
    read_dynamic_metadata,
    read_hdr_metadata,
)
from lipdub.media.mov_boxes import add_sample_entry_boxes, make_box
from lipdub.media.probe import probe
from lipdub.media.video_encoder import VideoCodec
from tests.media.clips import make_video
from tests.media.test_write import encode

if TYPE_CHECKING:
    from pathlib import Path

DISPLAY = MasteringDisplay((34000, 16000), (13250, 34500), (7500, 3000), (15635, 16450), 10_000_000, 1)
HDR = HdrMetadata(DISPLAY, LightLevel(1000, 400))
PQ = (1, 9, 9, 16)  # limited range, BT.2020, PQ
X265 = "log-level=none:" + ":".join(HDR.to_x265_params())


def make_hevc(path: Path, params: str = "log-level=none", pix_fmt: str = "yuv420p10le") -> Path:
    return make_video(
        path, codec="libx265", pix_fmt=pix_fmt, colour=PQ, options={"x265-params": params}, pts=range(4), size=(96, 64)
    )


def test_parameters_and_boxes() -> None:
    assert HDR.to_x265_params() == [
        "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
        "max-cll=1000,400",
    ]
    assert HDR.to_boxes()[4:8] == b"mdcv"
    assert HDR.to_boxes()[-8:] == b"clli" + struct.pack(">2H", 1000, 400)
    assert not NO_HDR
    assert NO_HDR.to_x265_params() == []
    assert NO_HDR.to_boxes() == b""
    assert HdrMetadata.from_json(asdict(HDR)) == HDR
    assert HdrMetadata.from_json(asdict(HdrMetadata(light=LightLevel(1, 2)))) == HdrMetadata(light=LightLevel(1, 2))


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(
    ("codec", "ending"),
    [
        ("auto", ".mp4"),
        ("auto", ".mov"),
        ("auto", ".mkv"),
        ("prores", ".mov"),
        ("h264", ".mp4"),
        ("av1", ".mp4"),
        ("av1", ".webm"),
    ],
)
def test_hdr10_is_kept(tmp_path: Path, codec: str, ending: str) -> None:
    source = make_hevc(tmp_path / "a.mp4", X265)
    out = tmp_path / f"out{ending}"
    facts, _ = encode(tmp_path, source, out, VideoCodec(codec))
    assert facts.video is not None
    assert facts.video.hdr == HDR
    result = probe(out).video
    assert result is not None
    assert result.hdr == HDR
    assert (result.colour.primaries, result.colour.transfer) == ("bt2020", "smpte2084")
    assert not [what for what in compare_files(source, out).lost if "HDR" in what]


@pytest.mark.parametrize(("codec", "ending"), [("ffv1", ".mkv"), ("auto", ".avi")])
def test_hdr10_that_is_lost_is_said(tmp_path: Path, codec: str, ending: str) -> None:
    source, out = make_hevc(tmp_path / "a.mp4", X265), tmp_path / f"out{ending}"
    encode(tmp_path, source, out, VideoCodec(codec))
    assert {"the HDR mastering display", "the HDR light levels (MaxCLL)"} <= set(compare_files(source, out).lost)


def test_boxes_alone_are_read(tmp_path: Path) -> None:
    source = make_hevc(tmp_path / "a.mp4")
    video = probe(source).video
    assert video is not None
    assert video.hdr == NO_HDR
    light = HdrMetadata(light=LightLevel(800, 0))
    add_sample_entry_boxes(source, light.to_boxes())
    video = probe(source).video
    assert video is not None
    assert video.hdr == light


def dolby_vision_box(profile: int) -> bytes:
    """The configuration box of Dolby Vision: version 1.0, level 6, base picture and metadata present."""
    bits = profile << 9 | 6 << 3 | 0b101
    name = b"dvvC" if profile > 7 else b"dvcC"
    return make_box(name, bytes([1, 0]) + bits.to_bytes(2, "big") + bytes([1 << 4]) + bytes(19))


def test_dolby_vision_is_left_out_with_a_note(tmp_path: Path) -> None:
    source = make_hevc(tmp_path / "a.mp4", X265)
    add_sample_entry_boxes(source, dolby_vision_box(8))
    facts = probe(source)
    assert facts.video is not None
    assert facts.video.dynamic_hdr == ("Dolby Vision",)
    assert facts.video.hdr == HDR
    assert facts.notes == ("Dolby Vision metadata fit the source's pictures only and are left out",)


def test_pictures_for_dolby_vision_alone_are_refused(tmp_path: Path) -> None:
    source = make_hevc(tmp_path / "a.mp4")
    add_sample_entry_boxes(source, dolby_vision_box(5))
    with pytest.raises(InputError, match=r"a\.mp4 is Dolby Vision of profile 5"):
        probe(source)


def test_side_data_of_frames() -> None:
    plus = SimpleNamespace(side_data={"DYNAMIC_HDR_PLUS": b"1", "DOVI_RPU_BUFFER": b"1", "DOVI_METADATA": b"1"})
    assert read_dynamic_metadata(plus, "hevc", "") == ("HDR10+", "Dolby Vision")
    assert read_dynamic_metadata(plus, "png", "") == ()
    nothing = SimpleNamespace(side_data={})
    assert read_dynamic_metadata(nothing, "hevc", "") == ()
    primaries_only = struct.pack("=22i", *([1, 2] * 10), 1, 0)
    partial = SimpleNamespace(side_data={"MASTERING_DISPLAY_METADATA": primaries_only})
    assert read_hdr_metadata(partial, "hevc") == NO_HDR
