"""Seams by hand: pictures whose slopes are known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lipdub.metrics import colour_step, seam
from lipdub.metrics.mask_edge import SECTORS, find_mask_edge
from tests.metrics.drawn_faces import SIZE, draw_disc, find_edge, to_grey


def test_large_faces_are_measured_as_small_ones(face: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    small = cv2.GaussianBlur(rng.normal(0, 60, (SIZE, SIZE, 3)).astype(np.float32), (0, 0), 3) + np.array(
        [180, 140, 120]
    )
    small[draw_disc()] += (30, 16, 20)
    large = cv2.resize(small, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(draw_disc().astype(np.float32), None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    edge = find_edge(face, draw_disc())
    wide = find_mask_edge(face * 3, 3 * SIZE, 3 * SIZE, mask)
    assert wide is not None and 1 < wide.unit < 2
    near, far = (np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (small, large))
    assert seam.seam_visibility(seam.measure_slopes(far, wide)) == pytest.approx(
        seam.seam_visibility(seam.measure_slopes(near, edge)), rel=0.15
    )
    steps = [colour_step.colour_step(colour_step.measure_bands(p, e)) for p, e in ((near, edge), (far, wide))]
    assert steps[0] == pytest.approx(steps[1], rel=0.05)


def test_a_step_has_the_slope_of_its_smoothed_edge(face: np.ndarray) -> None:
    edge = find_edge(face, draw_disc())
    for levels in (20, -40):
        found = seam.seam_visibility(seam.measure_slopes(to_grey(100 + levels * draw_disc()), edge))
        # a step through a Gaussian of sigma 0.7 and Sobel's central difference, seen in bins of a unit about it
        assert 0.2 * abs(levels) < found < 0.57 * abs(levels)


def test_what_is_smooth_or_has_no_direction_is_no_seam(face: np.ndarray) -> None:
    edge = find_edge(face, draw_disc())
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    ramp, bowl = to_grey(40 + x / 4), to_grey(220 - np.hypot(x - SIZE / 2, y - SIZE / 2) * 0.8)
    noise = to_grey(128 + np.random.default_rng(0).normal(0, 12, (SIZE, SIZE)))
    for picture in (ramp, bowl, noise):
        assert seam.seam_visibility(seam.measure_slopes(picture, edge)) < 0.6
    # a line elsewhere than at the edge
    ring = to_grey(100 + 40 * (draw_disc(95) ^ draw_disc(93)))
    assert seam.seam_visibility(seam.measure_slopes(ring, edge)) < 0.1


def test_sixteen_bits_are_as_eight(face: np.ndarray) -> None:
    edge, picture = find_edge(face, draw_disc()), to_grey(100 + 20 * draw_disc())
    deep = picture.astype(np.uint16) * 257
    assert seam.seam_visibility(seam.measure_slopes(deep, edge)) == pytest.approx(
        seam.seam_visibility(seam.measure_slopes(picture, edge)), rel=1e-3
    )
    assert colour_step.measure_bands(deep, edge) == pytest.approx(
        colour_step.measure_bands(picture, edge), rel=1e-4, abs=0.2
    )


def test_what_the_source_shows_as_well_is_no_seam(face: np.ndarray) -> None:
    edge, jaw = find_edge(face, draw_disc()), 100 + 60 * draw_disc()
    slopes = seam.measure_slopes(to_grey(jaw), edge)
    assert seam.seam_visibility(slopes) > 10 and seam.seam_visibility(slopes, slopes) == 0
    added = seam.measure_slopes(to_grey(jaw + 20 * draw_disc()), edge)
    assert seam.seam_visibility(added, slopes) == pytest.approx(
        seam.seam_visibility(seam.measure_slopes(to_grey(100 + 20 * draw_disc()), edge)), rel=0.1
    )


def test_frames_add_up(face: np.ndarray) -> None:
    """A weak seam that noise hides in one frame shows in many."""
    edge, rng = find_edge(face, draw_disc()), np.random.default_rng(0)
    total = np.zeros((2, SECTORS, seam.BINS))
    for _ in range(12):
        total += seam.measure_slopes(to_grey(100 + 3 * draw_disc() + rng.normal(0, 10, (SIZE, SIZE))), edge)
    assert seam.seam_visibility(total) > seam.VISIBLE
    assert math.isnan(seam.seam_visibility(np.zeros((2, SECTORS, seam.BINS))))
