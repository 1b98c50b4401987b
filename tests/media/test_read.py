"""Frames are exact by number, whatever the order they are asked for in."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.frame_index import read_frame_pts
from lipdub.media.probe import probe
from lipdub.media.read import read_frames, read_frames_in_order
from tests.media.clips import make_video, planes_of, scene

if TYPE_CHECKING:
    from pathlib import Path

QUIET = {"x265-params": "log-level=none:keyint=12"}
SOURCES = {
    "h264.mp4": {"options": {"g": "12", "bf": "3"}},
    "open.mp4": {"options": {"x264-params": "keyint=12:open-gop=1:bframes=3"}},
    "late.mp4": {"options": {"g": "12"}, "pts": [507 + 512 * n for n in range(50)], "time_base": Fraction(1, 15360)},
    "uneven.mkv": {
        "options": {"g": "12"},
        "pts": [n * 33 + (n % 7) * 3 for n in range(50)],
        "time_base": Fraction(1, 1000),
    },
    "hevc.mp4": {"codec": "libx265", "options": QUIET},
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "options": {"g": "12", "deadline": "realtime", "cpu-used": "8"},
        "pts": [n * 40 for n in range(50)],
        "time_base": Fraction(1, 1000),
    },
    "vp8.webm": {
        "codec": "libvpx",
        "options": {"g": "12", "deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "1"},
        "pts": [n * 40 for n in range(50)],
        "time_base": Fraction(1, 1000),
    },
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}},
    "h264.ts": {"options": {"g": "12"}},
    "ffv1.mkv": {
        "codec": "ffv1",
        "pix_fmt": "yuv422p10le",
        "time_base": Fraction(1, 1000),
        "pts": [n * 40 for n in range(50)],
    },
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    return {name: make_video(folder / name, **{"pts": range(50), **how}) for name, how in SOURCES.items()}  # type: ignore[arg-type]


def digest(frame: object) -> tuple[int, int, int]:
    planes = frame.picture.planes  # type: ignore[attr-defined]
    return frame.index, frame.pts, hash(b"".join(np.ascontiguousarray(plane).tobytes() for plane in planes))  # type: ignore[attr-defined]


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("name", SOURCES)
def test_numbers_hold_from_any_start(sources: dict[str, Path], name: str) -> None:
    path = sources[name]
    whole = [digest(frame) for frame in read_frames(path)]
    assert [number for number, _, _ in whole] == list(range(50)) == list(range(probe(path).video.frames))  # type: ignore[union-attr]
    assert [pts for _, pts, _ in whole] == read_frame_pts(path).tolist()
    for start, stop in [(1, 4), (11, 14), (12, 13), (25, 40), (49, 50), (47, 99)]:
        assert [digest(frame) for frame in read_frames(path, start, stop)] == whole[start:stop]
    order = [3, 4, 5, 4, 3, 2, 1, 0, 1, 2, 30, 30, 30, 29, 28, 49, 0, *range(40, 10, -1), 7]
    assert [digest(frame) for frame in read_frames_in_order(path, order)] == [whole[number] for number in order]
    assert list(read_frames(path, 50)) == [] and list(read_frames_in_order(path, [])) == []


def test_lossless_source_reads_as_it_was_made(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", options={"qp": "0"}, rotation=90, size=(96, 48))
    for number, frame in enumerate(read_frames(path)):
        for plane, expected in zip(frame.picture.planes, planes_of(scene("yuv420p", 96, 48, number)), strict=True):
            assert np.array_equal(plane, np.rot90(expected))
        assert frame.time == Fraction(number, 25)


def test_leaving_early_ends_the_thread(sources: dict[str, Path]) -> None:
    before = threading.active_count()
    for frame in read_frames(sources["h264.mp4"]):
        if frame.index == 3:
            break
    frames = read_frames_in_order(sources["h264.mp4"], range(50))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_reading_holds_few_frames(sources: dict[str, Path]) -> None:
    """Decoding waits for the reader: a held frame's pixels do not change when later ones are read."""
    frames = read_frames(sources["h264.mp4"])
    first = next(frames).picture
    luma = first.planes[0].copy()
    for _ in frames:
        pass
    assert np.array_equal(luma, first.planes[0])


def test_damaged_middle_keeps_numbers(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mkv", pts=range(40), options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = np.random.default_rng(0).bytes(60)
    path.write_bytes(data)
    frames = [frame.index for frame in read_frames(path)]
    assert frames == list(range(probe(path).video.frames))  # type: ignore[union-attr]


def test_numbers_outside_are_refused(sources: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match="not all inside"):
        list(read_frames_in_order(sources["h264.mp4"], [0, 50]))
