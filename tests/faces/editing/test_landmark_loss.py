"""Eq. 6 by hand and against finite differences, and how the networks of heat maps are shown pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lipdub.errors import WeightsError
from lipdub.faces.alignment import fan
from lipdub.faces.editing import landmark_loss
from lipdub.faces.editing.landmark_loss import (
    HeatMapper,
    cut_squares,
    fit_fan_squares,
    heatmap_distance,
    landmark_weights,
    load_heat_mapper,
    make_fan_mapper,
    soft_points,
)
from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps, draw_heatmaps
from lipdub.weights import landmark_heatmaps_file
from tests.faces.editing.small import points, rand

if TYPE_CHECKING:
    from pathlib import Path


def test_equation_six_by_hand() -> None:
    found, wanted = torch.zeros(2, 68, 2, 2), torch.zeros(2, 68, 2, 2)
    found[0, 0] = torch.tensor([[3.0, 0.0], [0.0, 4.0]])  # 5 from empty
    wanted[0, 60] = torch.tensor([[0.0, 1.0], [0.0, 0.0]])  # 1 from empty
    weights = torch.ones(68)
    weights[60] = 7.0
    assert heatmap_distance(found, wanted, weights).tolist() == pytest.approx([5 + 7 * 1, 0], abs=1e-3)


def test_mouth_and_eyes_count_more() -> None:
    weights = landmark_weights()
    assert float(weights.mean()) == pytest.approx(1)
    assert float(weights[60]) > float(weights[40]) > float(weights[30]) == float(weights[3]) > 0


def test_its_gradient_is_that_of_finite_differences() -> None:
    size = HeatMapSize(8, 8, 1)
    torch.manual_seed(0)
    network = LandmarkHeatMaps(size).eval().double().requires_grad_(False)
    network.forward = lambda x: network.maps(network.last(network.hourglass(network.stem(x))))  # type: ignore[method-assign] # in float64
    wanted = draw_heatmaps(points(1), 8, size.sigma).double()
    weights = landmark_weights().double()
    pictures = (rand(1, 3, 16, 16).double() - 0.5).requires_grad_()

    def loss(shown: torch.Tensor) -> torch.Tensor:
        return heatmap_distance(network(shown), wanted, weights).sum()

    (slope,) = torch.autograd.grad(loss(pictures), pictures)
    step = 1e-5
    for place in ((0, 0, 3, 3), (0, 1, 8, 9), (0, 2, 12, 4)):
        moved = torch.zeros_like(pictures)
        moved[place] = step
        with torch.no_grad():
            measured = (loss(pictures + moved) - loss(pictures - moved)) / (2 * step)
        assert float(slope[place]) == pytest.approx(float(measured), rel=1e-4, abs=1e-6)


def test_where_maps_are_equal_the_gradient_is_nothing() -> None:
    found = draw_heatmaps(points(1), 8, 1.5).requires_grad_()
    (slope,) = torch.autograd.grad(heatmap_distance(found, found.detach(), landmark_weights()).sum(), found)
    assert torch.isfinite(slope).all() and float(slope.abs().max()) == 0


def test_points_are_found_between_cells() -> None:
    given = points(3)
    found = soft_points(draw_heatmaps(given, 32, 1.5))
    assert float((found - given).abs().max()) < 0.01


def test_a_mapper_that_sees_squares_finds_points_of_the_whole_picture() -> None:
    given = points(2)
    seen: list[torch.Tensor] = []

    def compute(pictures: torch.Tensor) -> torch.Tensor:
        seen.append(pictures)
        return draw_heatmaps((given - squares[:, None, :2]) / squares[:, None, 2:], 64, 1.0)

    squares = fit_fan_squares(given)
    made = HeatMapper("squares", compute, 1.0, fit_fan_squares, fan.SIZE)
    heatmaps = made.compute(rand(2, 3, 64, 64) * 2 - 1, given)
    assert seen[0].shape == (2, 3, 256, 256)
    torch.testing.assert_close(heatmaps, made.draw_wanted(given, 64))
    assert float((made.find_points(heatmaps, given) - given).abs().max()) < 0.01


def test_squares_are_fans() -> None:
    given = points(4) * 256
    boxes = fan.fit_boxes(given.numpy())
    mine = fit_fan_squares(given).numpy()
    np.testing.assert_allclose(mine, np.stack([boxes[:, 0], boxes[:, 1], boxes[:, 2] - boxes[:, 0]], 1), atol=1.01)


def test_squares_are_cut_where_they_lie_and_are_black_beyond() -> None:
    pictures = torch.zeros(1, 1, 8, 8)
    pictures[..., 2, 5] = 1.0
    cut = cut_squares(pictures, torch.tensor([[0.5, 0.0, 0.5]]), 4)  # the upper right quarter, pixel for pixel
    torch.testing.assert_close(cut[0, 0], pictures[0, 0, :4, 4:])
    beyond = cut_squares(pictures, torch.tensor([[1.5, 0.0, 0.5]]), 4)
    assert (beyond == -1).all()


def test_fan_gives_its_last_hourglass() -> None:
    stages = [rand(1, 68, 64, 64, seed=n) for n in range(2)]
    network: torch.nn.Module = torch.nn.Identity()
    network.forward = lambda pictures: stages  # type: ignore[method-assign, assignment]
    made = make_fan_mapper(network, "file")
    assert torch.equal(made.compute(rand(1, 3, 32, 32), points(1)), stages[1]) and "file" in made.name


def test_the_small_network_is_used_without_fan_and_its_lack_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weights_folder: Path
) -> None:
    def locate(name: str) -> Path:
        path = tmp_path / name
        if not path.exists():
            raise WeightsError("gone")
        return path

    monkeypatch.setattr(landmark_loss, "verify_shipped", locate)
    with pytest.raises(WeightsError, match=r"weights pull 2dfan4.*train landmark-heatmaps"):
        load_heat_mapper()
    size = HeatMapSize(8, 8, 2, sigma=2.0)
    landmark_heatmaps_file.save(tmp_path / landmark_loss.SHIPPED, LandmarkHeatMaps(size), {})
    made = load_heat_mapper()
    assert made.sigma == 2.0 and landmark_loss.SHIPPED in made.name
    assert made.compute(rand(1, 3, 16, 16), points(1)).shape == (1, 68, 8, 8)
