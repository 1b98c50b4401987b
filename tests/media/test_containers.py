"""What each container holds, and which encoder is chosen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lipdub.errors import UsageError
from lipdub.media.containers import (
    CODEC_FAMILIES,
    SourceFormat,
    choose_encoder,
    container_for,
    encoder_accepts,
    encoder_formats,
    encoder_input_format,
)

SOURCE = SourceFormat("h264", "yuv420p", 640, 480, is_image=False)


@pytest.mark.parametrize(
    ("name", "muxer"),
    [
        (Path("a.mp4"), "mp4"),
        (Path("a.M4V"), "mp4"),
        (".mov", "mov"),
        (Path("b/a.qt"), "mov"),
        (Path(".a.mkv"), "matroska"),
        (Path("a.avi"), "avi"),
    ],
)
def test_containers_by_name(name: Path | str, muxer: str) -> None:
    assert container_for(name).muxer == muxer


@pytest.mark.parametrize("name", [Path("a.txt"), Path("a"), Path("a.mp4.gz"), Path(".mp4"), ".txt", ""])
def test_unknown_endings(name: Path | str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        container_for(name)


@pytest.mark.parametrize(
    ("source", "suffix", "lossless", "family", "pix_fmt"),
    [
        (SOURCE, ".mp4", False, "h264", "yuv420p"),
        (SOURCE, ".webm", False, "vp9", "yuv420p"),
        (replace(SOURCE, codec="hevc"), ".mkv", False, "hevc", "yuv420p"),
        (replace(SOURCE, codec="prores", pix_fmt="yuv422p10le"), ".mov", False, "prores", "yuv422p10le"),
        (replace(SOURCE, codec="prores", pix_fmt="yuv422p10le"), ".mov", True, "h264", "yuv422p10le"),
        (replace(SOURCE, pix_fmt="gbrp"), ".mkv", True, "h264", "gbrp"),
        (replace(SOURCE, codec="png", pix_fmt="gbrp", is_image=True), ".mp4", False, "h264", "yuv420p"),
        (replace(SOURCE, codec="png", pix_fmt="gbrap"), ".mov", False, "prores", "yuva444p10le"),
        (replace(SOURCE, width=641), ".mkv", False, "vp9", "yuv420p"),
    ],
)
def test_the_source_s_family_and_format_are_kept(
    source: SourceFormat, suffix: str, lossless: bool, family: str, pix_fmt: str
) -> None:
    encoder = choose_encoder("auto", container_for(suffix), source, lossless=lossless)
    assert (encoder.family, encoder.pix_fmt) == (family, pix_fmt)
    assert encoder.converts == (pix_fmt != source.pix_fmt)


def test_what_cannot_be_encoded() -> None:
    with pytest.raises(UsageError, match="there is no codec"):
        choose_encoder("theora", container_for(".mkv"), SOURCE, lossless=False)
    with pytest.raises(UsageError, match="WebM does not hold h264"):
        choose_encoder("x264", container_for(".webm"), SOURCE, lossless=False)
    with pytest.raises(UsageError, match="no lossless form"):
        choose_encoder("auto", container_for(".webm"), replace(SOURCE, pix_fmt="gray16le"), lossless=True)


def test_limits_of_encoders() -> None:
    assert encoder_accepts("libx264", "yuv420p", 64, 48)
    assert encoder_accepts("libx264", "yuvj420p", 64, 48)
    assert not encoder_accepts("libx264", "yuv420p", 63, 48)
    assert not encoder_accepts("libx264", "gray", 64, 48, lossless=True)
    assert not encoder_accepts("libx265", "yuv420p", 30, 48)
    assert not encoder_accepts("libsvtav1", "yuv420p", 62, 64)
    assert not encoder_accepts("libsvtav1", "yuv420p", 64, 64, lossless=True)
    assert not encoder_accepts("libx264", "yuva420p", 64, 48)


def test_input_formats() -> None:
    assert encoder_input_format("libx264", "yuvj420p") == "yuv420p"
    assert encoder_input_format("libx264rgb", "gbrp") == "rgb24"
    assert encoder_input_format("ffv1", "gbrap") == "bgra"
    assert encoder_formats("no such encoder") == frozenset()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_containers_name_known_families(suffix: str) -> None:
    assert set(container_for(suffix).families) <= set(CODEC_FAMILIES)
