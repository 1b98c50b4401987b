"""Speckles: colours that a face does not have are found, and nothing else."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lipdub.faces import mesh
from lipdub.metrics import regions, speckles
from tests.metrics.drawn_faces import SIZE


def _draw(face: np.ndarray, freckled: bool = False) -> np.ndarray:
    """A face of skin with red lips, white teeth and dark eyes, and the noise of a camera; (SIZE, SIZE, 3) float32."""
    picture = np.full((SIZE, SIZE, 3), (205, 160, 135), np.float32)
    picture += np.linspace(-25, 25, SIZE, dtype=np.float32)[:, None]  # light from below
    for vertices, colour in (
        (mesh.LIPS_OUTER, (170, 80, 80)),
        (mesh.LIPS_INNER, (215, 205, 195)),
        (regions.LEFT_EYE, (60, 45, 40)),
        (regions.RIGHT_EYE, (60, 45, 40)),
    ):
        picture[regions.fill_hull(face[list(vertices)], SIZE, SIZE)] = colour
    if freckled:
        picture = _sprinkle(picture, SIZE, (150, 95, 60))
    return picture + np.random.default_rng(0).normal(0, 2, picture.shape).astype(np.float32)


def _sprinkle(picture: np.ndarray, count: int, colour: tuple[float, ...], below: float = 0.0) -> np.ndarray:
    """Dots of a colour, everywhere below a row."""
    rng, out = np.random.default_rng(1), picture.copy()
    for x, y in rng.uniform([0, below], SIZE, (count, 2)):
        cv2.circle(out, (int(x), int(y)), 3, colour, -1)
    return out


def _show(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [(235, 140, 20), (60, 180, 60), (220, 40, 200)], ids=["orange", "green", "magenta"])
def test_more_speckles_count_more(face: np.ndarray, colour: tuple[float, ...]) -> None:
    source = _draw(face)
    below = face[1, 1]  # the tip of the nose
    shares = [
        speckles.speckles(_show(_sprinkle(source, count, colour, below)), _show(source), face)
        for count in (0, 100, 300, 900)
    ]
    assert shares[0] == 0 and shares == sorted(shares)
    assert shares[1] > speckles.VISIBLE and shares[3] > 0.2


def test_blur_light_and_freckles_of_the_source_are_no_speckles(face: np.ndarray) -> None:
    for freckled in (False, True):
        source = _draw(face, freckled)
        blurred = cv2.GaussianBlur(source, (0, 0), 4.0)
        for changed in (blurred, 0.93 * source, source + np.random.default_rng(2).normal(0, 3, source.shape)):
            assert abs(speckles.speckles(_show(changed), _show(source), face)) < speckles.VISIBLE / 2
    # another mouth of the same colours
    moved = np.roll(_draw(face), 9, 0)
    assert abs(speckles.speckles(_show(moved), _show(_draw(face)), face)) < speckles.VISIBLE / 2


def test_the_size_and_the_depth_of_the_picture_do_not_count(face: np.ndarray) -> None:
    source = _draw(face)
    planted = _sprinkle(source, 300, (235, 140, 20), face[1, 1])
    found = speckles.speckles(_show(planted), _show(source), face)
    deep = [_show(picture).astype(np.uint16) * 257 for picture in (planted, source)]
    assert speckles.speckles(deep[0], deep[1], face) == pytest.approx(found, abs=1e-3)
    large = [cv2.resize(_show(picture), None, fx=2, fy=2) for picture in (planted, source)]
    assert speckles.speckles(large[0], large[1], face * 2) == pytest.approx(found, rel=0.25)


def test_what_is_not_seen_is_not_measured(face: np.ndarray) -> None:
    picture = _show(_draw(face))
    assert math.isnan(speckles.speckles(picture, picture, face * np.nan))
    assert math.isnan(speckles.speckles(picture, picture, face + 9000))
    assert math.isnan(speckles.speckles(picture, picture, face / 20))
