"""Interlaced pictures are seen without combs, and patched without combs; what is not patched stays as it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.colour import ColourTags
from lipdub.media.fields import InterlacedPicture, make_picture
from lipdub.media.frame_tags import BOTTOM_FIELD_FIRST, PROGRESSIVE, TOP_FIELD_FIRST
from lipdub.media.pixels import Picture, picture_from_frame
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from tests.media.clips import make_interlaced, scene

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import Array

FORMATS = ["yuv420p", "yuv422p10le", "yuv444p", "gbrp", "gray"]
BOXES = [(8, 6, 40, 30), (9, 7, 41, 31), (0, 0, 64, 48), (10, 11, 30, 12)]


def weaken_chroma(picture: Picture) -> Picture:
    """The picture with weak colours, which RGB holds without clipping."""
    centre = 1 << picture.depth - 1
    luma, *chroma = picture.coded
    return replace(
        picture,
        coded=(luma, *((centre + (plane.astype(int) - centre) // 16).astype(plane.dtype) for plane in chroma)),
        frame=None,
    )


def weave(pix_fmt: str, order: str) -> tuple[Picture, Picture, InterlacedPicture]:
    """The pictures of two moments, and the interlaced picture of the first's even and the second's odd rows."""
    frames = [scene(pix_fmt, 64, 48, number) for number in (0, 9)]
    first, second = (picture_from_frame(frame, ColourTags()) for frame in frames)
    rows, other = (0, 1) if order == TOP_FIELD_FIRST else (1, 0)
    if first.kind == "yuv":
        first, second = weaken_chroma(first), weaken_chroma(second)
    planes = [plane.copy() for plane in first.coded]
    for plane, later in zip(planes, second.coded, strict=True):
        plane[other::2] = later[other::2]
    return first, second, InterlacedPicture(tuple(planes), first.layout, first.colour, first_row=rows)


def measure_combs(rgb: Array) -> float:
    """How far rows lie outside their neighbours, on average."""
    rgb = rgb.astype(np.float64)
    low, high = np.minimum(rgb[:-2], rgb[2:]), np.maximum(rgb[:-2], rgb[2:])
    return float((np.maximum(low - rgb[1:-1], 0) + np.maximum(rgb[1:-1] - high, 0)).mean())


@pytest.mark.parametrize("order", [TOP_FIELD_FIRST, BOTTOM_FIELD_FIRST])
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_the_first_field_is_seen(pix_fmt: str, order: str) -> None:
    first, _, woven = weave(pix_fmt, order)
    raw = Picture(woven.coded, woven.layout, woven.colour).rgb() / woven.scale * 255
    seen, moment = woven.rgb() / woven.scale * 255, first.rgb() / first.scale * 255
    rows = np.s_[woven.first_row :: 2]
    if woven.layout.step[1] == 1:
        assert np.array_equal(seen[rows], moment[rows])
    assert np.abs(seen - moment).mean() < 0.6 * np.abs(raw - moment).mean()
    assert measure_combs(seen) < 0.5 * measure_combs(raw)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_a_part_is_seen_as_in_the_whole(pix_fmt: str, box: tuple[int, int, int, int]) -> None:
    _, _, woven = weave(pix_fmt, TOP_FIELD_FIRST)
    x0, y0, x1, y1 = box
    assert np.abs(woven.rgb(box).astype(int) - woven.rgb()[y0:y1, x0:x1]).max() <= woven.scale / 255


@pytest.mark.parametrize("with_base", [False, True])
@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_patches_have_no_combs(pix_fmt: str, box: tuple[int, int, int, int], with_base: bool) -> None:
    _, _, woven = weave(pix_fmt, BOTTOM_FIELD_FIRST)
    x0, y0, x1, y1 = box
    height, width = y1 - y0, x1 - x0
    ramp = np.linspace(0.3, 0.7, height)[:, None, None] * np.ones((1, width, 3)) * woven.scale
    weight = np.ones((height, width), np.float32)
    weight[:, : width // 4] = 0
    patched = woven.patch(box, ramp.astype(np.float32), weight, woven.rgb(box) if with_base else None)
    assert isinstance(patched, InterlacedPicture)
    assert patched.first_row == woven.first_row
    for before, after, untouched in zip(woven.planes, patched.planes, woven.untouched_masks(box, weight), strict=True):
        assert np.array_equal(before[untouched], after[untouched])
        assert not np.array_equal(before, after) or pix_fmt != "gray"
    raw = Picture(patched.coded, patched.layout, patched.colour).rgb()
    inside = raw[y0 + 2 : y1 - 2, x0 + width // 4 + 4 : x1 - 4] / woven.scale * 255
    if len(inside) > 4:
        assert np.abs(inside - ramp[2:-2, width // 4 + 4 : width - 4] / woven.scale * 255).mean() < 3


def test_a_patch_of_no_weight_changes_nothing() -> None:
    _, _, woven = weave("yuv420p", TOP_FIELD_FIRST)
    box = (8, 8, 24, 24)
    patched = woven.patch(box, np.zeros((16, 16, 3), np.float32), np.zeros((16, 16), np.float32), woven.rgb(box))
    assert all(np.array_equal(a, b) for a, b in zip(woven.coded, patched.coded, strict=True))


@pytest.mark.parametrize("target", ["yuv422p10le", "yuv444p", "yuv420p10le", "gbrp"])
def test_fields_are_converted_apart(target: str) -> None:
    first, second, woven = weave("yuv420p", TOP_FIELD_FIRST)
    converted = woven.convert(target, ColourTags())
    assert converted.pix_fmt == target
    for row, moment in ((0, first), (1, second)):
        # A field of one moment has the colours of that moment alone.
        rows = tuple(plane[row::2] for plane in moment.coded)
        alone = Picture(rows, moment.layout, moment.colour).convert(target, ColourTags())
        for plane, own in zip(converted.coded, alone.coded, strict=True):
            assert np.array_equal(plane[row::2], own)


def test_still_scenes_stay_sharp() -> None:
    first, _, _ = weave("gbrp", TOP_FIELD_FIRST)
    still = InterlacedPicture(first.coded, first.layout, first.colour)
    plain = Picture(first.coded, first.layout, first.colour)
    assert np.abs(still.rgb().astype(int) - plain.rgb()).mean() < 3


def test_which_frames_are_interlaced() -> None:
    frame = scene("yuv420p", 64, 48, 0)
    for order, row in ((TOP_FIELD_FIRST, 0), (BOTTOM_FIELD_FIRST, 1)):
        picture = make_picture(frame, ColourTags(), 0, mirrored=False, field_order=order)
        assert isinstance(picture, InterlacedPicture)
        assert picture.first_row == row
        # Rows that are columns when shown, or whose fields share chroma, are not taken apart.
        for turned in (
            make_picture(frame, ColourTags(), 1, mirrored=False, field_order=order),
            make_picture(scene("yuv420p", 64, 50, 0), ColourTags(), 0, mirrored=False, field_order=order),
        ):
            assert not isinstance(turned, InterlacedPicture)
    plain = make_picture(frame, ColourTags(), 0, mirrored=True, field_order=PROGRESSIVE)
    assert not isinstance(plain, InterlacedPicture)


def test_files_are_read_as_fields(tmp_path: Path) -> None:
    options = ("-c:v", "libx264", "-x264-params", "bff=1", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p")
    path = make_interlaced(tmp_path / "a.mp4", "bff", *options)
    for frame in read_frames(path):
        assert isinstance(frame.picture, InterlacedPicture)
        assert frame.picture.first_row == 1
        raw = replace(frame.picture, coded=frame.picture.coded)
        assert np.array_equal(raw.rgb(), frame.picture.rgb())


@pytest.mark.parametrize(("height", "words"), [(64, "alike in both fields"), (66, "may show combs")])
def test_interlaced_video_is_said_at_once(tmp_path: Path, height: int, words: str) -> None:
    options = ("-c:v", "ffv1", "-flags", "+ilme+ildct", "-pix_fmt", "yuv420p")
    (note,) = probe(make_interlaced(tmp_path / "a.mkv", "tff", *options, size=(96, height))).notes
    assert note.startswith("the video is interlaced (top field first)")
    assert words in note
