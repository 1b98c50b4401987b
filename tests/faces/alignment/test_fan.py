"""FAN's squares and heatmaps: known ones give known points, as near as the published code's or nearer."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from lipdub.faces import fan_landmarks, landmarks
from lipdub.faces.alignment import fan
from tests.stages.small_retalking import heatmaps

torch = pytest.importorskip("torch")

HEAT = 64  # cells of a heatmap


def face(scale: float = 60.0, x: float = 300.0, y: float = 200.0) -> np.ndarray:
    """iBUG points (68, 2) of the neutral face, in a frame."""
    return landmarks.to_ibug(landmarks.load_neutral_face())[:, :2] * scale + [x, y]


def test_points_go_to_the_crop_and_back() -> None:
    points = face()
    box = fan.fit_boxes(points[None])[0]
    alignment = fan.align(box)
    assert np.allclose(alignment.to_frame(alignment.to_crop(points)), points)
    assert np.allclose(alignment.to_crop(box[:2] - 0.5), -0.5)
    assert np.allclose(alignment.to_crop(box[2:] - 0.5), 255.5)


def test_it_looks_where_the_published_code_does(monkeypatch: pytest.MonkeyPatch) -> None:
    utils = pytest.importorskip("face_alignment.utils")
    for name, value in vars(utils).copy().items():
        if hasattr(value, "py_func"):  # as Python: Numba would compile it for ten seconds
            monkeypatch.setattr(utils, name, value.py_func)
    points = face()
    low, high = points.min(0) + 0.5, points.max(0) + 0.5  # the package counts from the first pixel's corner
    centre = (low + high) / 2 - [0, utils.CENTER_Y_OFFSET * (high - low)[1]]
    scale = float((high - low).sum()) / utils.REFERENCE_SCALE
    box = fan.fit_boxes(points[None])[0]
    alignment = fan.align(box)
    side = box[2] - box[0]
    assert side == pytest.approx(utils.SCALE_FACTOR * scale, abs=0.5)
    assert np.abs((box[:2] + box[2:]) / 2 - centre).max() <= 0.75
    y, x = np.mgrid[:400, :600]
    rgb = np.stack([x * 0.4, y * 0.6, (x + y) * 0.2], 2).astype(np.uint8)
    shown = utils.crop(rgb, centre, scale)
    assert np.abs(alignment.crop_picture(cast("Any", _Plain(rgb))).astype(int) - shown)[4:-4, 4:-4].max() <= 2
    maps = heatmaps(alignment.to_crop(points)[None])
    theirs = utils.get_preds_fromhm(maps, centre, scale)[1][0]
    ours = alignment.to_frame(fan_landmarks.decode_heatmaps(maps)[0])
    assert np.abs(ours - points).max() < 0.05 * side / HEAT
    # whole pixels of half a cell, which theirs are known to
    assert np.abs(theirs - (ours + 0.5)).max() <= 1 + 0.5 * side / HEAT


class _Plain:
    """A picture whose pixels are RGB."""

    def __init__(self, rgb: np.ndarray) -> None:
        self._rgb = rgb
        self.height, self.width = rgb.shape[:2]

    def rgb(self, box: tuple[int, int, int, int]) -> np.ndarray:
        x0, y0, x1, y1 = box
        assert 0 <= x0 < x1 <= self.width and 0 <= y0 < y1 <= self.height
        return self._rgb[y0:y1, x0:x1]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_crop_is_black_beyond_the_frame(dtype: type) -> None:
    picture: Any = _Plain(np.full((100, 120, 3), np.iinfo(dtype).max, dtype))
    made = fan.align(np.array([-64, 36, 192, 292])).crop_picture(picture)
    assert made.dtype == np.uint8 and (made[:64, 64:184] == 255).all()
    assert not made[:, :64].any() and not made[64:].any() and not made[:, 184:].any()
    assert fan.align(np.array([-30, -30, 10, 10])).crop_picture(picture).shape == (256, 256, 3)
