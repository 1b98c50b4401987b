"""FAN's squares and heatmaps: known ones give known points, as near as the published code's or nearer."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from lipdub.faces import landmarks
from lipdub.faces.alignment import fan
from tests.stages.small_retalking import heatmaps

torch = pytest.importorskip("torch")

HEAT = 64  # cells of a heatmap


def face(scale: float = 60.0, x: float = 300.0, y: float = 200.0) -> np.ndarray:
    """iBUG points (68, 2) of the neutral face, in a frame."""
    return landmarks.to_ibug(landmarks.load_neutral_face())[:, :2] * scale + [x, y]


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_known_heatmaps_give_known_points(sigma: float) -> None:
    points = np.random.default_rng(0).uniform(12, 243, (3, 68, 2))
    found = fan.decode_heatmaps(heatmaps(points, sigma))
    assert found.shape == (3, 68, 2) and np.abs(found - points).max() < 0.02


def test_heatmaps_without_a_peak_or_at_the_edge() -> None:
    maps = np.zeros((1, 4, 64, 64), np.float32)
    maps[0, 0, 0, 63] = 1.0  # a corner
    maps[0, 1] = -1.0  # nothing above zero
    maps[0, 1, 5, 7] = -0.5
    maps[0, 2, 20, 30], maps[0, 2, 20, 31] = 1.0, 1.0  # flat: between the two
    found = fan.decode_heatmaps(maps)[0]
    assert np.isfinite(found).all()
    assert found[0].tolist() == [253.5, 1.5] and found[1].tolist() == [29.5, 21.5]
    assert found[2] == pytest.approx([30.5 * 4 + 1.5, 20 * 4 + 1.5])
    assert fan.decode_heatmaps(np.zeros((0, 68, 64, 64), np.float32)).shape == (0, 68, 2)


def test_points_go_to_the_crop_and_back() -> None:
    points = face()
    box = fan.fit_boxes(points[None])[0]
    assert np.allclose(fan.to_frame(fan.to_crop(points, box), box), points)
    assert np.allclose(fan.to_crop(box[:2] - 0.5, box), -0.5) and np.allclose(fan.to_crop(box[2:] - 0.5, box), 255.5)


def test_it_looks_where_the_published_code_does() -> None:
    utils = pytest.importorskip("face_alignment.utils")
    points = face()
    low, high = points.min(0) + 0.5, points.max(0) + 0.5  # the package counts from the first pixel's corner
    centre = (low + high) / 2 - [0, utils.CENTER_Y_OFFSET * (high - low)[1]]
    scale = float((high - low).sum()) / utils.REFERENCE_SCALE
    box = fan.fit_boxes(points[None])[0]
    side = box[2] - box[0]
    assert side == pytest.approx(utils.SCALE_FACTOR * scale, abs=0.5)
    assert np.abs((box[:2] + box[2:]) / 2 - centre).max() <= 0.75
    y, x = np.mgrid[:400, :600]
    rgb = np.stack([x * 0.4, y * 0.6, (x + y) * 0.2], 2).astype(np.uint8)
    shown = utils.crop(rgb, centre, scale)
    assert np.abs(fan.crop(cast("Any", _Plain(rgb)), box).astype(int) - shown)[4:-4, 4:-4].max() <= 2
    maps = heatmaps(fan.to_crop(points, box)[None])
    theirs = utils.get_preds_fromhm(maps, centre, scale)[1][0]
    ours = fan.to_frame(fan.decode_heatmaps(maps)[0], box)
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
    made = fan.crop(picture, np.array([-64, 36, 192, 292]))
    assert made.dtype == np.uint8 and (made[:64, 64:184] == 255).all()
    assert not made[:, :64].any() and not made[64:].any() and not made[:, 184:].any()
    assert fan.crop(picture, np.array([-30, -30, 10, 10])).shape == (256, 256, 3)


def test_faces_are_given_to_the_network_as_published() -> None:
    seen: list[Any] = []

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, images: Any) -> list[Any]:
            seen.append(images)
            wrong = torch.zeros(len(images), 68, 64, 64)
            return [wrong, torch.from_numpy(np.repeat(heatmaps(points[None]), len(images), 0))]

    points = np.random.default_rng(1).uniform(20, 230, (68, 2))
    crops = np.zeros((3, 256, 256, 3), np.uint8)
    crops[..., 0] = 255
    found = fan.find_landmarks(Network(), crops)
    assert found.shape == (3, 68, 2) and np.abs(found - points).max() < 0.02
    images = torch.cat(seen)
    assert images.shape == (3, 3, 256, 256) and torch.all(images[:, 0] == 1) and not images[:, 1:].any()


def test_points_somewhere_else_are_told() -> None:
    known = np.stack([face(), face(30), face(90)])
    side = (fan.fit_boxes(known)[:, 2] - fan.fit_boxes(known)[:, 0])[:, None, None]
    assert fan.match_known(known + 0.03 * side, known).all()
    assert not fan.match_known(known + 0.08 * side, known).any()
    far = known.copy()
    far[1] = 0
    assert fan.match_known(far, known).tolist() == [True, False, True]
