"""Seam, colour step and sharpness by hand: pictures whose slopes, colours and detail are known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lipdub.faces import masks
from lipdub.faces.landmarks import load_neutral_face
from lipdub.metrics import colour_step, flicker, regions, seam, sharpness
from lipdub.metrics.cpbd import cpbd, cpbd_of_rgb
from lipdub.metrics.mask_edge import REACH, SECTORS, MaskEdge, find_mask_edge

SIZE = 480


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    """The shipped neutral face, its eyes 100 pixels apart: a unit is a pixel."""
    return load_neutral_face() * 100 + [SIZE / 2, SIZE / 2 - 60, 0]


def _disc(radius: float = 110) -> np.ndarray:
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    return np.hypot(x - SIZE / 2, y - SIZE / 2) < radius


def _edge(face: np.ndarray, mask: np.ndarray | None = None, skin: bool = False) -> MaskEdge:
    edge = find_mask_edge(face, SIZE, SIZE, mask, skin)
    assert edge is not None
    return edge


def _grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, 2)


# -- the edge of a mask


def test_the_edge_of_a_disc(face: np.ndarray) -> None:
    edge = _edge(face, _disc())
    assert edge.unit == pytest.approx(1)
    x0, y0, x1, y1 = edge.box
    y, x = np.mgrid[y0:y1, x0:x1] - SIZE / 2
    radius = np.hypot(x, y)
    near = edge.counts & (np.abs(edge.distance) > 2)
    assert np.abs(edge.distance - (110 - radius))[near].max() < 2
    assert ((edge.inwards[0] * -x + edge.inwards[1] * -y) / np.maximum(radius, 1))[near].min() > 0.95
    assert (
        np.abs(110 - radius)[edge.counts] <= REACH + 3
    ).all() and edge.counts.sum() > 2 * math.pi * 110 * 2 * REACH * 0.95
    assert np.bincount(edge.sector[edge.counts], minlength=SECTORS).min() > edge.counts.sum() / SECTORS * 0.9


def test_without_a_mask_it_is_the_lower_face(face: np.ndarray) -> None:
    edge, wanted = _edge(face), _edge(face, masks.draw_lower_face(face, SIZE, SIZE).astype(np.float32))
    assert edge.box == wanted.box and (edge.distance == wanted.distance).all()


def test_of_skin_neither_eyes_nor_what_is_behind_the_face_count(face: np.ndarray) -> None:
    edge = _edge(face, skin=True)
    shown = np.zeros((SIZE, SIZE), bool)
    edge.part(shown)[edge.counts] = True
    assert 500 < shown.sum() < _edge(face).counts.sum()
    assert not shown[masks.draw_face(face, SIZE, SIZE) == 0].any()
    assert not shown[regions.fill_hull(face[list(regions.LEFT_EYE)], SIZE, SIZE)].any()


def test_there_is_no_edge_where_no_mask_is(face: np.ndarray) -> None:
    for mask in (np.zeros((SIZE, SIZE)), np.ones((SIZE, SIZE))):
        assert find_mask_edge(face, SIZE, SIZE, mask) is None
    assert find_mask_edge(face + 9000, SIZE, SIZE) is None
    assert find_mask_edge(face * np.nan, SIZE, SIZE) is None


def test_large_faces_are_measured_as_small_ones(face: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    small = cv2.GaussianBlur(rng.normal(0, 60, (SIZE, SIZE, 3)).astype(np.float32), (0, 0), 3) + (180, 140, 120)
    small[_disc()] += (30, 16, 20)
    large = cv2.resize(small, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(_disc().astype(np.float32), None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    edge = _edge(face, _disc())
    wide = find_mask_edge(face * 3, 3 * SIZE, 3 * SIZE, mask)
    assert wide is not None and 1 < wide.unit < 2
    near, far = (np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (small, large))
    assert seam.seam_visibility(seam.measure_slopes(far, wide)) == pytest.approx(
        seam.seam_visibility(seam.measure_slopes(near, edge)), rel=0.15
    )
    steps = [colour_step.colour_step(colour_step.measure_bands(p, e)) for p, e in ((near, edge), (far, wide))]
    assert steps[0] == pytest.approx(steps[1], rel=0.05)


# -- seam


def test_a_step_has_the_slope_of_its_smoothed_edge(face: np.ndarray) -> None:
    edge = _edge(face, _disc())
    for levels in (20, -40):
        found = seam.seam_visibility(seam.measure_slopes(_grey(100 + levels * _disc()), edge))
        # a step through a Gaussian of sigma 0.7 and Sobel's central difference, seen in bins of a unit about it
        assert 0.2 * abs(levels) < found < 0.57 * abs(levels)


def test_what_is_smooth_or_has_no_direction_is_no_seam(face: np.ndarray) -> None:
    edge = _edge(face, _disc())
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    ramp, bowl = _grey(40 + x / 4), _grey(220 - np.hypot(x - SIZE / 2, y - SIZE / 2) * 0.8)
    noise = _grey(128 + np.random.default_rng(0).normal(0, 12, (SIZE, SIZE)))
    for picture in (ramp, bowl, noise):
        assert seam.seam_visibility(seam.measure_slopes(picture, edge)) < 0.6
    # a line elsewhere than at the edge
    ring = _grey(100 + 40 * (_disc(95) ^ _disc(93)))
    assert seam.seam_visibility(seam.measure_slopes(ring, edge)) < 0.1


def test_sixteen_bits_are_as_eight(face: np.ndarray) -> None:
    edge, picture = _edge(face, _disc()), _grey(100 + 20 * _disc())
    deep = picture.astype(np.uint16) * 257
    assert seam.seam_visibility(seam.measure_slopes(deep, edge)) == pytest.approx(
        seam.seam_visibility(seam.measure_slopes(picture, edge)), rel=1e-3
    )
    assert colour_step.measure_bands(deep, edge) == pytest.approx(
        colour_step.measure_bands(picture, edge), rel=1e-4, abs=0.2
    )


def test_what_the_source_shows_as_well_is_no_seam(face: np.ndarray) -> None:
    edge, jaw = _edge(face, _disc()), 100 + 60 * _disc()
    slopes = seam.measure_slopes(_grey(jaw), edge)
    assert seam.seam_visibility(slopes) > 10 and seam.seam_visibility(slopes, slopes) == 0
    added = seam.measure_slopes(_grey(jaw + 20 * _disc()), edge)
    assert seam.seam_visibility(added, slopes) == pytest.approx(
        seam.seam_visibility(seam.measure_slopes(_grey(100 + 20 * _disc()), edge)), rel=0.1
    )


def test_frames_add_up(face: np.ndarray) -> None:
    """A weak seam that noise hides in one frame shows in many."""
    edge, rng = _edge(face, _disc()), np.random.default_rng(0)
    total = np.zeros((2, SECTORS, seam.BINS))
    for _ in range(12):
        total += seam.measure_slopes(_grey(100 + 3 * _disc() + rng.normal(0, 10, (SIZE, SIZE))), edge)
    assert seam.seam_visibility(total) > seam.VISIBLE
    assert math.isnan(seam.seam_visibility(np.zeros((2, SECTORS, seam.BINS))))


# -- colour step


def _lab(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def test_a_step_of_colour_is_the_difference_in_lab(face: np.ndarray) -> None:
    edge = _edge(face, _disc())
    plain = np.full((SIZE, SIZE, 3), (180, 140, 120), np.uint8)
    changed = plain.copy()
    changed[_disc()] = (195, 135, 110)
    apart = _lab(changed)[SIZE // 2, SIZE // 2] - _lab(plain)[0, 0]
    bands, source = colour_step.measure_bands(changed, edge), colour_step.measure_bands(plain, edge)
    assert colour_step.colour_step(bands, source) == pytest.approx(np.linalg.norm(apart), rel=1e-3)
    assert colour_step.colour_step(bands) == pytest.approx(np.linalg.norm(apart[1:]), rel=1e-3)  # its chroma
    assert colour_step.colour_step(source) == pytest.approx(0, abs=1e-3) == colour_step.colour_step(bands, bands)


def test_a_trend_of_colour_is_no_step(face: np.ndarray) -> None:
    edge = _edge(face, _disc())
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    away = np.hypot(x - SIZE / 2, y - SIZE / 2) / 5
    picture = np.stack([200 - away, 130 + away / 4, 110 + away / 2], -1).astype(np.uint8)
    near = colour_step.measure_bands(picture, edge)
    wide = np.median(near[0, :, 1:] / near[0, :, :1] - near[2, :, 1:] / near[2, :, :1], 0)
    assert colour_step.colour_step(near) < 0.5 * np.linalg.norm(wide[1:])  # what the bands themselves differ by
    assert colour_step.colour_step(near, near) == 0


def test_a_patch_in_one_place_is_no_step(face: np.ndarray) -> None:
    picture = np.full((SIZE, SIZE, 3), (180, 140, 120), np.uint8)
    spot = picture.copy()
    spot[: SIZE // 2, SIZE // 2 :] = (20, 200, 20)  # hair over a quarter of it
    edge = _edge(face, _disc())
    assert colour_step.colour_step(colour_step.measure_bands(spot, edge)) < 0.1
    assert math.isnan(colour_step.colour_step(np.zeros((4, SECTORS, 4))))


# -- sharpness


def _textured(sigma: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 40, (SIZE, SIZE)).astype(np.float32)
    return _grey(128 + (cv2.GaussianBlur(noise, (0, 0), sigma) * (1 + 2 * sigma) if sigma else noise))


def test_equal_detail_is_equally_sharp(face: np.ndarray) -> None:
    found = sharpness.sharpness(_textured(), face)
    assert abs(found.against_eyes) < 0.3 and abs(found.against_cheeks) < 0.3

    # differences of Gaussians of white noise: energies by Parseval, (1/(4 pi)) (1/a^2 + 1/b^2 - 4/(a^2 + b^2))
    def energy(a: float, b: float) -> float:
        return 1 / a**2 + 1 / b**2 - 4 / (a**2 + b**2)

    expected = math.log2(energy(0.6, 1.2) / energy(1.2, 2.4))
    assert found.mouth == pytest.approx(expected, abs=0.5)  # sigma 0.6 is coarsely sampled


def test_blur_of_the_mouth_shows_and_blur_of_everything_does_not(face: np.ndarray) -> None:
    sharp, soft = _textured(), _textured(2.0)
    both = np.where(masks.draw_lower_face(face, SIZE, SIZE)[..., None] > 0, soft, sharp)
    found = sharpness.sharpness(both, face)
    assert found.against_eyes < -2
    assert abs(sharpness.sharpness(soft, face).against_eyes) < 0.3
    assert found.eyes == pytest.approx(sharpness.sharpness(sharp, face).eyes, abs=0.1)


def test_contrast_is_not_sharpness(face: np.ndarray) -> None:
    picture = _textured(1.0)
    low = _grey(128 + (picture[..., 0].astype(float) - 128) / 3)
    # but for what rounding to whole levels adds
    assert sharpness.sharpness(low, face).mouth == pytest.approx(sharpness.sharpness(picture, face).mouth, abs=0.1)


def test_what_is_not_seen_is_not_measured(face: np.ndarray) -> None:
    picture = _textured()
    assert all(math.isnan(v) for v in sharpness.sharpness(picture, face * np.nan))
    assert all(math.isnan(v) for v in sharpness.sharpness(picture, face + 9000))
    assert np.isnan(flicker.measure_patches(picture, face * np.nan)).all()
    assert np.isnan(flicker.measure_patches(picture, face + 9000)).all()


def test_patches_are_means_of_brightness(face: np.ndarray) -> None:
    x = np.mgrid[0:SIZE, 0:SIZE][1]
    found = flicker.measure_patches(_grey(x / 2), face)
    middles = [face[list(vertices), 0].mean() / 2 for vertices in flicker.PATCHES]
    assert found == pytest.approx(middles, abs=3) and found[1] < found[0] < found[2]


# -- CPBD of a part


def test_cpbd_of_a_part_is_that_of_its_grey_picture() -> None:
    rng = np.random.default_rng(0)
    blobs = cv2.GaussianBlur(rng.standard_normal((256, 320)).astype(np.float32), (0, 0), 6) > 0
    picture = np.repeat(np.where(blobs, 220, 40).astype(np.uint8)[..., None], 3, 2)
    assert cpbd_of_rgb(picture) == cpbd(picture[..., 0])
    assert cpbd_of_rgb(picture, (32, 16, 224, 208)) == cpbd(picture[16:208, 32:224, 0])
    assert cpbd_of_rgb(picture.astype(np.uint16) * 257) == cpbd(picture[..., 0])
    assert math.isnan(cpbd_of_rgb(picture, (0, 0, 60, 200)))
    assert math.isnan(cpbd_of_rgb(picture, (-80, 0, -10, 200)))
