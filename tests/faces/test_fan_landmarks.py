"""FAN's heatmaps: known ones give known points, as near as the published code's or nearer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lipdub.faces import fan_landmarks, landmarks
from lipdub.faces.alignment import fan
from tests.stages.small_retalking import heatmaps

torch = pytest.importorskip("torch")


def face(scale: float = 60.0, x: float = 300.0, y: float = 200.0) -> np.ndarray:
    """iBUG points (68, 2) of the neutral face, in a frame."""
    return landmarks.to_ibug(landmarks.load_neutral_face())[:, :2] * scale + [x, y]


@pytest.mark.parametrize("sigma", [0.8, 1.0, 2.0])
def test_known_heatmaps_give_known_points(sigma: float) -> None:
    points = np.random.default_rng(0).uniform(12, 243, (3, 68, 2))
    found = fan_landmarks.decode_heatmaps(heatmaps(points, sigma))
    assert found.shape == (3, 68, 2) and np.abs(found - points).max() < 0.02


def test_heatmaps_without_a_peak_or_at_the_edge() -> None:
    maps = np.zeros((1, 4, 64, 64), np.float32)
    maps[0, 0, 0, 63] = 1.0  # a corner
    maps[0, 1] = -1.0  # nothing above zero
    maps[0, 1, 5, 7] = -0.5
    maps[0, 2, 20, 30], maps[0, 2, 20, 31] = 1.0, 1.0  # flat: between the two
    found = fan_landmarks.decode_heatmaps(maps)[0]
    assert np.isfinite(found).all()
    assert found[0].tolist() == [253.5, 1.5] and found[1].tolist() == [29.5, 21.5]
    assert found[2] == pytest.approx([30.5 * 4 + 1.5, 20 * 4 + 1.5])
    assert fan_landmarks.decode_heatmaps(np.zeros((0, 68, 64, 64), np.float32)).shape == (0, 68, 2)


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
    found = fan_landmarks.find_landmarks(Network(), crops)
    assert found.shape == (3, 68, 2) and np.abs(found - points).max() < 0.02
    images = torch.cat(seen)
    assert images.shape == (3, 3, 256, 256) and torch.all(images[:, 0] == 1) and not images[:, 1:].any()


def test_points_somewhere_else_are_told() -> None:
    known = np.stack([face(), face(30), face(90)])
    side = (fan.fit_boxes(known)[:, 2] - fan.fit_boxes(known)[:, 0])[:, None, None]
    assert fan_landmarks.match_known(known + 0.03 * side, known).all()
    assert not fan_landmarks.match_known(known + 0.08 * side, known).any()
    far = known.copy()
    far[1] = 0
    assert fan_landmarks.match_known(far, known).tolist() == [True, False, True]
