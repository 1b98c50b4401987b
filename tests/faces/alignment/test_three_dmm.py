"""The 3DMM regressor's crop."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces.alignment import three_dmm
from lipdub.faces.alignment.five_point import select_five_points
from tests.networks import parity


def _cases(data: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Landmarks (y down) and frame of each case."""
    up = data["align2.landmarks_up"]
    return {
        "align": (data["align.landmarks_image"], data["align.image"]),
        "align2": (np.stack([up[:, 0], len(data["align2.image"]) - 1 - up[:, 1]], 1), data["align2.image"]),
    }


@pytest.mark.parametrize("name", ["align", "align2"])
def test_it_is_the_published_crop(name: str) -> None:
    facts, data = parity.fixture("preprocess")
    landmarks, image = _cases(data)[name]
    alignment = three_dmm.align(select_five_points(landmarks), image.shape[1], image.shape[0])
    wanted = data[f"{name}.trans_params"]
    assert np.abs(alignment.row - wanted).max() <= facts["tolerances"]["align*.trans_params"]
    gap = np.abs(alignment.crop(image).astype(int) - data[f"{name}.crop"])
    assert gap.max() <= 1 and gap.any(-1).mean() <= 0.01


def test_points_are_the_published_ones() -> None:
    _, data = parity.fixture("preprocess")
    assert np.allclose(three_dmm.STANDARD_POINTS, data["align.lm3d_5"], rtol=0, atol=1e-9)
    assert np.allclose(select_five_points(data["align.lm3d_68"]), data["align.lm3d_5"], rtol=0, atol=1e-7)
    landmarks, image = _cases(data)["align"]
    five = select_five_points(landmarks)
    up = np.stack([five[:, 0], len(image) - 1 - five[:, 1]], 1)
    assert np.allclose(up, data["align.landmarks_5"], rtol=0, atol=1e-9)
    # The published code maps landmarks as if sizes and corner were not cut to whole pixels: up to one pixel
    # off.
    alignment = three_dmm.align(five, image.shape[1], image.shape[0])
    found = alignment.to_crop(landmarks)
    published = data["align.landmarks_crop"]
    assert np.abs(found[:, 0] - published[:, 0]).max() < 1
    assert np.abs(three_dmm.SIZE - 1 - found[:, 1] - published[:, 1]).max() < 1


def _placed(scale: float, x: float, y: float, width: int, height: int) -> three_dmm.StandardFaceAlignment:
    """The alignment found for the standard face itself, so many pixels large, its origin at x, y (y down)."""
    seen = three_dmm.STANDARD_POINTS[:, :2] * [scale, -scale] + [x, y]
    return three_dmm.align(seen, width, height)


def test_the_standard_face_is_found_where_it_was_put() -> None:
    # not 204 itself: half the picture's size, cut to whole pixels, then hangs on the last bit of the fit
    alignment = _placed(203.999999, 150, 90, 400, 300)
    assert alignment.row == pytest.approx((400, 300, 0.5, 150, 209))
    found = alignment.to_crop(np.array([150.0, 90]))
    assert np.abs(found - three_dmm.SIZE / 2).max() < 1.5


@pytest.mark.parametrize("scale", [60.0, 204.0])
def test_crop_shows_what_to_crop_says(scale: float) -> None:
    alignment = _placed(scale, 150, 90, 301, 223)
    y, x = np.mgrid[:223, :301]
    spot = np.array([160.0, 100])
    blob = np.exp(-((x - spot[0]) ** 2 + (y - spot[1]) ** 2) / (2 * 5.0**2))
    image = np.repeat(np.round(250 * blob)[..., None], 3, axis=2).astype(np.uint8)
    crop = alignment.crop(image)[..., 0].astype(float)
    assert crop.shape == (three_dmm.SIZE, three_dmm.SIZE)
    rows, columns = np.mgrid[: three_dmm.SIZE, : three_dmm.SIZE]
    seen = np.array([(columns * crop).sum(), (rows * crop).sum()]) / crop.sum()
    assert np.abs(alignment.to_crop(spot) - seen).max() < 0.05
    np.testing.assert_allclose(alignment.to_frame(alignment.to_crop(spot)), spot)


def test_points_without_extent_are_refused() -> None:
    with pytest.raises(ValueError, match="one place"):
        three_dmm.align(np.full((5, 2), 7.0), 100, 100)
