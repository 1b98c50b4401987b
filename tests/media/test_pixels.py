"""Colour conversion against the definitions, and patching that touches nothing else."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.media.colour import ColourTags
from lipdub.media.pixel_formats import plane_layout
from lipdub.media.pixels import Picture, orient, picture_from_frame
from tests.media.clips import scene
from tests.properties import repeatable

WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
FORMATS = [
    "yuv420p",
    "yuvj420p",
    "yuv422p",
    "yuv444p",
    "yuv440p",
    "yuv411p",
    "yuv420p10le",
    "yuv422p12le",
    "yuva420p",
    "yuva444p10le",
    "gbrp",
    "gbrap",
    "gbrp10le",
    "gray",
    "gray16le",
]


def make_picture(
    pix_fmt: str,
    width: int = 61,
    height: int = 46,
    matrix: int = 1,
    turns: int = 0,
    mirrored: bool = False,
    number: int = 3,
) -> Picture:
    layout = plane_layout(pix_fmt)
    assert layout is not None
    full = pix_fmt.startswith("yuvj") or layout.kind != "yuv"
    tags = ColourTags.from_raw(2 if full else 1, matrix, 1, 1)
    picture = picture_from_frame(scene(pix_fmt, width, height, number), tags, turns, mirrored=mirrored)
    return replace(picture, layout=layout)


@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
def test_rgb_follows_the_definition(matrix: int, full: bool, depth: int) -> None:
    name = "yuv444p" if depth == 8 else "yuv444p10le"
    layout = plane_layout(name)
    assert layout is not None
    draw = np.random.default_rng(0)
    unit = 1 << (depth - 8)
    rgb = draw.uniform(0.1, 0.9, (40, 40, 3))
    red, blue = WEIGHTS[matrix]
    luma = rgb @ [red, 1 - red - blue, blue]
    chroma = [(rgb[..., 2] - luma) / (2 - 2 * blue), (rgb[..., 0] - luma) / (2 - 2 * red)]
    top = (1 << depth) - 1
    if full:
        codes = [luma * top] + [part * top + 128 * unit for part in chroma]
    else:
        codes = [luma * 219 * unit + 16 * unit] + [part * 224 * unit + 128 * unit for part in chroma]
    planes = tuple(np.rint(code).astype(layout.dtype) for code in codes)
    picture = Picture(planes, layout, ColourTags.from_raw(2 if full else 1, matrix, 1, 1))
    assert np.abs(picture.rgb() / picture.scale - rgb).max() < 2.4 / top
    # And back: the same samples (but for a rare tie), as colours were not rounded to 8 bits in between.
    again = picture.patch((0, 0, 40, 40), (rgb * picture.scale).astype(np.float32), np.ones((40, 40), np.float32))
    for a, b in zip(planes, again.coded, strict=True):
        difference = np.abs(a.astype(int) - b)
        assert difference.max() <= 1 and difference.mean() < 1e-3


def test_untagged_pictures_go_by_size() -> None:
    small, large = make_picture("yuv420p", 64, 48, matrix=2), make_picture("yuv420p", 1280, 24, matrix=2)
    assert np.array_equal(small.rgb(), make_picture("yuv420p", 64, 48, matrix=6).rgb())
    assert np.array_equal(large.rgb(), make_picture("yuv420p", 1280, 24, matrix=1).rgb())


@pytest.mark.parametrize("pix_fmt", FORMATS)
@pytest.mark.parametrize(("turns", "mirrored"), [(0, False), (1, False), (2, True), (3, False)])
def test_patching_leaves_everything_else(pix_fmt: str, turns: int, mirrored: bool) -> None:
    picture = make_picture(pix_fmt, turns=turns, mirrored=mirrored)
    before = [plane.copy() for plane in picture.planes]
    draw = np.random.default_rng(1)
    for box in [
        (7, 5, 32, 30),
        (0, 0, picture.width, picture.height),
        (picture.width - 9, picture.height - 7, picture.width, picture.height),
    ]:
        shape = (box[3] - box[1], box[2] - box[0])
        weight = np.zeros(shape, np.float32)
        weight[3:-3, 3:-2] = draw.uniform(0.0, 1.0, (shape[0] - 6, shape[1] - 5))
        weight[weight < 0.3] = 0
        rgb = draw.uniform(0, picture.scale, (*shape, 3)).astype(np.float32)
        patched = picture.patch(box, rgb, weight)
        assert all(np.array_equal(a, b) for a, b in zip(before, picture.planes, strict=True))
        for old, new, same in zip(before, patched.planes, picture.untouched_masks(box, weight), strict=True):
            assert np.array_equal(old[same], new[same])
            assert old.dtype == new.dtype and not new.flags.writeable
        assert (patched.planes[0] != before[0]).any()
        if picture.layout.alpha:
            assert patched.coded[-1] is picture.coded[-1]


@pytest.mark.parametrize("pix_fmt", FORMATS)
def test_weight_one_takes_the_new_colours(pix_fmt: str) -> None:
    picture = make_picture(pix_fmt, 64, 48)
    colour = np.array([0.55, 0.4, 0.3]) * picture.scale
    flat = np.broadcast_to(colour, (48, 64, 3)).astype(np.float32)
    back = picture.patch((0, 0, 64, 48), flat, np.ones((48, 64), np.float32)).rgb().astype(np.float64)
    if picture.kind == "gray":
        assert np.ptp(back) == 0
    else:
        assert np.abs(back - colour).max() <= picture.scale * 2.4 / ((1 << min(picture.depth, 10)) - 1)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv411p", "yuv422p"])
@pytest.mark.parametrize(("turns", "mirrored"), [(0, False), (1, False), (1, True), (2, False), (3, True)])
def test_turned_pictures_have_the_colours_of_upright_ones(pix_fmt: str, turns: int, mirrored: bool) -> None:
    upright = make_picture(pix_fmt)
    turned = replace(upright, turns=turns, mirrored=mirrored)
    assert np.abs(orient(upright.rgb(), turns, mirrored=mirrored).astype(int) - turned.rgb()).max() <= 1
    small = turned.rgb_small(30)
    assert small.shape[1] == 30 and abs(small.shape[0] / small.shape[1] - turned.height / turned.width) < 0.05
    # Patching a turned picture is turning a patched one.
    rgb = np.full((turned.height, turned.width, 3), 90.0, np.float32)
    weight = np.ones((turned.height, turned.width), np.float32)
    a = turned.patch((0, 0, turned.width, turned.height), rgb, weight)
    b = upright.patch(
        (0, 0, upright.width, upright.height), np.full((46, 61, 3), 90.0, np.float32), np.ones((46, 61), np.float32)
    )
    assert all(np.array_equal(x, y) for x, y in zip(a.coded, b.coded, strict=True))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv422p", "yuv411p"])
def test_a_box_has_the_colours_of_the_whole(pix_fmt: str) -> None:
    picture = make_picture(pix_fmt)
    whole = picture.rgb()
    for box in [(0, 0, 1, 1), (5, 3, 38, 40), (11, 0, 61, 46), (60, 45, 61, 46), (1, 1, 2, 44)]:
        part = picture.rgb(box)
        same = whole[box[1] : box[3], box[0] : box[2]]
        assert np.abs(part.astype(int) - same).max() <= (1 if picture.depth == 8 else 64)
    with pytest.raises(ValueError, match="not inside"):
        picture.rgb((5, 5, 5, 9))
    with pytest.raises(ValueError, match="does not fit"):
        picture.patch((0, 0, 4, 4), np.zeros((4, 5, 3), np.float32), np.zeros((4, 4), np.float32))


def test_chroma_lies_on_even_columns() -> None:
    """A ramp sampled where MPEG puts chroma comes back as the same ramp."""
    layout = plane_layout("yuv420p")
    assert layout is not None
    x = np.arange(0, 64, 2)
    ramp = np.broadcast_to(np.rint(80 + x), (24, 32)).astype(np.uint8)
    flat = np.full((48, 64), 120, np.uint8)
    picture = Picture((flat, ramp, np.full((24, 32), 128, np.uint8)), layout, ColourTags.from_raw(1, 1, 1, 1))
    blue = picture.rgb()[20, :, 2].astype(float)
    expected = (120 - 16) / 219 * 255 + 1.8556 * 255 / 224 * (80 + np.arange(64) - 128)
    inner = (expected > 2) & (expected < 253)
    inner[-2:] = False
    assert np.abs(blue - expected)[inner].max() <= 1.0


@pytest.mark.parametrize("target", ["yuv420p", "yuv444p10le", "gbrp", "yuva420p"])
def test_conversion_keeps_colours(target: str) -> None:
    picture = make_picture("gbrp", 64, 48)
    smooth = picture.patch(
        (0, 0, 64, 48), np.full((48, 64, 3), (180, 90, 60), np.float32), np.ones((48, 64), np.float32)
    )
    tags = ColourTags.from_raw(1, 1, 1, 13) if target.startswith("yuv") else smooth.colour
    converted = smooth.convert(target, tags)
    assert converted.pix_fmt == target
    assert np.abs(converted.rgb() / converted.scale * 255 - smooth.rgb()).max() < 2


def test_rgb_small_is_like_rgb() -> None:
    picture = make_picture("yuv420p", 320, 240)
    small = picture.rgb_small(80)
    mean = picture.rgb().reshape(60, 4, 80, 4, 3).mean((1, 3))
    assert small.shape == (60, 80, 3) and np.abs(small - mean).mean() < 10
    assert np.array_equal(picture.rgb_small(9999).shape, (240, 320, 3))


@pytest.mark.parametrize("matrix", [3, 8, 10, 14])
def test_matrices_that_ffmpeg_does_not_convert(matrix: int) -> None:
    """Frames tagged as YCgCo, BT.2020 with constant luminance or ICtCp shrink like any other."""
    tags = ColourTags.from_raw(1, matrix, 1, 1)
    frame = scene("yuv420p", 64, 48, 1)
    frame.colorspace, frame.color_range = matrix, 1
    small = picture_from_frame(frame, tags).rgb_small(32)
    mean = picture_from_frame(frame, tags).rgb().reshape(24, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(small - mean).mean() < 10


def test_threads_may_share_a_picture() -> None:
    """One picture stands for all frames after it that do not decode."""
    frame = scene("yuv420p", 640, 480, 1)
    frame.colorspace, frame.color_primaries = 6, 5
    picture = picture_from_frame(frame, ColourTags.from_raw(1, 6, 5, 1))
    alone = picture.rgb_small(320)
    made: list[bool] = []

    def shrink() -> None:
        for _ in range(40):
            made.append(np.array_equal(picture.rgb_small(320), alone))  # noqa: PERF401 - other threads look

    threads = [threading.Thread(target=shrink, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 160 and all(made)
    assert (frame.colorspace, frame.color_primaries) == (6, 5)


def draw_box(data: st.DataObject, width: int, height: int) -> tuple[int, int, int, int]:
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    return x0, y0, data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))


placed_pictures = st.builds(
    make_picture,
    st.sampled_from(FORMATS),
    width=st.integers(8, 40),
    height=st.integers(8, 40),
    matrix=st.sampled_from([*WEIGHTS, 2, 8]),
    turns=st.integers(0, 3),
    mirrored=st.booleans(),
)


@repeatable
@given(picture=placed_pictures, data=st.data())
def test_patching_with_what_was_there_changes_nothing(picture: Picture, data: st.DataObject) -> None:
    box = draw_box(data, picture.width, picture.height)
    rgb = picture.rgb(box)
    patched = picture.patch(box, rgb, np.ones(rgb.shape[:2], np.float32), base=rgb)
    assert all(np.array_equal(a, b) for a, b in zip(picture.coded, patched.coded, strict=True))


@repeatable
@given(picture=placed_pictures, data=st.data(), seed=st.integers(0, 9))
def test_patching_touches_no_sample_of_weight_zero(picture: Picture, data: st.DataObject, seed: int) -> None:
    box = draw_box(data, picture.width, picture.height)
    draw = np.random.default_rng(seed)
    shape = (box[3] - box[1], box[2] - box[0])
    weight = draw.uniform(-1.0, 1.0, shape).clip(0.0).astype(np.float32)
    patched = picture.patch(box, draw.uniform(0, picture.scale, (*shape, 3)).astype(np.float32), weight)
    masks = picture.untouched_masks(box, weight)
    for old, new, same in zip(picture.planes, patched.planes, masks, strict=True):
        assert np.array_equal(old[same], new[same])


@repeatable
@given(picture=placed_pictures)
def test_frames_and_back(picture: Picture) -> None:
    frame = picture.to_frame()
    again = picture_from_frame(frame, picture.colour, picture.turns, mirrored=picture.mirrored)
    assert again.pix_fmt == picture.pix_fmt
    assert all(np.array_equal(a, b) for a, b in zip(picture.planes, again.planes, strict=True))


@repeatable
@given(shape=st.tuples(st.integers(1, 5), st.integers(1, 5)), turns=st.integers(0, 3), mirrored=st.booleans())
def test_orientation_is_undone_by_its_inverse(shape: tuple[int, int], turns: int, mirrored: bool) -> None:
    plane = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    turned = orient(plane, turns, mirrored=mirrored)
    flipped_back = turned[:, ::-1] if mirrored else turned
    assert np.array_equal(orient(flipped_back, -turns, mirrored=False), plane)
