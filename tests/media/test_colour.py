"""Colour tags and the matrices between YUV and RGB."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.media.colour import LUMA_WEIGHTS, MATRIX_YCGCO, ColourTags, default_matrix, yuv_matrix
from tests.properties import repeatable


@repeatable
@given(
    matrix=st.sampled_from([*LUMA_WEIGHTS, MATRIX_YCGCO]),
    depth=st.integers(8, 16),
    scale=st.sampled_from([255.0, 65535.0]),
    full_range=st.booleans(),
    colour=st.tuples(*[st.floats(0, 1)] * 3),
)
def test_the_maps_are_inverse(
    matrix: int, depth: int, scale: float, full_range: bool, colour: tuple[float, float, float]
) -> None:
    to_rgb, to_yuv = yuv_matrix(matrix, depth, scale, full_range=full_range)
    rgb = np.array(colour) * scale
    yuv = to_yuv[:, :3].astype(np.float64) @ rgb + to_yuv[:, 3]
    again = to_rgb[:, :3].astype(np.float64) @ yuv + to_rgb[:, 3]
    assert np.abs(again - rgb).max() < 1e-5 * scale


@pytest.mark.parametrize("matrix", [*LUMA_WEIGHTS, MATRIX_YCGCO])
@pytest.mark.parametrize("depth", [8, 10])
def test_black_and_white(matrix: int, depth: int) -> None:
    unit = 1 << (depth - 8)
    _, limited = yuv_matrix(matrix, depth, 255.0, full_range=False)
    _, full = yuv_matrix(matrix, depth, 255.0, full_range=True)
    white = np.array([255.0, 255.0, 255.0, 1.0])
    assert limited @ white == pytest.approx([235 * unit, 128 * unit, 128 * unit], rel=1e-5)
    assert full @ white == pytest.approx([256 * unit - 1, 128 * unit, 128 * unit], rel=1e-5)
    assert limited[:, 3] == pytest.approx([16 * unit, 128 * unit, 128 * unit])
    assert full[:, 3] == pytest.approx([0, 128 * unit, 128 * unit])


def test_an_unknown_matrix_is_read_as_bt709() -> None:
    unknown, bt709 = (yuv_matrix(matrix, 8, 255.0, full_range=False)[0] for matrix in (14, 1))
    assert np.array_equal(unknown, bt709)


@pytest.mark.parametrize(
    ("size", "matrix"), [((640, 480), 6), ((720, 576), 6), ((1280, 720), 1), ((720, 1280), 1), ((1024, 577), 1)]
)
def test_default_matrix(size: tuple[int, int], matrix: int) -> None:
    assert default_matrix(*size) == matrix


def test_tags_keep_the_numbers_of_the_file() -> None:
    tags = ColourTags.from_raw(1, 9, 9, 16)
    assert (tags.matrix, tags.primaries, tags.transfer, tags.full_range) == ("bt2020nc", "bt2020", "smpte2084", False)
    assert (tags.range_raw, tags.matrix_raw, tags.primaries_raw, tags.transfer_raw) == (1, 9, 9, 16)
    assert ColourTags.from_raw(2, 99, 2, 2).matrix == "99"
    assert ColourTags.from_raw(2, 1, 1, 1).full_range
    assert ColourTags.from_raw(0, 1, 1, 1, full_range=True).full_range
