"""Field order and chroma place are read from decoded frames, and written for encoders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from lipdub.media.frame_tags import (
    BOTTOM_FIELD_FIRST,
    PROGRESSIVE,
    TOP_FIELD_FIRST,
    FieldTagger,
    FrameTags,
    read_frame_tags,
)
from tests.media.clips import make_interlaced, make_video, planes_of, scene

if TYPE_CHECKING:
    from pathlib import Path


def read_first(path: Path) -> FrameTags:
    with av.open(str(path)) as container:
        return read_frame_tags(next(container.decode(video=0)))


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize(("order", "name"), [("tff", TOP_FIELD_FIRST), ("bff", BOTTOM_FIELD_FIRST)])
@pytest.mark.parametrize(
    "encoder",
    [
        ("h264.mp4", "-c:v", "libx264", "-x264-params", "{}=1", "-pix_fmt", "yuv420p"),
        ("mpeg2.ts", "-c:v", "mpeg2video", "-pix_fmt", "yuv420p"),
        ("prores.mov", "-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"),
        ("ffv1.mkv", "-c:v", "ffv1", "-pix_fmt", "yuv420p"),
    ],
)
def test_field_order_is_read(tmp_path: Path, order: str, name: str, encoder: tuple[str, ...]) -> None:
    file, *options = (word.format(order) for word in encoder)
    source = make_interlaced(tmp_path / file, order, *options, "-flags", "+ilme+ildct")
    assert read_first(source).field_order == name


@pytest.mark.parametrize("place", ["left", "center", "topleft", "bottom"])
def test_chroma_place_is_read(tmp_path: Path, place: str) -> None:
    source = make_video(tmp_path / "a.mp4", options={"chroma_sample_location": place}, pts=range(2))
    assert read_first(source) == FrameTags(PROGRESSIVE, place)


def test_frames_are_tagged_and_keep_their_samples() -> None:
    for name in (TOP_FIELD_FIRST, BOTTOM_FIELD_FIRST):
        tag = FieldTagger(name)
        for number in range(3):
            frame = scene("yuv420p", 64, 48, number)
            tagged = tag(frame)
            assert read_frame_tags(tagged).field_order == name
            assert all((a == b).all() for a, b in zip(planes_of(frame), planes_of(tagged), strict=True))


def test_the_log_level_stays(tmp_path: Path) -> None:
    level = av.logging.get_level()
    read_first(make_video(tmp_path / "a.mp4", pts=range(2)))
    assert av.logging.get_level() == level
