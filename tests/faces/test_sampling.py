"""Resampling between pixels, against Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces import sampling
from tests.properties import repeatable

KERNELS = st.sampled_from(["cubic", "lanczos"])
PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


@pytest.mark.parametrize("kernel", ["cubic", "lanczos"])
@pytest.mark.parametrize("size", [(41, 23), (120, 90), (131, 200)])
def test_resizing_equals_pillows(kernel: sampling.Kernel, size: tuple[int, int]) -> None:
    image = pytest.importorskip("PIL.Image")
    width, height = size
    method = {"cubic": image.BICUBIC, "lanczos": image.LANCZOS}[kernel]
    wanted = np.asarray(image.fromarray(PICTURE).resize(size, method))
    assert np.array_equal(sampling.resize_box(PICTURE, *size, (0, 0, width, height), kernel), wanted)


def test_a_box_is_a_part_of_the_whole_and_black_outside() -> None:
    whole = sampling.resize_box(PICTURE, 50, 40, (0, 0, 50, 40))
    found = sampling.resize_box(PICTURE, 50, 40, (-3, 30, 12, 44))
    assert found.shape == (14, 15, 3)
    assert np.array_equal(found[:10, 3:], whole[30:, :12])
    assert not found[10:].any() and not found[:, :3].any()
    assert not sampling.resize_box(PICTURE, 50, 40, (60, 0, 65, 5)).any()


def test_bilinear_sampling_mixes_four_pixels() -> None:
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[..., 0] = [[0, 10], [20, 50]]
    x, y = np.array([0.5, 0.25, 1, 1.4, 1.5, -0.6]), np.array([0.5, 0, 1, 0, 0, 0])
    found, inside = sampling.sample_bilinear(picture, x, y)
    assert found[:, 0].tolist() == [20, 2.5, 50, 10, 0, 0] and not found[:, 1:].any()
    assert inside.tolist() == [True, True, True, True, False, False]


@repeatable
@given(width=st.integers(1, 200), height=st.integers(1, 200), grey=st.integers(0, 255), kernel=KERNELS)
def test_an_even_picture_stays_even_at_every_size(width: int, height: int, grey: int, kernel: sampling.Kernel) -> None:
    even = np.full((30, 40, 3), grey, np.uint8)
    assert (sampling.resize_box(even, width, height, (0, 0, width, height), kernel) == grey).all()


@repeatable
@given(row=st.integers(0, 89), column=st.integers(0, 119))
def test_pixel_centres_are_the_pixels(row: int, column: int) -> None:
    sampled, inside = sampling.sample_bilinear(PICTURE, np.array(column), np.array(row))
    assert inside
    assert np.array_equal(sampled, PICTURE[row, column])
